const NONE = -1;
const UNITS_FIRST = 128;
/** All memory of a slot is a power of two of these. */
export const UNIT_BYTES = 8;

/**
 * One slot of memory a row, in one buffer for all: no object and no allocation a row but where the buffer grows. Slots are powers of two; those
 * that were given back are used again.
 */
export class RowSlots {
  bytes: Uint8Array;
  words: Uint32Array;
  doubles: Float64Array;
  /** In units: of words twice that, of bytes eight times. Negative: the row has none. */
  starts = new Int32Array(0);
  /** Memory of the slots that rows have. */
  usedBytes = 0;
  /** Of each slot, as a power of two. */
  #sizes = new Uint8Array(0);
  readonly #free: number[][] = [];
  #usedUnits = 0;

  constructor() {
    const buffer = new ArrayBuffer(UNITS_FIRST * UNIT_BYTES);
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.doubles = new Float64Array(buffer);
  }

  /** How many units the row has. */
  unitsOf(row: number): number {
    return this.starts[row]! < 0 ? 0 : 2 ** this.#sizes[row]!;
  }

  growRows(capacity: number): void {
    if (capacity <= this.starts.length) return;
    const [starts, sizes] = [new Int32Array(capacity).fill(NONE), new Uint8Array(capacity)];
    starts.set(this.starts);
    sizes.set(this.#sizes);
    this.starts = starts;
    this.#sizes = sizes;
  }

  /** Gives the row a slot with room for so many bytes, filled with 0; what it had is gone. The arrays may be replaced: take them after this call. */
  allot(row: number, sizeBytes: number): void {
    this.release(row);
    const size = Math.max(0, Math.ceil(Math.log2(sizeBytes / UNIT_BYTES)));
    const units = 2 ** size;
    let start = this.#free[size]?.pop();
    if (start === undefined) {
      start = this.#usedUnits;
      this.#usedUnits += units;
      if (this.#usedUnits > this.doubles.length) this.#grow();
    }
    this.starts[row] = start;
    this.#sizes[row] = size;
    this.doubles.fill(0, start, start + units);
    this.usedBytes += units * UNIT_BYTES;
  }

  release(row: number): void {
    const start = this.starts[row]!;
    if (start < 0) return;
    const size = this.#sizes[row]!;
    (this.#free[size] ??= []).push(start);
    this.starts[row] = NONE;
    this.usedBytes -= 2 ** size * UNIT_BYTES;
  }

  #grow(): void {
    const buffer = new ArrayBuffer(Math.max(this.bytes.length * 2, this.#usedUnits * UNIT_BYTES));
    const bytes = new Uint8Array(buffer);
    bytes.set(this.bytes);
    this.bytes = bytes;
    this.words = new Uint32Array(buffer);
    this.doubles = new Float64Array(buffer);
  }
}
