import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { HASHES_MAX, HyperLogLogRows, estimate } from '../../src/aggregates/hyperloglog.ts';
import { mergeStates } from '../../src/aggregates/sketch.ts';

const RULES = { rows: () => new HyperLogLogRows() };

function rowsOf(): HyperLogLogRows {
  const rows = new HyperLogLogRows();
  rows.grow(2);
  return rows;
}

function addTexts(rows: HyperLogLogRows, row: number, texts: Iterable<string>): void {
  for (const text of texts) {
    const bytes = Buffer.from(`..${text}`);
    rows.addText(row, bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 2, bytes.length - 2);
  }
}

function* named(prefix: string, from: number, to: number): Generator<string> {
  for (let i = from; i < to; i++) yield `${prefix}${i}`;
}

const stateOf = (texts: Iterable<string>): Uint8Array => {
  const rows = rowsOf();
  addTexts(rows, 1, texts);
  return rows.encode(1).slice();
};

test.each([
  ['10.0.', 1_000_000],
  ['user-', 100_000],
  ['', 100_000],
  ['https://example.com/a/long/path?id=', 100_000],
] as const)('of texts that begin with "%s": exact while few, within three standard errors up to %d', (prefix, most) => {
  const rows = rowsOf();
  let added = 0;
  for (const n of [1, 10, 100, 1000, HASHES_MAX, 2000, 5000, 20_000, 100_000, 1_000_000].filter(
    (size) => size <= most,
  )) {
    addTexts(rows, 1, named(prefix, added, n));
    added = n;
    const found = estimate(rows.encode(1));
    const allowed = n <= HASHES_MAX ? 0 : n * 3 * 0.0081;
    expect(Math.abs(found - n)).toBeLessThanOrEqual(allowed);
  }
});

test('of numbers: whole, fractions, below zero, beyond 2^53; 0 and −0 are one', () => {
  const rows = rowsOf();
  for (const value of [0, -0, 1, 1.5, -1, 2 ** 53, 1e300, Infinity]) rows.addNumber(0, value, 0);
  rows.addNumber(0, 2 ** 53, 1);
  expect(estimate(rows.encode(0))).toBe(8);
  for (const step of [1, 1024, 1e-3, -(2 ** 30)]) {
    rows.clear(1);
    for (let i = 0; i < 50_000; i++) rows.addNumber(1, i * step, 0);
    expect(Math.abs(estimate(rows.encode(1)) - 50_000)).toBeLessThanOrEqual(50_000 * 3 * 0.0081);
  }
});

test('merged in any parts and any order it is what it is as a whole, to the byte; adding again changes nothing', () => {
  const sizes = fc.constantFrom(0, 1, 3, 100, 1000, 1536, 1537, 3000, 20_000);
  fc.assert(
    fc.property(sizes, sizes, sizes, fc.nat(1000), (a, b, c, overlap) => {
      const parts = [named('x', 0, a), named('x', Math.max(0, a - overlap), a + b), named('y', 0, c)].map((part) => [
        ...part,
      ]);
      const states = parts.map(stateOf);
      const whole = stateOf(parts.flat());
      expect(Buffer.compare(mergeStates(RULES, 'keyword', states), whole)).toBe(0);
      expect(Buffer.compare(mergeStates(RULES, 'keyword', [...states.toReversed(), whole]), whole)).toBe(0);
      expect(Buffer.compare(stateOf(parts.flat().toReversed()), whole)).toBe(0);
    }),
    { seed: 42, numRuns: 25 },
  );
});

test('a row takes four bytes a value, then 8 KiB; what is given back is used again', () => {
  const rows = rowsOf();
  addTexts(rows, 0, named('a', 0, 10));
  expect([rows.sizeOf(0), rows.encode(0).length, rows.grownBytes, rows.roomBytes]).toEqual([40, 40, 40, 64]);
  addTexts(rows, 0, named('a', 0, 5000));
  expect([rows.sizeOf(0), rows.encode(0).length, rows.grownBytes, rows.roomBytes]).toEqual([8192, 8192, 8192, 8192]);
  rows.clear(0);
  expect([rows.sizeOf(0), rows.encode(0).length, rows.roomBytes]).toEqual([0, 0, 0]);
});

test('bytes that are not a state are an error that says so', () => {
  const rows = rowsOf();
  for (const bytes of [
    [1],
    [1, 2, 3, 4, 5],
    [0, 0, 0, 0],
    [2, 0, 0, 0, 1, 0, 0, 0],
    Array.from({ length: 6148 }, () => 1),
  ]) {
    expect(() => rows.merge(0, Uint8Array.from(bytes))).toThrow(/the state of a distinct is damaged/);
    expect(() => estimate(Uint8Array.from(bytes))).toThrow(expect.objectContaining({ code: 'LOG_DAMAGED' }));
  }
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8192, maxLength: 8192 }), (bytes) => {
      expect(Number.isFinite(estimate(bytes))).toBe(true);
      expect(Number.isFinite(estimate(mergeStates(RULES, 'long', [bytes, bytes])))).toBe(true);
    }),
    { seed: 43, numRuns: 20 },
  );
});
