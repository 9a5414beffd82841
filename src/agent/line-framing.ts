import { laneA, laneB, type LineSum } from '../record/line-id.ts';

const NEWLINE = 10;
const ZERO = 0;

// A line is what lies between newlines. Zero bytes are part of none: they are a hole, which a crash or a truncation under a writer
// that keeps its offset leaves behind. A hole ends the line before it, and a newline right behind a hole belongs to it.

/** Where a run of lines stands and whose it is. */
export interface LineRun {
  /** Offset in the source of the run's first byte. */
  readonly start: number;
  /** The source's two seeds (lineHashSeeds). */
  readonly seeds: readonly [number, number];
  /** Bytes of a line that are kept, its newline not counted. */
  readonly lineBytesMax: number;
}

/**
 * Adds every line of `bytes` to `sum`; the last one may lack its newline. Returns false, and leaves `sum` as it was, if a line is
 * longer than the limit or there is a hole: such a run goes through {@link frameLines}. No allocation, two hashes and one native
 * search a line.
 */
export function countLines(bytes: Buffer, run: LineRun, sum: LineSum): boolean {
  if (bytes.includes(ZERO)) return false;
  const [seedA, seedB] = run.seeds;
  const { start, lineBytesMax } = run;
  let { a, b, lines } = sum;
  let lineStart = 0;
  while (lineStart < bytes.length) {
    const newline = bytes.indexOf(NEWLINE, lineStart);
    const lineEnd = newline < 0 ? bytes.length : newline;
    if (lineEnd - lineStart > lineBytesMax) return false;
    a = (a + laneA(seedA, start + lineStart)) | 0;
    b = (b + laneB(seedB, start + lineStart)) | 0;
    lines += 1;
    lineStart = lineEnd + 1;
  }
  sum.a = a >>> 0;
  sum.b = b >>> 0;
  sum.lines = lines;
  return true;
}

export interface FramedRun {
  /** Length of what is kept, at the begin of the given bytes. */
  readonly length: number;
  readonly offsets: readonly number[];
  /** Indices of the lines that were cut. */
  readonly cut: readonly number[];
}

/**
 * Frames lines where some are longer than the limit, or there are holes, in place: what is kept of each line moves down, and a newline
 * stands behind it, also where a hole ended it. Adds every line to `sum`.
 */
export function frameLines(bytes: Buffer, run: LineRun, sum: LineSum): FramedRun {
  const offsets: number[] = [];
  const cut: number[] = [];
  let length = 0;
  for (let at = holeEnd(bytes, 0); at < bytes.length;) {
    const textEnd = endOfText(bytes, at);
    const next = holeEnd(bytes, bytes[textEnd] === NEWLINE ? textEnd + 1 : textEnd);
    const kept = Math.min(textEnd - at, run.lineBytesMax);
    if (kept < textEnd - at) cut.push(offsets.length);
    offsets.push(run.start + at);
    addOffset(sum, run.seeds, run.start + at);
    bytes.copyWithin(length, at, at + kept);
    length += kept;
    if (textEnd < bytes.length) bytes[length++] = NEWLINE;
    at = next;
  }
  return { length, offsets, cut };
}

/** Where the holes end that begin at a place, each with the newline right behind it; the place itself where there is none. */
function holeEnd(bytes: Buffer, at: number): number {
  let end = at;
  while (bytes[end] === ZERO) {
    while (bytes[end] === ZERO) end++;
    if (bytes[end] === NEWLINE) end++;
  }
  return end;
}

/** Zero bytes of a run. */
export function zeroBytes(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(ZERO); at >= 0; at = bytes.indexOf(ZERO, at)) {
    const begin = at;
    while (at < bytes.length && bytes[at] === ZERO) at++;
    count += at - begin;
  }
  return count;
}

/** Where the text ends that begins at a place: at a newline, a zero byte, or the end of all. */
function endOfText(bytes: Buffer, at: number): number {
  let end = at;
  while (end < bytes.length && bytes[end] !== NEWLINE && bytes[end] !== ZERO) end++;
  return end;
}

/** Adds to `sum` each line that begins in `bytes`, which stand at `start`; `before` is the byte before them. */
export function addLines(
  bytes: Buffer,
  { start, before, seeds }: Pick<LineRun, 'start' | 'seeds'> & { readonly before: number },
  sum: LineSum,
): void {
  let previous = before;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    const isText = byte !== ZERO && (byte !== NEWLINE || previous !== ZERO);
    if (isText && (previous === NEWLINE || previous === ZERO)) addOffset(sum, seeds, start + i);
    previous = byte;
  }
}

/** Adds one line to a sum. */
export function addOffset(sum: LineSum, seeds: readonly [number, number], offset: number): void {
  sum.a = (sum.a + laneA(seeds[0], offset)) >>> 0;
  sum.b = (sum.b + laneB(seeds[1], offset)) >>> 0;
  sum.lines += 1;
}
