import { assert } from '../../lib/assert.ts';
import { TextMemo } from './memo.ts';
import { Needle } from './needle.ts';
import type { CallTree, ConstantTree, FieldTree, Tree } from '../tree.ts';

/** A value in generated code. */
export type Slot = NumberSlot | TextSlot;

/** A number, a time in milliseconds, a boolean (0, 1): a double that is finite, exact and NaN for NULL. */
export interface NumberSlot {
  readonly kind: 'number';
  /** A local, or a number. */
  readonly value: string;
}

/** A text as StringColumn has it: a start that is negative is in the scratch, a length that is negative is NULL. */
export interface TextSlot {
  readonly kind: 'text';
  readonly start: string;
  readonly length: string;
  /** Its bytes are UTF-8: they are those of the text that tables show. Of others nobody knows before they are looked at. */
  readonly isUtf8: boolean;
}

/** Where the bytes of a text are: names of an array, of its view, and of the first byte's place. */
export interface Bytes {
  readonly array: string;
  readonly view: string;
  readonly at: string;
  readonly length: string;
}

/** Writes the code of a form, or throws {@link NoFastPath} where it has none for those arguments. */
export type Emit = (emitter: Emitter, tree: CallTree) => Slot;

/** Thrown while code is written: the line has to be evaluated by the interpreter. */
export class NoFastPath extends Error {}

/** Takes the scratch; appending to it may have replaced it. */
export const TAKE_SCRATCH = 'scratch = batch.scratch, scratchView = viewOf(scratch);';
export const TAKE_NEW_SCRATCH = `if (scratch !== batch.scratch) { ${TAKE_SCRATCH} }`;

const SAFE = String(Number.MAX_SAFE_INTEGER);
const FINITE = String(Number.MAX_VALUE);
/** Longer literals are compared where they lie, not by numbers in the text. */
const INLINE_BYTES_MAX = 64;

/**
 * The text of the generated loop while it is written, line by line. It is made of numbers and of this repository's words; texts and whatever else
 * comes from an expression are passed by reference. Code leaves the fast path for what is rare: `break fast`.
 */
export class Emitter {
  /** Texts that the loop puts into the scratch once a batch: `text0`, … are their starts. */
  readonly literals: Buffer[] = [];
  /** By place: `memo0`, …. */
  readonly memos: TextMemo[] = [];
  /** By place: `needle0`, …. */
  readonly needles: Needle[] = [];
  /** Batch columns that are read. */
  readonly numberColumns = new Set<number>();
  readonly textColumns = new Set<number>();
  readonly #columnOf: (field: string) => number;
  readonly #write: (emitter: Emitter, tree: Tree) => Slot;
  #lines: string[] = [];
  #names = 0;

  constructor(columnOf: (field: string) => number, write: (emitter: Emitter, tree: Tree) => Slot) {
    this.#columnOf = columnOf;
    this.#write = write;
  }

  get text(): string {
    return this.#lines.join('\n');
  }

  slot(tree: Tree): Slot {
    return this.#write(this, tree);
  }

  number(tree: Tree): string {
    const slot = this.slot(tree);
    assert(slot.kind === 'number', 'a number is asked of a number');
    return slot.value;
  }

  textSlot(tree: Tree): TextSlot {
    const slot = this.slot(tree);
    assert(slot.kind === 'text', 'a text is asked of a text');
    return slot;
  }

  line(text: string): void {
    this.#lines.push(text);
  }

  name(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }

  /** Declares a number that is written once. */
  const(value: string): NumberSlot {
    const name = this.name('n');
    this.line(`const ${name} = ${value};`);
    return { kind: 'number', value: name };
  }

  /** Declares a number that may be written again. */
  let(value: string): string {
    const name = this.name('n');
    this.line(`let ${name} = ${value};`);
    return name;
  }

  /** A labelled block: `write` gets the statement that leaves it. */
  block(write: (leave: string) => void): void {
    const label = this.name('b');
    this.line(`${label}: {`);
    write(`break ${label};`);
    this.line('}');
  }

  /** Writes code that is not reached by every line: where it has no fast path, those that reach it leave. Gives whether it has one. */
  lazily(write: () => void): boolean {
    const done = this.attempt(() => {
      write();
      return true;
    });
    if (done === undefined) this.line('break fast;');
    return done ?? false;
  }

  /** Writes code, or nothing where it has no fast path. */
  attempt<T>(write: () => T): T | undefined {
    const { length } = this.#lines;
    try {
      return write();
    } catch (error) {
      if (!(error instanceof NoFastPath)) throw error;
      this.#lines.length = length;
      return undefined;
    }
  }

  field({ name, type }: FieldTree): Slot {
    const column = this.#columnOf(name);
    if (type === 'text') {
      this.textColumns.add(column);
      const start = this.name('s');
      const length = this.name('l');
      this.line(`const ${start} = start${column}[i], ${length} = length${column}[i];`);
      return { kind: 'text', start, length, isUtf8: false };
    }
    this.numberColumns.add(column);
    const cell = `values${column}[i]`;
    if (type === 'boolean') return this.const(cell);
    return type === 'long' ? this.long(cell) : type === 'time' ? this.finite(`Math.floor(${cell})`) : this.finite(cell);
  }

  /** A whole number; beyond 2^53 the line leaves the fast path. */
  long(value: string): NumberSlot {
    return this.#within(value, SAFE);
  }

  /** A number; one that is not finite leaves the fast path. */
  finite(value: string): NumberSlot {
    return this.#within(value, FINITE);
  }

  #within(value: string, most: string): NumberSlot {
    const slot = this.const(value);
    this.line(`if (Math.abs(${slot.value}) > ${most}) break fast;`);
    return slot;
  }

  constant(tree: ConstantTree): Slot {
    const { type, value } = tree;
    if (type === 'text' || type === 'null') return this.#literal(value);
    return { kind: 'number', value: numberText(tree) };
  }

  #literal(value: ConstantTree['value']): TextSlot {
    if (value === null) return { kind: 'text', start: '0', length: '-1', isUtf8: true };
    const bytes = Buffer.from(String(value));
    const start = `text${this.literals.push(bytes) - 1}`;
    return { kind: 'text', start, length: String(bytes.length), isUtf8: true };
  }

  /** A text that is looked for in others. */
  needle(bytes: Buffer): string {
    return `needle${this.needles.push(new Needle(bytes)) - 1}`;
  }

  /** What the interpreter says, once a text of the one field that the tree looks at. */
  remembered(tree: CallTree, of: FieldTree): Slot {
    const memo = `memo${this.memos.push(new TextMemo(tree)) - 1}`;
    const field = this.field(of);
    assert(field.kind === 'text', `the one field is a text`);
    const { array, view, at, length } = this.bytesOf(field);
    const place = this.const(`${memo}.find(${array}, ${view}, ${at}, ${field.start}, ${length})`).value;
    this.line(`if (${place} < 0) break fast;`);
    this.line(`lost |= ${memo}.lost;`);
    if (tree.type !== 'text') return this.const(`${memo}.values[${place}]`);
    const [start, resultLength] = [this.name('s'), this.name('l')];
    this.line(`const ${start} = ${memo}.start, ${resultLength} = ${memo}.length;`);
    this.line(TAKE_NEW_SCRATCH);
    return { kind: 'text', start, length: resultLength, isUtf8: true };
  }

  /** Finds the bytes of a text that is not NULL. */
  bytesOf({ start, length }: TextSlot): Bytes {
    const [own, at] = [this.name('o'), this.name('p')];
    const [array, view] = [this.name('a'), this.name('v')];
    this.line(
      `const ${own} = ${start} >= 0, ${at} = ${own} ? ${start} : -1 - ${start}, ${array} = ${own} ? bytes : scratch, ${view} = ${own} ? bytesView : scratchView;`,
    );
    return { array, view, at, length };
  }
}

/** A condition: the value is not NULL. */
export function isThereText(slot: Slot): string {
  return slot.kind === 'text' ? `${slot.length} >= 0` : `${slot.value} === ${slot.value}`;
}

/** A condition on what makes a text differ from its bytes: none where they are known to be UTF-8. */
export function isUtf8Text({ isUtf8 }: TextSlot, { array, view, at, length }: Bytes): string {
  return isUtf8 ? 'true' : `isUtf8At(${array}, ${view}, ${at}, ${length})`;
}

/** A number as it stands in generated code. */
export function numberText({ type, value }: ConstantTree): string {
  if (value === null) return 'NaN';
  const number = typeof value === 'boolean' ? (value ? 1 : 0) : Number(value);
  if (!Number.isFinite(number) || (type === 'long' && !Number.isSafeInteger(number))) throw new NoFastPath();
  return number < 0 || Object.is(number, -0) ? `(${Object.is(number, -0) ? '-0' : number})` : String(number);
}

/** A condition: the bytes at a place are those of a literal, four at a time. Undefined where it is too long for that. */
export function literalTest(literal: Buffer, array: string, view: string, at: string): string | undefined {
  const { length } = literal;
  if (length > INLINE_BYTES_MAX) return undefined;
  if (length === 0) return 'true';
  if (length < 4) return [...literal].map((byte, k) => `${array}[${at} + ${k}] === ${byte}`).join(' && ');
  const places = Array.from({ length: Math.ceil(length / 4) }, (_, k) => Math.min(k * 4, length - 4));
  return places.map((k) => `${view}.getInt32(${at} + ${k}, true) === ${literal.readInt32LE(k)}`).join(' && ');
}
