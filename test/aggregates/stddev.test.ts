import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { stddev } from '../../src/aggregates/stddev.ts';

const of = (values: readonly number[]): number[] => {
  const acc = [0, 0, 0];
  for (const value of values) stddev.add(acc, value, 'long');
  return acc;
};

/** By the definition, in whole numbers: n · Σx² − (Σx)² is n · (n − 1) times the variance. */
function exactly(values: readonly number[]): number {
  const n = BigInt(values.length);
  const sum = values.reduce((all, value) => all + BigInt(value), 0n);
  const squares = values.reduce((all, value) => all + BigInt(value) ** 2n, 0n);
  return Math.sqrt(Number(n * squares - sum ** 2n) / Number(n * (n - 1n)));
}

test('is the definition to nine digits, also of small differences between large numbers, as a whole and merged from any parts', () => {
  const offsets = fc.constantFrom(0, 1e9, -1e12, 2 ** 50);
  const differences = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 2, maxLength: 300 });
  fc.assert(
    fc.property(offsets, differences, fc.array(fc.nat({ max: 300 }), { maxLength: 4 }), (offset, given, cuts) => {
      const values = given.map((difference) => offset + difference);
      const expected = exactly(values);
      const merged = [0, 0, 0];
      const at = [0, ...cuts, values.length].toSorted((a, b) => a - b);
      for (const [i, from] of at.entries()) stddev.merge(merged, of(values.slice(from, at[i + 1])), 'long');
      for (const acc of [of(values), merged]) {
        const found = stddev.result(acc, values.length, 'long') as number;
        expect(Math.abs(found - expected)).toBeLessThanOrEqual(expected * 1e-9 + Math.abs(offset) * 2 ** -50);
      }
    }),
    { seed: 41, numRuns: 300 },
  );
});

test('of a number that is too large for its type is NULL, and said to have overflown', () => {
  for (const values of [[1, Infinity], [Infinity, Infinity], [Infinity], [-Infinity, 1, 2]]) {
    const acc = of(values);
    expect([stddev.result(acc, 1, 'long'), stddev.hasOverflown!(acc, 'long')]).toEqual([null, true]);
  }
});
