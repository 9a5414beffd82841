import { expect, test } from '@jest/globals';
import { TEXT_BYTES_MAX } from '../../src/aggregates/edge.ts';
import { first } from '../../src/aggregates/first.ts';
import { last } from '../../src/aggregates/last.ts';
import type { SketchRows } from '../../src/aggregates/sketch.ts';

const rowsOf = (aggregate: typeof first, type: 'keyword' | 'long'): SketchRows => {
  const rows = aggregate.sketch!.rows(type);
  rows.grow(1);
  return rows;
};
const addText = (rows: SketchRows, text: string, timeMs: number): void => {
  const bytes = Buffer.from(text);
  rows.addText(0, bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length, timeMs);
};

test('goes by event time, then by the order of the log', () => {
  for (const [aggregate, expected] of [
    [first, 'c'],
    [last, 'e'],
  ] as const) {
    const rows = rowsOf(aggregate, 'keyword');
    for (const [text, timeMs] of [
      ['a', 5],
      ['b', 7],
      ['c', 2],
      ['d', 2],
      ['e', 7],
      ['f', 4],
    ] as const)
      addText(rows, text, timeMs);
    expect(aggregate.sketch!.result(rows.encode(0), 'keyword')).toBe(expected);
  }
});

test('of a long text is its beginning, never half a character', () => {
  const rows = rowsOf(last, 'keyword');
  addText(rows, `a${'ü'.repeat(2000)}`, 1);
  expect(last.sketch!.result(rows.encode(0), 'keyword')).toBe(`a${'ü'.repeat(511)}`);
  expect(rows.roomBytes).toBeLessThanOrEqual(2 * TEXT_BYTES_MAX);
  addText(rows, 'short', 2);
  expect(last.sketch!.result(rows.encode(0), 'keyword')).toBe('short');
});

test('of partitions with values of one time the lower number counts as earlier', () => {
  const states = [10, 20].map((value) => {
    const rows = rowsOf(first, 'long');
    rows.addNumber(0, value, 0, 5);
    return rows.encode(0).slice();
  });
  for (const [aggregate, expected] of [
    [first, 10],
    [last, 20],
  ] as const) {
    const rows = rowsOf(aggregate, 'long');
    for (const state of states) rows.merge(0, state);
    expect(aggregate.sketch!.result(rows.encode(0), 'long')).toBe(expected);
  }
});

test('a long that no long can be is damage, not a failure of the sink', () => {
  const state = new Uint8Array(Float64Array.of(5, 1e300, 0).buffer);
  expect(() => first.sketch!.result(state, 'long')).toThrow(/the state of a first is damaged: a long of 1e\+300/);
  expect(first.sketch!.result(state, 'double')).toBe(1e300);
  expect(() => first.sketch!.result(state, 'date')).toThrow(/damaged/);
});
