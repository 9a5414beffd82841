import {
  type Bytes,
  type Emit,
  type Emitter,
  type Slot,
  type TextSlot,
  isThereText,
  isUtf8Text,
  literalTest,
} from './emitter.ts';
import type { CallTree, ConstantTree, Tree } from '../tree.ts';

const SIGNS: Readonly<Record<string, string>> = { '=': '===', '<>': '!==', '<': '<', '<=': '<=', '>': '>', '>=': '>=' };

function comparison(name: string): Emit {
  const sign = SIGNS[name]!;
  return (emitter, tree) => {
    const [left, right] = tree.args as [Tree, Tree];
    if (left.type === 'text') return textComparison(emitter, name, tree);
    const values = [emitter.number(left), emitter.number(right)] as const;
    return emitter.const(`${bothThere(...values)} ? ${values[0]} ${sign} ${values[1]} ? 1 : 0 : NaN`);
  };
}

function bothThere(left: string, right: string): string {
  return `${left} === ${left} && ${right} === ${right}`;
}

function textComparison(emitter: Emitter, name: string, { args }: CallTree): Slot {
  const isEquality = name === '=' || name === '<>';
  const literal = args.find(isPlainLiteral);
  const result = emitter.let('NaN');
  if (isEquality && literal !== undefined) {
    const other = emitter.textSlot(args[0] === literal ? args[1]! : args[0]!);
    const test = equalsLiteral(emitter, other, literal);
    emitter.line(`if (${isThereText(other)}) ${result} = ${test} ? ${name === '=' ? '1 : 0' : '0 : 1'};`);
    return { kind: 'number', value: result };
  }
  const [left, right] = [emitter.textSlot(args[0]!), emitter.textSlot(args[1]!)];
  emitter.line(`if (${isThereText(left)} && ${isThereText(right)}) {`);
  const order = isEquality ? equality(emitter, left, right) : orderOf(emitter, left, right);
  emitter.line(`${result} = ${order} ${SIGNS[name]!} 0 ? 1 : 0;`);
  emitter.line('}');
  return { kind: 'number', value: result };
}

/** A literal whose bytes no other text has: invalid UTF-8 becomes `\xNN` where it is shown, and is equal to such a literal. */
export function isPlainLiteral(tree: Tree): tree is ConstantTree {
  return tree.kind === 'constant' && typeof tree.value === 'string' && !tree.value.includes('\\x');
}

/** A condition on a text that is not NULL; the bytes of NULL are not read, for no literal is that short. */
export function equalsLiteral(emitter: Emitter, slot: TextSlot, literal: ConstantTree): string {
  const bytes = Buffer.from(literal.value as string);
  const { array, view, at, length } = emitter.bytesOf(slot);
  const test = literalTest(bytes, array, view, at);
  if (test !== undefined) return `${length} === ${bytes.length} && ${test}`;
  const other = emitter.bytesOf(emitter.textSlot(literal));
  return `${length} === ${bytes.length} && ${sameBytesText({ array, view, at, length }, other)}`;
}

function sameBytesText(left: Bytes, right: Bytes): string {
  return `sameBytes(${left.array}, ${left.view}, ${left.at}, ${right.array}, ${right.view}, ${right.at}, ${left.length})`;
}

/** Of two texts that are not NULL: 0 where they are the same. Different bytes may be the same text if one is not UTF-8. */
function equality(emitter: Emitter, left: TextSlot, right: TextSlot): string {
  const [leftBytes, rightBytes] = [emitter.bytesOf(left), emitter.bytesOf(right)];
  const order = emitter.const(
    `${left.length} === ${right.length} && ${sameBytesText(leftBytes, rightBytes)} ? 0 : 1`,
  ).value;
  const areTexts = `${isUtf8Text(left, leftBytes)} && ${isUtf8Text(right, rightBytes)}`;
  emitter.line(`if (${order} === 1 && !(${areTexts})) break fast;`);
  return order;
}

function orderOf(emitter: Emitter, left: TextSlot, right: TextSlot): string {
  const [leftBytes, rightBytes] = [emitter.bytesOf(left), emitter.bytesOf(right)];
  emitter.line(`if (!(${isUtf8Text(left, leftBytes)} && ${isUtf8Text(right, rightBytes)})) break fast;`);
  return emitter.const(
    `orderOfBytes(${leftBytes.array}, ${leftBytes.at}, ${left.length}, ${rightBytes.array}, ${rightBytes.at}, ${right.length})`,
  ).value;
}

/** `is distinct from`: NULL is a value like others. */
function distinction(isDistinct: boolean): Emit {
  return (emitter, { args }) => {
    const [left, right] = [emitter.slot(args[0]!), emitter.slot(args[1]!)];
    const [same, different] = isDistinct ? [0, 1] : [1, 0];
    const result = emitter.let(String(different));
    emitter.line(`if (${isThereText(left)} && ${isThereText(right)}) {`);
    const isSame = equalityText(emitter, left, right);
    emitter.line(`if (${isSame}) ${result} = ${same};`);
    emitter.line(`} else if (!(${isThereText(left)}) && !(${isThereText(right)})) ${result} = ${same};`);
    return { kind: 'number', value: result };
  };
}

/** A condition: two values that are not NULL are the same. */
export function equalityText(emitter: Emitter, left: Slot, right: Slot): string {
  if (left.kind === 'text' && right.kind === 'text') return `${equality(emitter, left, right)} === 0`;
  return left.kind === 'number' && right.kind === 'number' ? `${left.value} === ${right.value}` : 'false';
}

const between: Emit = (emitter, { args }) => {
  const [value, least, most] = args as [Tree, Tree, Tree];
  if (value.type === 'text') {
    const slots = args.map((arg) => emitter.textSlot(arg)) as [TextSlot, TextSlot, TextSlot];
    const [above, below] = [boundText(emitter, slots[0], slots[1]), boundText(emitter, slots[2], slots[0])];
    return emitter.const(`${above} === 0 || ${below} === 0 ? 0 : ${above} * ${below}`);
  }
  const [v, a, b] = [emitter.number(value), emitter.number(least), emitter.number(most)];
  return emitter.const(`${v} < ${a} || ${v} > ${b} ? 0 : ${v} >= ${a} && ${v} <= ${b} ? 1 : NaN`);
};

/** 1 where the first text is not before the second, 0 where it is, NaN where one is NULL. */
function boundText(emitter: Emitter, more: TextSlot, less: TextSlot): string {
  const result = emitter.let('NaN');
  emitter.line(`if (${isThereText(more)} && ${isThereText(less)}) {`);
  const order = orderOf(emitter, more, less);
  emitter.line(`${result} = ${order} >= 0 ? 1 : 0;`);
  emitter.line('}');
  return result;
}

const inList: Emit = (emitter, { args }) => {
  const [first, ...others] = args as [Tree, ...Tree[]];
  const value = emitter.slot(first);
  const result = emitter.let('NaN');
  emitter.block((leave) => {
    emitter.line(`if (!(${isThereText(value)})) ${leave}`);
    emitter.line(`${result} = 0;`);
    const bytes = value.kind === 'text' && others.some(isPlainLiteral) ? emitter.bytesOf(value) : undefined;
    const writeOther = (other: Tree): void => {
      const hit = `{ ${result} = 1; ${leave} }`;
      if (bytes !== undefined && isPlainLiteral(other)) {
        const literal = Buffer.from(other.value as string);
        const test = literalTest(literal, bytes.array, bytes.view, bytes.at);
        if (test !== undefined) return emitter.line(`if (${bytes.length} === ${literal.length} && ${test}) ${hit}`);
      }
      const slot = emitter.slot(other);
      emitter.line(`if (!(${isThereText(slot)})) ${result} = NaN; else {`);
      emitter.line(`if (${equalityText(emitter, value, slot)}) ${hit}`);
      emitter.line('}');
    };
    for (const other of others) if (!emitter.lazily(() => writeOther(other))) break;
  });
  return { kind: 'number', value: result };
};

export const COMPARISON_EMITTERS: Readonly<Record<string, Emit>> = {
  ...Object.fromEntries(Object.keys(SIGNS).map((name) => [name, comparison(name)])),
  is_distinct_from: distinction(true),
  is_not_distinct_from: distinction(false),
  between,
  in: inList,
};
