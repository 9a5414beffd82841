import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FrequentRows, VALUES_MAX, mostFrequent } from '../../src/aggregates/frequent.ts';
import { mergeStates } from '../../src/aggregates/sketch.ts';

const RULES = { rows: () => new FrequentRows(true) };

interface Counted {
  readonly value: string;
  readonly count: number;
  readonly count_max?: number;
}

function rowsWith(texts: Iterable<string>): FrequentRows {
  const rows = new FrequentRows(true);
  rows.grow(1);
  for (const text of texts) {
    const bytes = Buffer.from(text);
    rows.addText(0, bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length);
  }
  return rows;
}

const stateOf = (texts: Iterable<string>): Uint8Array => rowsWith(texts).encode(0).slice();
const topOf = (state: Uint8Array, k: number): Counted[] => JSON.parse(mostFrequent(state, 'keyword', k)) as Counted[];

/** A few that are frequent among many that are rare; what is `seed`ed alike is alike. */
function drawn(seed: number, count: number, rare: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const n = (Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(seed, 0x85ebca6b)) >>> 0;
    return n % 4 === 0 ? `frequent ${(n >>> 8) % 8}` : `rare ${(n >>> 8) % rare}`;
  });
}

test('is exact up to a thousand values, however they come', () => {
  const texts = Array.from({ length: VALUES_MAX }, (_, i) =>
    Array.from({ length: 1 + (i % 5) }, () => `value ${i}`),
  ).flat();
  const state = stateOf(texts);
  expect(Buffer.compare(stateOf(texts.toReversed()), state)).toBe(0);
  const all = topOf(state, VALUES_MAX);
  expect(all).toHaveLength(VALUES_MAX);
  for (const { value, count, ...more } of all) expect([count, more]).toEqual([1 + (Number(value.slice(6)) % 5), {}]);
});

test('of more values the true count is between both, and what is frequent is there, also merged', () => {
  const cases = fc.record({
    seed: fc.nat(1000),
    count: fc.constantFrom(3000, 20_000),
    rare: fc.constantFrom(900, 5000, 1_000_000),
  });
  fc.assert(
    fc.property(cases, fc.nat(3), ({ seed, count, rare }, parts) => {
      const texts = drawn(seed, count, rare);
      const counts = new Map<string, number>();
      for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
      const size = Math.ceil(texts.length / (parts + 1));
      const states = Array.from({ length: parts + 1 }, (_, i) => stateOf(texts.slice(i * size, (i + 1) * size)));
      const found = topOf(mergeStates(RULES, 'keyword', states), 8);
      expect(found.map(({ value }) => value).toSorted()).toEqual(Array.from({ length: 8 }, (_, i) => `frequent ${i}`));
      for (const { value, count: least, count_max: most = least } of found) {
        expect(least).toBeLessThanOrEqual(counts.get(value)!);
        expect(most).toBeGreaterThanOrEqual(counts.get(value)!);
        expect(most - least).toBeLessThanOrEqual(texts.length / 500);
      }
    }),
    { seed: 61, numRuns: 40 },
  );
});

test('goes on from its bytes as if it had never stopped', () => {
  const texts = drawn(7, 6000, 3000);
  const whole = stateOf(texts);
  for (const cut of [1, 900, 1500, 1501, 4000]) {
    const rows = new FrequentRows(true);
    rows.grow(1);
    rows.merge(0, stateOf(texts.slice(0, cut)));
    for (const text of texts.slice(cut)) {
      const bytes = Buffer.from(text);
      rows.addText(0, bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length);
    }
    expect(Buffer.compare(rows.encode(0), whole)).toBe(0);
  }
});

test('counts the memory of rows with one value each, and the same whatever the order of values', () => {
  const rows = new FrequentRows(true);
  rows.grow(1000);
  const one = Buffer.from('one');
  for (let row = 0; row < 1000; row++) rows.addText(row, one, new DataView(one.buffer, one.byteOffset), 0, 3);
  expect(rows.roomBytes).toBeGreaterThan(2_000_000);
  const texts = ['a'.repeat(200), ...Array.from({ length: 300 }, (_, i) => `${i} ${'b'.repeat(i % 50)}`)];
  expect(rowsWith(texts).roomBytes).toBe(rowsWith(texts.toReversed()).roomBytes);
});

test('a row is bounded: values are cut, and no more than a thousand are kept', () => {
  const rows = rowsWith(Array.from({ length: 5000 }, (_, i) => `${i} ${'ü'.repeat(1000)}`));
  expect(rows.encode(0).length).toBeLessThanOrEqual(300 * 1024);
  expect(rows.sizeOf(0)).toBeGreaterThanOrEqual(rows.encode(0).length);
  expect(rows.roomBytes).toBeLessThan(600 * 1024);
  rows.clear(0);
  expect([rows.roomBytes, rows.sizeOf(0), rows.encode(0).length]).toEqual([0, 0, 0]);
});
