import { emptySum, type LineSum } from '../record/line-id.ts';
import { BLOCK_BYTES_MAX } from '../record/block.ts';
import { lineHashSeeds, type SourceId, TAIL_BYTES, tailHash } from '../record/source.ts';
import { addOffset, countLines, frameLines, zeroBytes } from './line-framing.ts';
import { tailAt } from './identity.ts';
import type { SourceHandle } from './source.ts';

const NEWLINE = 10;

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
  /** Zero bytes that were passed over: they are part of no line. */
  readonly holeBytes?: number;
  /** Of [origin, end), where it is known. */
  readonly sum: LineSum | undefined;
  /** How much of the caller's memory must be left alone, from its begin. */
  readonly usedBytes: number;
}

/** `nothing`: no complete line is there. `more`: the end of a long line or hole is being looked for, call again. `replaced`: not the same content any more. */
export type ReadResult = LinesRead | 'nothing' | 'more' | 'replaced';

/** How far the search for the end of a line and the hole behind it has come, where both are longer than a block. */
interface Search {
  to: number;
  /** Where the hole begins, once it was found. */
  holeAt: number | undefined;
}

/** Where reading stands in one source: position, tail and the running count. It reads ahead of what is acknowledged. */
export class BlockReader {
  position: number;
  tail: string;
  sum: LineSum | undefined;
  readonly #seeds: readonly [number, number];
  lineBytesMax: number;
  #search: Search | undefined;

  constructor(source: SourceId, position: number, tail: string, sum: LineSum | undefined, lineBytesMax: number) {
    this.position = position;
    this.tail = tail;
    this.sum = sum;
    this.#seeds = lineHashSeeds(source);
    this.lineBytesMax = lineBytesMax;
  }

  /**
   * Reads at most a block into `into`, which needs BLOCK_ROOM_BYTES. One read brings the 64 bytes before the
   * position too: they must match before anything is taken. What follows the last newline stays in the file and is read
   * again, which costs less than keeping it, unless `isEnding`.
   */
  read(handle: SourceHandle, into: Buffer, until: number, isEnding: boolean): ReadResult {
    if (this.#search !== undefined) return this.#searchOn(this.#search, handle, into, until, isEnding);
    const before = Math.min(TAIL_BYTES, this.position);
    const wanted = Math.min(BLOCK_BYTES_MAX, until - this.position);
    const length = handle.read(into, 0, before + wanted, this.position - before);
    if (length < before || tailHash(into.subarray(0, before)) !== this.tail) return 'replaced';
    const bytes = into.subarray(before, length);
    let end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      if (bytes.length === BLOCK_BYTES_MAX) {
        this.#search = { to: this.position, holeAt: undefined };
        return 'more';
      }
      if (!isEnding || bytes.length === 0) return 'nothing';
      end = bytes.length;
    }
    const tail = tailHash(into.subarray(0, before + end));
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
    // Slow path: a line is over the limit, or there is a hole.
    const holeBytes = zeroBytes(bytes);
    const { length, offsets, cut } = frameLines(bytes, run, sum);
    return {
      ...this.#advance(bytes.subarray(0, length), start + bytes.length, tail, sum, offsets.length, usedBytes),
      offsets,
      ...(cut.length === 0 ? {} : { cut }),
      ...(holeBytes === 0 ? {} : { holeBytes }),
    };
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

  /**
   * A line with the hole behind it, or a hole alone, longer than a block: only the line's first bytes are kept in memory, the search for
   * the end goes on block by block.
   */
  #searchOn(search: Search, handle: SourceHandle, into: Buffer, until: number, isEnding: boolean): ReadResult {
    if (tailAt(handle, this.position) !== this.tail) return 'replaced';
    const from = search.to;
    const length = handle.read(into, 0, Math.min(BLOCK_BYTES_MAX, until - from), from);
    const found = findEnd(into.subarray(0, length), search);
    search.to = from + length;
    if (found === undefined && length === BLOCK_BYTES_MAX) return 'more';
    if (found === undefined && !isEnding) {
      // A hole at the end of a file may be room that its writer will fill.
      if (search.holeAt !== undefined) this.#search = undefined;
      return 'nothing';
    }
    const end = found === undefined ? search.to : from + found;
    const isNewline = search.holeAt === undefined && found !== undefined;
    const textEnd = search.holeAt ?? (isNewline ? end - 1 : end);
    const kept = Math.min(textEnd - this.position, this.lineBytesMax);
    const tail = tailAt(handle, end);
    if (handle.read(into, 0, kept, this.position) < kept || tail === undefined) return 'replaced';
    const isTerminated = kept > 0 && textEnd < end;
    if (isTerminated) into[kept] = NEWLINE;
    this.#search = undefined;
    const usedBytes = kept + (isTerminated ? 1 : 0);
    const sum = this.sum === undefined ? emptySum() : { ...this.sum };
    const offsets = kept === 0 ? [] : [this.position];
    for (const offset of offsets) addOffset(sum, this.#seeds, offset);
    const isCut = kept < textEnd - this.position;
    return {
      ...this.#advance(into.subarray(0, usedBytes), end, tail, sum, offsets.length, usedBytes),
      offsets,
      ...(isCut ? { cut: [0] } : {}),
      ...(search.holeAt === undefined ? {} : { holeBytes: end - textEnd }),
    };
  }
}

/** Where the line ends that is searched, or the hole behind it, in the next bytes of the search; undefined where it goes on. */
function findEnd(bytes: Buffer, search: Search): number | undefined {
  let end = 0;
  if (search.holeAt === undefined) {
    const newline = bytes.indexOf(NEWLINE);
    const zero = bytes.indexOf(0);
    if (newline >= 0 && (zero < 0 || newline < zero)) return newline + 1;
    if (zero < 0) return undefined;
    search.holeAt = search.to + zero;
    end = zero;
  }
  while (bytes[end] === 0) end++;
  if (end === bytes.length) return undefined;
  return bytes[end] === NEWLINE ? end + 1 : end;
}
