import { laneA, laneB, type LineSum } from '../record/line-id.ts';

const NEWLINE = 10;

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
 * Adds every line of `bytes` to `sum`; the last one may lack its newline. Returns false, and leaves `sum` as it was, if a
 * line is longer than the limit: such a run goes through {@link cutLines}. No allocation, two hashes and one native search a line.
 */
export function countLines(bytes: Buffer, run: LineRun, sum: LineSum): boolean {
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

export interface CutRun {
  /** Length of what is kept, at the begin of the given bytes. */
  readonly length: number;
  readonly offsets: readonly number[];
  /** Indices of the lines that were cut. */
  readonly cut: readonly number[];
}

/**
 * Cuts the lines that are longer than the limit, in place: such a line keeps its first bytes and its newline, and what
 * follows moves down. Adds every line to `sum`.
 */
export function cutLines(bytes: Buffer, run: LineRun, sum: LineSum): CutRun {
  const offsets: number[] = [];
  const cut: number[] = [];
  let length = 0;
  let lineStart = 0;
  while (lineStart < bytes.length) {
    const newline = bytes.indexOf(NEWLINE, lineStart);
    const lineEnd = newline < 0 ? bytes.length : newline;
    const kept = Math.min(lineEnd - lineStart, run.lineBytesMax);
    if (kept < lineEnd - lineStart) cut.push(offsets.length);
    const offset = run.start + lineStart;
    offsets.push(offset);
    addOffset(sum, run.seeds, offset);
    bytes.copyWithin(length, lineStart, lineStart + kept);
    length += kept;
    if (newline >= 0) bytes[length++] = NEWLINE;
    lineStart = lineEnd + 1;
  }
  return { length, offsets, cut };
}

/** Adds one line to a sum. */
export function addOffset(sum: LineSum, seeds: readonly [number, number], offset: number): void {
  sum.a = (sum.a + laneA(seeds[0], offset)) >>> 0;
  sum.b = (sum.b + laneB(seeds[1], offset)) >>> 0;
  sum.lines += 1;
}
