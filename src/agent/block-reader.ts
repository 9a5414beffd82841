import { emptySum, type LineSum } from '../record/line-id.ts';
import { BLOCK_BYTES_MAX } from '../record/block.ts';
import { lineHashSeeds, type SourceId, TAIL_BYTES, tailHash } from '../record/source.ts';
import { addOffset, countLines, cutLines } from './line-framing.ts';
import { tailAt } from './identity.ts';
import type { SourceHandle } from './source.ts';

/** Whole lines of a source as they were read; `value` lies in the caller's memory. */
export interface LinesRead {
  readonly value: Buffer;
  readonly prev: number;
  readonly start: number;
  readonly end: number;
  /** Hash of the 64 bytes below `start`. */
  readonly tailBefore: string;
  /** Hash of the 64 bytes below `end`. */
  readonly tail: string;
  readonly lines: number;
  /** Bytes of the source it is made of: more than the value has where a line was cut. */
  readonly sizeBytes: number;
  readonly offsets?: readonly number[];
  /** Length of each line, only where one holds a newline. */
  readonly lengths?: readonly number[];
  readonly cut?: readonly number[];
  /** Of [origin, end), where it is known. */
  readonly sum: LineSum | undefined;
  /** How much of the caller's memory must be left alone, from its begin. */
  readonly usedBytes: number;
}

/** `nothing`: no complete line is there. `more`: a long line is being skipped, call again. `replaced`: not the same content any more. */
export type ReadResult = LinesRead | 'nothing' | 'more' | 'replaced';

/** Where reading stands in one source: position, tail and the running count. It reads ahead of what is acknowledged. */
export class BlockReader {
  position: number;
  tail: string;
  sum: LineSum | undefined;
  readonly #seeds: readonly [number, number];
  readonly lineBytesMax: number;
  /** How far the search for the newline of a line longer than a block has come. */
  #searchedTo: number | undefined;

  constructor(source: SourceId, position: number, tail: string, sum: LineSum | undefined, lineBytesMax: number) {
    this.position = position;
    this.tail = tail;
    this.sum = sum;
    this.#seeds = lineHashSeeds(source);
    this.lineBytesMax = lineBytesMax;
  }

  /**
   * Reads at most a block into `into` from `at` on, which needs BLOCK_ROOM_BYTES. One read brings the 64 bytes before the
   * position too: they must match before anything is taken. What follows the last newline stays in the file and is read
   * again, which costs less than keeping it, unless `isEnding`.
   */
  read(handle: SourceHandle, into: Buffer, at: number, until: number, isEnding: boolean): ReadResult {
    if (this.#searchedTo !== undefined) return this.#skipLongLine(handle, into, at, until, isEnding);
    const before = Math.min(TAIL_BYTES, this.position);
    const wanted = Math.min(BLOCK_BYTES_MAX, until - this.position);
    const length = handle.read(into, at, before + wanted, this.position - before);
    if (length < before || tailHash(into.subarray(at, at + before)) !== this.tail) return 'replaced';
    const bytes = into.subarray(at + before, at + length);
    let end = bytes.lastIndexOf(10) + 1;
    if (end === 0) {
      if (bytes.length === BLOCK_BYTES_MAX) {
        this.#searchedTo = this.position + bytes.length;
        return 'more';
      }
      if (!isEnding || bytes.length === 0) return 'nothing';
      end = bytes.length;
    }
    const tail = tailHash(into.subarray(at, at + before + end));
    return this.#take(bytes.subarray(0, end), tail, before + end);
  }

  #take(bytes: Buffer, tail: string, usedBytes: number): LinesRead {
    const start = this.position;
    const run = { start, seeds: this.#seeds, lineBytesMax: this.lineBytesMax };
    const sum = this.sum === undefined ? emptySum() : { ...this.sum };
    const linesBefore = sum.lines;
    // Fast path: lines lie in the value as in the file.
    if (countLines(bytes, run, sum))
      return this.#advance(bytes, start + bytes.length, tail, sum, sum.lines - linesBefore, usedBytes);
    // Slow path: a line is over the limit.
    const { length, offsets, cut } = cutLines(bytes, run, sum);
    const value = bytes.subarray(0, length);
    return { ...this.#advance(value, start + bytes.length, tail, sum, offsets.length, usedBytes), offsets, cut };
  }

  #advance(value: Buffer, end: number, tail: string, sum: LineSum, lines: number, usedBytes: number): LinesRead {
    const start = this.position;
    const known = this.sum === undefined ? undefined : sum;
    const sizeBytes = end - start;
    const read = {
      value,
      prev: start,
      start,
      end,
      sizeBytes,
      tailBefore: this.tail,
      tail,
      lines,
      sum: known,
      usedBytes,
    };
    this.position = end;
    this.tail = tail;
    this.sum = known;
    return read;
  }

  /** A line longer than a block: only its first bytes are kept in memory, the search for its end goes on block by block. */
  #skipLongLine(handle: SourceHandle, into: Buffer, at: number, until: number, isEnding: boolean): ReadResult {
    if (tailAt(handle, this.position) !== this.tail) return 'replaced';
    const from = this.#searchedTo!;
    const wanted = Math.min(BLOCK_BYTES_MAX, until - from);
    const length = handle.read(into, at, wanted, from);
    const newline = into.subarray(at, at + length).indexOf(10);
    if (newline < 0) {
      this.#searchedTo = from + length;
      if (length === BLOCK_BYTES_MAX) return 'more';
      if (!isEnding) return 'nothing';
    }
    const end = newline < 0 ? this.#searchedTo! : from + newline + 1;
    const kept = handle.read(into, at, this.lineBytesMax, this.position);
    const tail = tailAt(handle, end);
    if (kept < this.lineBytesMax || tail === undefined) return 'replaced';
    if (newline >= 0) into[at + kept] = 10;
    this.#searchedTo = undefined;
    const usedBytes = kept + (newline < 0 ? 0 : 1);
    const sum = this.sum === undefined ? emptySum() : { ...this.sum };
    const start = this.position;
    addOffset(sum, this.#seeds, start);
    return {
      ...this.#advance(into.subarray(at, at + usedBytes), end, tail, sum, 1, usedBytes),
      offsets: [start],
      cut: [0],
    };
  }
}
