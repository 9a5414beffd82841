import { isUtf8 } from 'node:buffer';
import { exactInteger, restOf } from '../lib/exact-integer.ts';
import type { Batch, Column, NumberColumn } from '../record/batch.ts';
import { escapeInvalidUtf8 } from '../lib/text.ts';

const CAPACITY_MIN = 64;
/** A table is not made larger than this on the word of the one before it. */
const CAPACITY_FIRST_MAX = 65_536;
/** Marks an empty slot, and a row that is not there. */
export const EMPTY = -1;
/** Text of the keys of one window: a visitor may send keys of kilobytes, and positions in the arena are 32 bits wide. */
const KEY_BYTES_MAX = 256 * 1024 * 1024;

export interface StringKeys {
  readonly kind: 'string';
  /** Position of the key's text in the arena; length −1 is NULL. */
  start: Int32Array;
  length: Int32Array;
}
export interface NumberKeys {
  readonly kind: 'number';
  values: Float64Array;
  /** What `values` lacks of whole numbers beyond 2^53 (lib/exact-integer.ts); undefined in a table without them. */
  rest: Float64Array | undefined;
}

/** One value of a key: text as UTF-8 bytes, a whole number beyond 2^53 as a bigint, NULL as null or NaN. */
export type KeyCell = Uint8Array | number | bigint | null;

export interface WindowTableOptions {
  readonly startMs: number;
  readonly endMs: number;
  readonly keyKinds: readonly ('string' | 'number')[];
  /** Of each accumulator. */
  readonly initial: readonly number[];
  /** Keys that get a row of their own. */
  readonly rowsMax: number;
  /** Bytes of text that these keys may have together. Default 256 MiB. */
  readonly keyBytesMax?: number;
  /** What the window before had: most tables never grow. */
  readonly expectedRows?: number;
}

/**
 * The rows of one open window, by key: open addressing over typed arrays, no object per row. It lives as long as its window, so a key
 * costs memory only while a window with it is open. Who sends requests may choose the keys: when there are as many as there may be, the lines
 * of every further key share one row, which no key leads to. Generated code reads the fields directly (operators/tumbling-window.ts) and takes
 * them again after `insert`, which may replace any of them.
 */
export class WindowTable {
  readonly startMs: number;
  readonly endMs: number;
  size = 0;
  /** The row of all keys that have none of their own, or EMPTY. */
  otherRow = EMPTY;
  /** Slot → row, or EMPTY. A power of two, at most half full. */
  slots: Int32Array;
  hashes: Int32Array;
  readonly keys: readonly (StringKeys | NumberKeys)[];
  /** Text of all string keys. */
  arena: Uint8Array;
  arenaView: DataView;
  arenaLength = 0;
  lines: Float64Array;
  sumA: Uint32Array;
  sumB: Uint32Array;
  revision: Uint32Array;
  isChanged: Uint8Array;
  changed: Int32Array;
  changedCount = 0;
  readonly accumulators: Float64Array[];
  readonly #initial: readonly number[];
  readonly #rowsMax: number;
  readonly #keyBytesMax: number;

  constructor(options: WindowTableOptions) {
    const { startMs, endMs, keyKinds, initial, rowsMax, keyBytesMax = KEY_BYTES_MAX, expectedRows = 0 } = options;
    const wanted = Math.min(CAPACITY_FIRST_MAX, Math.max(CAPACITY_MIN, expectedRows + (expectedRows >> 3)));
    const capacity = 2 ** Math.ceil(Math.log2(wanted));
    this.startMs = startMs;
    this.endMs = endMs;
    this.slots = new Int32Array(capacity * 2).fill(EMPTY);
    this.hashes = new Int32Array(capacity);
    this.keys = keyKinds.map((kind) =>
      kind === 'string'
        ? { kind, start: new Int32Array(capacity), length: new Int32Array(capacity) }
        : { kind, values: new Float64Array(capacity), rest: undefined },
    );
    this.arena = new Uint8Array(capacity * 32);
    this.arenaView = new DataView(this.arena.buffer);
    this.lines = new Float64Array(capacity);
    this.sumA = new Uint32Array(capacity);
    this.sumB = new Uint32Array(capacity);
    this.revision = new Uint32Array(capacity);
    this.isChanged = new Uint8Array(capacity);
    this.changed = new Int32Array(capacity);
    this.#initial = initial;
    this.#rowsMax = rowsMax;
    this.#keyBytesMax = keyBytesMax;
    this.accumulators = initial.map((value) => new Float64Array(capacity).fill(value));
  }

  /**
   * The row of a key that probing did not find under `hash`: a new one, or the row of all others where the table is full, unless the key is
   * not valid UTF-8 and its escaped text is there already. Tables hold text only: two byte strings that would be shown alike are one key.
   */
  insert(batch: Batch, columns: readonly Column[], line: number, hash: number): number {
    const cells = columns.map((column) =>
      column.kind === 'number' ? numberCell(column, line) : (batch.stringBytes(column, line) ?? null),
    );
    // No row can say which number it was.
    if (cells.some((cell) => cell === Infinity || cell === -Infinity)) return this.other();
    if (cells.every((cell) => !(cell instanceof Uint8Array) || isUtf8(cell))) return this.#addOrOther(cells, hash);
    const shown = cells.map((cell) => (cell instanceof Uint8Array && !isUtf8(cell) ? escapeInvalidUtf8(cell) : cell));
    const shownHash = hashKey(shown);
    const row = this.#find(shown, shownHash);
    return row === EMPTY ? this.#addOrOther(shown, shownHash) : row;
  }

  /** The row of a key given cell by cell. For restoring: what had a row has it again. */
  upsert(cells: readonly KeyCell[]): number {
    const hash = hashKey(cells);
    const row = this.#find(cells, hash);
    return row === EMPTY ? this.#add(cells, hash) : row;
  }

  /** The row of all keys that have none of their own. */
  other(): number {
    if (this.otherRow === EMPTY)
      this.otherRow = this.#addRow(
        this.keys.map(() => null),
        0,
      );
    return this.otherRow;
  }

  /** The text of a string key, or undefined for NULL: a view. */
  text(column: StringKeys, row: number): Uint8Array | undefined {
    const length = column.length[row]!;
    return length < 0 ? undefined : this.arena.subarray(column.start[row]!, column.start[row]! + length);
  }

  clearChanged(): void {
    for (let i = 0; i < this.changedCount; i++) this.isChanged[this.changed[i]!] = 0;
    this.changedCount = 0;
  }

  #find(cells: readonly KeyCell[], hash: number): number {
    const mask = this.slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const row = this.slots[slot]!;
      if (row === EMPTY || (this.hashes[row] === hash && this.#equals(row, cells))) return row;
    }
  }

  #equals(row: number, cells: readonly KeyCell[]): boolean {
    return this.keys.every((key, i) => {
      const cell = cells[i]!;
      if (key.kind === 'number') {
        if (typeof cell === 'bigint') return key.values[row] === Number(cell) && key.rest?.[row] === restOf(cell);
        return Object.is(key.values[row]! + 0, (cell as number) + 0);
      }
      const text = this.text(key, row);
      if (text === undefined || cell === null) return text === undefined && cell === null;
      return Buffer.compare(text, cell as Uint8Array) === 0;
    });
  }

  #addOrOther(cells: readonly KeyCell[], hash: number): number {
    const rows = this.otherRow === EMPTY ? this.size : this.size - 1;
    const keyBytes = cells.reduce<number>((sum, cell) => (cell instanceof Uint8Array ? sum + cell.length : sum), 0);
    const hasRoom = rows < this.#rowsMax && this.arenaLength + keyBytes <= this.#keyBytesMax;
    return hasRoom ? this.#add(cells, hash) : this.other();
  }

  #add(cells: readonly KeyCell[], hash: number): number {
    const row = this.#addRow(cells, hash);
    this.#occupy(hash, row);
    return row;
  }

  /** A row that no slot leads to yet. */
  #addRow(cells: readonly KeyCell[], hash: number): number {
    if (this.size === this.hashes.length) this.#grow();
    const row = this.size++;
    this.hashes[row] = hash;
    this.keys.forEach((key, i) => {
      const cell = cells[i]!;
      if (key.kind === 'number') storeNumber(key, row, cell as number | bigint | null);
      else this.#storeText(key, row, cell as Uint8Array | null);
    });
    return row;
  }

  #storeText(key: StringKeys, row: number, text: Uint8Array | null): void {
    key.length[row] = text === null ? -1 : text.length;
    key.start[row] = this.arenaLength;
    if (text === null) return;
    const needed = this.arenaLength + text.length;
    if (needed > this.arena.length) {
      const grown = new Uint8Array(Math.max(needed, this.arena.length * 2));
      grown.set(this.arena);
      this.arena = grown;
      this.arenaView = new DataView(grown.buffer);
    }
    this.arena.set(text, this.arenaLength);
    this.arenaLength = needed;
  }

  #occupy(hash: number, row: number): void {
    const mask = this.slots.length - 1;
    let slot = hash & mask;
    while (this.slots[slot] !== EMPTY) slot = (slot + 1) & mask;
    this.slots[slot] = row;
  }

  #grow(): void {
    const capacity = this.hashes.length * 2;
    this.hashes = grown(this.hashes, new Int32Array(capacity));
    for (const key of this.keys) {
      if (key.kind === 'number') {
        key.values = grown(key.values, new Float64Array(capacity));
        if (key.rest !== undefined) key.rest = grown(key.rest, new Float64Array(capacity));
      } else {
        key.start = grown(key.start, new Int32Array(capacity));
        key.length = grown(key.length, new Int32Array(capacity));
      }
    }
    this.lines = grown(this.lines, new Float64Array(capacity));
    this.sumA = grown(this.sumA, new Uint32Array(capacity));
    this.sumB = grown(this.sumB, new Uint32Array(capacity));
    this.revision = grown(this.revision, new Uint32Array(capacity));
    this.isChanged = grown(this.isChanged, new Uint8Array(capacity));
    this.changed = grown(this.changed, new Int32Array(capacity));
    this.#initial.forEach((value, i) => {
      this.accumulators[i] = grown(this.accumulators[i]!, new Float64Array(capacity).fill(value));
    });
    this.slots = new Int32Array(capacity * 2).fill(EMPTY);
    for (let row = 0; row < this.size; row++) if (row !== this.otherRow) this.#occupy(this.hashes[row]!, row);
  }
}

function storeNumber(key: NumberKeys, row: number, cell: number | bigint | null): void {
  key.values[row] = Number(cell ?? Number.NaN);
  if (typeof cell !== 'bigint') return;
  key.rest ??= new Float64Array(key.values.length);
  key.rest[row] = restOf(cell);
}

/** The number at a place of a column of a batch, a table or an epoch. */
export function numberCell(
  { values, rest }: Pick<NumberColumn, 'values'> & { readonly rest?: Float64Array | undefined },
  at: number,
): number | bigint {
  return rest === undefined ? values[at]! : exactInteger(values[at]!, rest[at]!);
}

function grown<T extends Int32Array | Float64Array | Uint32Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** The hash of a key; operators/tumbling-window.ts generates the same arithmetic over batch columns. Not stored anywhere: free to change. */
export function hashKey(cells: readonly KeyCell[]): number {
  let h = 0;
  for (const cell of cells) {
    if (typeof cell === 'number') {
      h = Math.imul(h ^ (cell | 0), 0x85ebca6b);
      continue;
    }
    if (typeof cell === 'bigint') {
      h = Math.imul(h ^ (Number(cell) | 0) ^ Math.imul(restOf(cell), 0x9e3779b1), 0x85ebca6b);
      continue;
    }
    h = Math.imul(h ^ ((cell === null ? -1 : cell.length) + 1), 0x9e3779b1);
    if (cell !== null) h = hashText(h, cell);
  }
  return h ^ (h >>> 15);
}

/** Four bytes at a time, then the rest one by one; the shift brings what differs in a word's high bits down to the slot. */
function hashText(seed: number, text: Uint8Array): number {
  const view = new DataView(text.buffer, text.byteOffset, text.byteLength);
  let h = seed;
  let at = 0;
  for (; at + 4 <= text.length; at += 4) {
    h = Math.imul(h ^ view.getInt32(at, true), 0x85ebca6b);
    h ^= h >>> 15;
  }
  for (; at < text.length; at++) h = Math.imul(h ^ text[at]!, 0x01000193);
  return h;
}
