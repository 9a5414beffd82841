import { TEXT_UNITS_MAX } from '../forms/text-parts.ts';
import type { Tree } from '../tree.ts';
import {
  type Bytes,
  type Emit,
  type Emitter,
  NoFastPath,
  type Slot,
  TAKE_NEW_SCRATCH,
  type TextSlot,
  isThereText,
  isUtf8Text,
  literalTest,
} from './emitter.ts';

/** What a text must begin with, hold behind that, and end with; they do not overlap. */
interface Parts {
  readonly first: string;
  readonly middle?: string;
  readonly last?: string;
}

/** Letters of what stands for bytes that are not UTF-8 (lib/text.ts): where a part has some, it may match what is not in the bytes. */
const OF_ESCAPES = /[\\x0-9a-f]/;

function partsTest(emitter: Emitter, text: Tree, { first, middle, last }: Parts): Slot {
  const slot = emitter.textSlot(text);
  const result = emitter.let('NaN');
  emitter.line(`if (${isThereText(slot)}) {`);
  const bytes = emitter.bytesOf(slot);
  const [begin, end] = [Buffer.from(first), Buffer.from(last ?? '')];
  const isWhole = last === undefined && middle === undefined;
  const tests = [`${bytes.length} ${isWhole ? '===' : '>='} ${begin.length + end.length}`];
  if (begin.length > 0) tests.push(literalAt(emitter, begin, bytes, bytes.at));
  if (end.length > 0) {
    const at = emitter.const(`${bytes.at} + ${bytes.length} - ${end.length}`).value;
    tests.push(literalAt(emitter, end, bytes, at));
  }
  if (middle !== undefined && middle !== '') {
    const needle = emitter.needle(Buffer.from(middle));
    const [at, length] = [`${bytes.at} + ${begin.length}`, `${bytes.length} - ${begin.length + end.length}`];
    tests.push(`${needle}.isIn(${bytes.array}, ${at}, ${length})`);
  }
  emitter.line(`${result} = ${tests.join(' && ')} ? 1 : 0;`);
  // What is in the bytes is in the text. What is not may be.
  if (first.includes('\\') || OF_ESCAPES.test(`${middle ?? ''}${last ?? ''}`))
    emitter.line(`if (${result} === 0 && !${isUtf8Text(slot, bytes)}) break fast;`);
  emitter.line('}');
  return { kind: 'number', value: result };
}

function literalAt(emitter: Emitter, literal: Buffer, { array, view }: Bytes, at: string): string {
  const test = literalTest(literal, array, view, at);
  if (test !== undefined) return test;
  return `${emitter.needle(literal)}.isIn(${array}, ${at}, ${literal.length})`;
}

/** The text of a constant; other arguments have no fast path. */
function constantText(tree: Tree): string {
  if (tree.kind !== 'constant' || typeof tree.value !== 'string') throw new NoFastPath();
  return tree.value;
}

/** Patterns of the usual kinds: `a%`, `%a`, `%a%`, `a%b`, and no `_`. */
const like: Emit = (emitter, { args }) => {
  const pattern = constantText(args[1]!);
  if (args.length > 2 || pattern.includes('_')) throw new NoFastPath();
  const parts = pattern.replaceAll(/%+/g, '%').split('%');
  if (parts.length > 3) throw new NoFastPath();
  const [first, middle, last] = parts.length === 3 ? parts : [parts[0], undefined, parts[1]];
  return partsTest(emitter, args[0]!, {
    first: first!,
    ...(middle === undefined ? {} : { middle }),
    ...(last === undefined ? {} : { last }),
  });
};

const length: Emit = (emitter, { args }) => {
  const slot = emitter.textSlot(args[0]!);
  emitter.line(`if (${isThereText(slot)}) {`);
  const { array, view, at } = emitter.bytesOf(slot);
  emitter.line(`if (!isAsciiAt(${array}, ${view}, ${at}, ${slot.length})) break fast;`);
  emitter.line('}');
  return emitter.const(`${isThereText(slot)} ? ${slot.length} : NaN`);
};

/** The texts one behind the other, in the scratch. */
function join(emitter: Emitter, slots: readonly TextSlot[], isNullOfOne: boolean): Slot {
  const [start, total] = [emitter.name('s'), emitter.name('l')];
  emitter.line(`let ${start} = 0, ${total} = ${isNullOfOne ? -1 : 0};`);
  if (isNullOfOne) emitter.line(`if (${slots.map(isThereText).join(' && ')}) {`);
  const lengths = slots.map(({ length: l }) => (isNullOfOne ? l : `Math.max(${l}, 0)`));
  emitter.line(`${total} = ${lengths.join(' + ')};`);
  emitter.line(`if (${total} > ${TEXT_UNITS_MAX} || !batch.hasRoom(${total})) break fast;`);
  emitter.line(`${start} = -1 - batch.scratchLength; batch.reserveScratch(${total});`);
  for (const slot of slots) {
    emitter.line(`if (${slot.length} > 0) {`);
    const bytes = emitter.bytesOf(slot);
    emitter.line(`if (!${isUtf8Text(slot, bytes)}) break fast;`);
    emitter.line(`copyBytes(${bytes.array}, ${bytes.at}, ${bytes.length}, batch);`);
    emitter.line('}');
  }
  emitter.line(TAKE_NEW_SCRATCH);
  if (isNullOfOne) emitter.line('}');
  return { kind: 'text', start, length: total, isUtf8: true };
}

/** `a || b || c` is one join. */
function joinedOf(tree: Tree): readonly Tree[] {
  return tree.kind === 'call' && tree.form === '||' ? tree.args.flatMap(joinedOf) : [tree];
}

export const TEXT_EMITTERS: Readonly<Record<string, Emit>> = {
  like,
  starts_with: (emitter, { args }) => partsTest(emitter, args[0]!, { first: constantText(args[1]!), last: '' }),
  ends_with: (emitter, { args }) => partsTest(emitter, args[0]!, { first: '', last: constantText(args[1]!) }),
  contains: (emitter, { args }) =>
    partsTest(emitter, args[0]!, { first: '', middle: constantText(args[1]!), last: '' }),
  length,
  '||': (emitter, tree) =>
    join(
      emitter,
      joinedOf(tree).map((arg) => emitter.textSlot(arg)),
      true,
    ),
  concat: (emitter, { args }) =>
    join(
      emitter,
      args.map((arg) => emitter.textSlot(arg)),
      false,
    ),
};
