import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BUCKETS_MAX, DDSketchRows, quantileOf } from '../../src/aggregates/ddsketch.ts';
import { mergeStates } from '../../src/aggregates/sketch.ts';

const RULES = { rows: () => new DDSketchRows() };
const QUANTILES = [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999];

function stateOf(values: Iterable<number>): Uint8Array {
  const rows = new DDSketchRows();
  rows.grow(2);
  for (const value of values) rows.addNumber(1, value);
  return rows.encode(1).slice();
}

/** The value at this place of all. */
function exactly(sorted: ArrayLike<number>, q: number): number {
  return sorted[Math.floor(q * (sorted.length - 1))]!;
}

test('is within 1 % of the value at its place: of both signs, zeros, and a range of 10^17', () => {
  const value = fc.oneof(
    fc.double({ noNaN: true, min: 1e-5, max: 1e12 }),
    fc.double({ noNaN: true, min: -1e6, max: -1e-3 }),
    fc.integer({ min: -50, max: 50 }),
  );
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 300 }), (values) => {
      const state = stateOf(values);
      const sorted = Float64Array.from(values).sort();
      for (const q of QUANTILES) {
        const expected = exactly(sorted, q) + 0;
        expect(Math.abs(quantileOf(state, q)! - expected)).toBeLessThanOrEqual(Math.abs(expected) * 0.01 * (1 + 1e-9));
      }
    }),
    { seed: 51, numRuns: 400 },
  );
});

test('of a million durations is within 1 %, and takes a few bytes a bucket', () => {
  const values = Float64Array.from({ length: 1_000_000 }, (_, i) =>
    Math.round(1e5 * Math.exp(((i * 7919) % 1_000_003) / 1e5)),
  );
  const state = stateOf(values);
  values.sort();
  for (const q of QUANTILES) expect(Math.abs(quantileOf(state, q)! / exactly(values, q) - 1)).toBeLessThanOrEqual(0.01);
  expect(state.length).toBeLessThan(2500);
});

test('merged in any parts and any order it is what it is as a whole, to the byte, also where buckets were too many', () => {
  const value = fc.oneof(
    { weight: 4, arbitrary: fc.double({ noNaN: true }) },
    { weight: 2, arbitrary: fc.integer({ min: -9, max: 9 }) },
    { weight: 1, arbitrary: fc.constantFrom(Infinity, -Infinity, 5e-324, Number.MAX_VALUE, -Number.MAX_VALUE) },
  );
  const part = fc.array(value, { maxLength: 60, size: 'max' });
  fc.assert(
    fc.property(part, part, part, (a, b, c) => {
      const whole = stateOf([...a, ...b, ...c]);
      expect(Buffer.compare(mergeStates(RULES, 'double', [a, b, c].map(stateOf)), whole)).toBe(0);
      expect(Buffer.compare(mergeStates(RULES, 'double', [c, a, b].map(stateOf)), whole)).toBe(0);
      expect(Buffer.compare(stateOf([...c, ...a, ...b].toReversed()), whole)).toBe(0);
    }),
    { seed: 52, numRuns: 300 },
  );
});

test('keeps as many buckets as it may, and then those of the largest values', () => {
  const rows = new DDSketchRows();
  rows.grow(1);
  for (let power = -300; power <= 300; power++) rows.addNumber(0, 10 ** power);
  expect(rows.roomBytes).toBe(BUCKETS_MAX * 8);
  const state = rows.encode(0);
  expect(quantileOf(state, 0.999)! / 1e299).toBeCloseTo(1, 1);
  // 10^300 less the 6 · 10^17th part: everything below counts there.
  expect(quantileOf(state, 0.01)!).toBeGreaterThan(1e281);
  const small = rows.roomBytes;
  for (let i = 0; i < 1000; i++) rows.addNumber(0, 1e-300);
  expect(rows.roomBytes).toBe(small);
});

test('counts what lies below the lowest bucket that is kept in just that one', () => {
  const gamma = 1.01 / 0.99;
  for (const sign of [1, -1]) {
    const state = stateOf(Array.from({ length: 3000 }, (_, i) => sign * gamma ** (i - 1000.5)));
    const nearest = quantileOf(state, sign > 0 ? 1e-9 : 1 - 1e-9)!;
    expect(nearest / (sign * gamma ** (3000 - BUCKETS_MAX - 1000.5))).toBeCloseTo(1, 3);
  }
});

test('of a value that is too large for its type is beyond all numbers', () => {
  const state = stateOf([1, 2, 3, Infinity, Infinity, -Infinity]);
  expect([0.01, 0.5, 0.99].map((q) => quantileOf(state, q))).toEqual([
    -Infinity,
    quantileOf(stateOf([2]), 0.5),
    Infinity,
  ]);
});
