import type { SketchRows } from '../aggregates/sketch.ts';
import { type ColumnData, bytesAt, numbersIn } from '../epoch/table.ts';
import { restOf } from '../lib/exact-integer.ts';
import type { Batch, Column } from '../record/batch.ts';
import { type KeyCell, hashKey, keyOfLine, numberCell } from './key-cells.ts';

const CAPACITY_MIN = 64;
/** A table is not made larger than this on the word of the one before it. */
const CAPACITY_FIRST_MAX = 65_536;
/** Texts of removed rows are given back when they are so many, and half of all. */
const DEAD_BYTES_MIN = 1024 * 1024;
const ARENA_BYTES_MIN = 4096;
/** Marks an empty slot, and a row that is not there. */
export const EMPTY = -1;
/** Text of the keys of one window: a visitor may send keys of kilobytes, and positions in the arena are 32 bits wide. */
const KEY_BYTES_MAX = 256 * 1024 * 1024;
/** Sketches of one table: beyond that no key gets a row. Those that have one may grow, each up to what its aggregate says. */
const SKETCH_BYTES_MAX = 512 * 1024 * 1024;

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

export interface WindowTableOptions {
  readonly startMs: number;
  readonly endMs: number;
  readonly keyKinds: readonly ('string' | 'number')[];
  /** Of each accumulator. */
  readonly initial: readonly number[];
  /** Empty ones. */
  readonly sketches?: readonly SketchRows[];
  /** Keys that get a row of their own. */
  readonly rowsMax: number;
  /** Bytes of text that these keys may have together. Default 256 MiB. */
  readonly keyBytesMax?: number;
  /** Bytes of sketches beyond which no key gets a row. Default 512 MiB. */
  readonly sketchBytesMax?: number;
  /** What the window before had: most tables never grow. */
  readonly expectedRows?: number;
}

/**
 * Rows by key: open addressing over typed arrays, no object per row. Of tumbling windows each has a table, which lives as long as its window;
 * where rows go one by one, their places and texts are used again. Who sends requests may choose the keys: when there are as many as there may be, the lines
 * of every further key share one row, which no key leads to. Generated code reads the fields directly (keyed-loop.ts) and takes
 * them again after `insert`, which may replace any of them.
 */
export class WindowTable {
  readonly startMs: number;
  readonly endMs: number;
  /** Places of rows that were used so far; of those that were removed, `lines` is 0. */
  size = 0;
  /** Rows that are there. */
  live = 0;
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
  readonly sketches: readonly SketchRows[];
  /** Of the sketches of rows as they were when they changed first. */
  markedBytes = 0;
  readonly #initial: readonly number[];
  readonly #rowsMax: number;
  /** Places of removed rows that may be used again, and those that may be from the next checkpoint on: until then they are in `changed`. */
  readonly #free: number[] = [];
  #freed: number[] = [];
  /** Text of removed rows in the arena. */
  #deadBytes = 0;
  readonly #keyBytesMax: number;
  readonly #sketchBytesMax: number;

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
    this.#sketchBytesMax = options.sketchBytesMax ?? SKETCH_BYTES_MAX;
    this.accumulators = initial.map((value) => new Float64Array(capacity).fill(value));
    this.sketches = options.sketches ?? [];
    for (const sketch of this.sketches) sketch.grow(capacity);
  }

  /** Bytes that the sketches of changed rows take in an epoch, at most. */
  get changedSketchBytes(): number {
    return this.sketches.reduce((sum, { grownBytes }) => sum + grownBytes, this.markedBytes);
  }

  /**
   * The row of a key that probing did not find under `hash`: a new one, or the row of all others where the table is full, unless the key is
   * not valid UTF-8 and its escaped text is there already. Tables hold text only: two byte strings that would be shown alike are one key.
   */
  insert(batch: Batch, columns: readonly Column[], line: number, hash: number): number {
    const key = keyOfLine(batch, columns, line, hash);
    // No row can say which number it was.
    if (key.isOther) return this.other();
    if (!key.isShown) return this.#addOrOther(key.cells, key.hash);
    const row = this.#find(key.cells, key.hash);
    return row === EMPTY ? this.#addOrOther(key.cells, key.hash) : row;
  }

  /** The row that `insert` would return if it made none, or EMPTY. `known` is the hash of the line's key. */
  lookup(batch: Batch, columns: readonly Column[], line: number, known?: number): number {
    const { cells, hash, isOther } = keyOfLine(batch, columns, line, known);
    if (isOther) return this.otherRow;
    const row = this.#find(cells, hash);
    return row === EMPTY && !this.#hasRoom(cells) ? this.otherRow : row;
  }

  /** A row more with the key of `row`; what leads to that leads nowhere else. */
  addBeside(row: number): number {
    const cells = this.keys.map((key) =>
      key.kind === 'number' ? numberCell(key, row) : (this.text(key, row)?.slice() ?? null),
    );
    return this.#addRow(cells, this.hashes[row]!);
  }

  /** Takes a row out. Whatever led to it leads to `heir` from now on, where that is not EMPTY. */
  remove(row: number, heir: number): void {
    if (row === this.otherRow) this.otherRow = heir;
    else this.#unlink(row, heir);
    this.lines[row] = 0;
    this.isChanged[row] = 0;
    for (const sketch of this.sketches) sketch.clear(row);
    this.live--;
    this.#freed.push(row);
    for (const key of this.keys) {
      if (key.kind !== 'string') continue;
      this.#deadBytes += Math.max(0, key.length[row]!);
      // Without a text: nothing to keep.
      key.length[row] = -1;
    }
    if (this.#deadBytes > DEAD_BYTES_MIN && this.#deadBytes > this.arenaLength / 2) this.#compact();
  }

  /** The row that leads a key given cell by cell, or EMPTY. */
  find(cells: readonly KeyCell[]): number {
    return this.#find(cells, hashKey(cells));
  }

  /** The row of a key given cell by cell. For restoring: what had a row has it again. */
  upsert(cells: readonly KeyCell[]): number {
    const hash = hashKey(cells);
    const row = this.#find(cells, hash);
    return row === EMPTY ? this.#add(cells, hash) : row;
  }

  /** Sets what the measures of a row keep: `columns` of an epoch at a place, the numbers, then the sketches. */
  restoreState(row: number, columns: readonly ColumnData[], at: number): void {
    const numbers = columns.length - this.sketches.length;
    for (const [a, column] of columns.slice(0, numbers).entries())
      this.accumulators[a]![row] = numbersIn(column)?.[at] ?? Number.NaN;
    for (const [s, sketch] of this.sketches.entries()) {
      sketch.clear(row);
      sketch.merge(row, bytesAt(columns[numbers + s], at) ?? new Uint8Array(0));
    }
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
    this.markedBytes = 0;
    for (const sketch of this.sketches) sketch.grownBytes = 0;
    this.#free.push(...this.#freed.splice(0));
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
    return this.#hasRoom(cells) ? this.#add(cells, hash) : this.other();
  }

  #hasRoom(cells: readonly KeyCell[]): boolean {
    const rows = this.otherRow === EMPTY ? this.live : this.live - 1;
    const keyBytes = cells.reduce<number>((sum, cell) => (cell instanceof Uint8Array ? sum + cell.length : sum), 0);
    if (this.sketches.reduce((sum, { roomBytes }) => sum + roomBytes, 0) > this.#sketchBytesMax) return false;
    return rows < this.#rowsMax && this.arenaLength - this.#deadBytes + keyBytes <= this.#keyBytesMax;
  }

  #add(cells: readonly KeyCell[], hash: number): number {
    const row = this.#addRow(cells, hash);
    this.#occupy(hash, row);
    return row;
  }

  /** A row that no slot leads to yet. */
  #addRow(cells: readonly KeyCell[], hash: number): number {
    const row = this.#place();
    this.live++;
    this.hashes[row] = hash;
    this.keys.forEach((key, i) => {
      const cell = cells[i]!;
      if (key.kind === 'number') storeNumber(key, row, cell as number | bigint | null);
      else this.#storeText(key, row, cell as Uint8Array | null);
    });
    return row;
  }

  /** A place for a row: one that is free, with everything as at the beginning, or a new one. */
  #place(): number {
    const free = this.#free.pop();
    if (free === undefined) {
      if (this.size === this.hashes.length) this.#grow();
      return this.size++;
    }
    this.sumA[free] = this.sumB[free] = this.revision[free] = 0;
    this.#initial.forEach((value, i) => (this.accumulators[i]![free] = value));
    for (const key of this.keys) if (key.kind === 'number' && key.rest !== undefined) key.rest[free] = 0;
    return free;
  }

  /** Backward shift: what was pushed on by the row that goes moves up, so that no probe ends too early. */
  #unlink(row: number, heir: number): void {
    const { slots, hashes } = this;
    const mask = slots.length - 1;
    let hole = hashes[row]! & mask;
    while (slots[hole] !== row) {
      // A row beside another one, which no slot leads to.
      if (slots[hole] === EMPTY) return;
      hole = (hole + 1) & mask;
    }
    slots[hole] = heir;
    if (heir !== EMPTY) return;
    for (let slot = (hole + 1) & mask; slots[slot] !== EMPTY; slot = (slot + 1) & mask) {
      const wanted = hashes[slots[slot]!]! & mask;
      if (((slot - wanted) & mask) < ((slot - hole) & mask)) continue;
      slots[hole] = slots[slot]!;
      slots[slot] = EMPTY;
      hole = slot;
    }
  }

  /** Copies the texts of the rows that are there to a new arena. */
  #compact(): void {
    const arena = new Uint8Array(Math.max(ARENA_BYTES_MIN, 2 * (this.arenaLength - this.#deadBytes)));
    let length = 0;
    for (let row = 0; row < this.size; row++) {
      for (const key of this.keys) {
        if (key.kind !== 'string' || key.length[row]! < 0) continue;
        const text = this.text(key, row)!;
        arena.set(text, length);
        key.start[row] = length;
        length += text.length;
      }
    }
    this.arena = arena;
    this.arenaView = new DataView(arena.buffer);
    this.arenaLength = length;
    this.#deadBytes = 0;
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
    for (const sketch of this.sketches) sketch.grow(capacity);
    const rows = this.slots.filter((row) => row !== EMPTY);
    this.slots = new Int32Array(capacity * 2).fill(EMPTY);
    for (const row of rows) this.#occupy(this.hashes[row]!, row);
  }
}

function storeNumber(key: NumberKeys, row: number, cell: number | bigint | null): void {
  key.values[row] = Number(cell ?? Number.NaN);
  if (typeof cell !== 'bigint') return;
  key.rest ??= new Float64Array(key.values.length);
  key.rest[row] = restOf(cell);
}

function grown<T extends Int32Array | Float64Array | Uint32Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
