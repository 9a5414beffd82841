import { fmix32 } from '../lib/hash.ts';
import { type SourceId, lineHashSeeds } from './source.ts';

/**
 * A line is named for ever by its source and the byte offset of its first byte. Sums of line-id hashes are order-free, so two
 * sets of lines can be compared without listing them: count equal and both 32-bit lanes equal means the same set, but for
 * one chance in 2^64. No BigInt: two lanes of fmix32, added modulo 2^32, cost 5 ns a line where a BigInt costs 150.
 *
 *     lane A = fmix32(low ^ seedA ^ high × 0x9e3779b1)      offset = high × 2^32 + low
 *     lane B = fmix32(low + seedB + high × 0x85ebca77)
 */
export interface LineSum {
  lines: number;
  /** Sum of lane A, an unsigned 32-bit number. */
  a: number;
  /** Sum of lane B, an unsigned 32-bit number. */
  b: number;
}

export const HIGH_FACTOR_A = 0x9e3779b1 | 0;
export const HIGH_FACTOR_B = 0x85ebca77 | 0;

export function emptySum(): LineSum {
  return { lines: 0, a: 0, b: 0 };
}

export function laneA(seedA: number, offset: number): number {
  return fmix32((offset | 0) ^ seedA ^ Math.imul((offset / 0x100000000) | 0, HIGH_FACTOR_A));
}

export function laneB(seedB: number, offset: number): number {
  return fmix32(((offset | 0) + seedB + Math.imul((offset / 0x100000000) | 0, HIGH_FACTOR_B)) | 0);
}

/** Adds the line at `offset` of `source`. For single lines; hot loops hold the seeds and call the lanes. */
export function addLine(sum: LineSum, source: SourceId, offset: number): void {
  const [seedA, seedB] = lineHashSeeds(source);
  sum.lines += 1;
  sum.a = (sum.a + laneA(seedA, offset)) >>> 0;
  sum.b = (sum.b + laneB(seedB, offset)) >>> 0;
}

export function addSum(into: LineSum, other: LineSum): void {
  into.lines += other.lines;
  into.a = (into.a + other.a) >>> 0;
  into.b = (into.b + other.b) >>> 0;
}

export function sumsEqual(left: LineSum, right: LineSum): boolean {
  return left.lines === right.lines && left.a === right.a && left.b === right.b;
}
