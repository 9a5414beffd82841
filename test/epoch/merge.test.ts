import { describe, expect, test } from '@jest/globals';
import { COMPONENTS } from '../../src/components.ts';
import { type RowPart, mergeRow } from '../../src/epoch/merge.ts';
import type { MeasureSpec } from '../../src/epoch/table.ts';

const MEASURES: readonly MeasureSpec[] = [
  { name: 'requests', aggregate: 'count' },
  { name: 'bytes', aggregate: 'sum', field: 'b', fieldType: 'long' },
  { name: 'least', aggregate: 'min', field: 'b', fieldType: 'long' },
  { name: 'mean', aggregate: 'avg', field: 'b', fieldType: 'double' },
];
const part = (lines: number, revision: number, ...accumulators: number[]): RowPart => ({
  lines,
  revision,
  accumulators,
});

describe('rows of several partitions', () => {
  test('one part is the row itself', () => {
    const merged = mergeRow([part(3, 1, 30, 2, 0, 10, 0, 30, 2)], MEASURES, COMPONENTS.aggregates);
    expect(merged).toEqual({ lines: 3, revision: 1, values: [3, 30, 10, 15], hasOverflown: false });
  });

  test('several are one, in any order, and stay what they were', () => {
    const parts = [
      part(3, 1, 30, 2, 0, 10, 0, 30, 2),
      part(1, 0, 0, 0, 0, Number.NaN, 0, 0, 0),
      part(2, 2, 7, 2, 0, 3, 0, 7, 2),
    ];
    const before = structuredClone(parts);
    const expected = { lines: 6, revision: 3, values: [6, 37, 3, 37 / 4], hasOverflown: false };
    expect(mergeRow(parts, MEASURES, COMPONENTS.aggregates)).toEqual(expected);
    expect(mergeRow(parts.toReversed(), MEASURES, COMPONENTS.aggregates)).toEqual(expected);
    expect(parts).toEqual(before);
  });

  test('a sum beyond 2^53 is exact, one that no number can hold is NULL and flagged', () => {
    const max = Number.MAX_SAFE_INTEGER;
    const parts = [part(1, 0, max, 1, 0, 1, 0, 1, 1), part(1, 0, 2, 1, 7, 1, 0, 1, 1)];
    const merged = mergeRow(parts, MEASURES, COMPONENTS.aggregates);
    expect(merged).toMatchObject({ values: [2, 8n * 2n ** 53n + 1n, 1, 1], hasOverflown: false });
    const unknown = part(1, 0, Number.NaN, 1, 0, 1, 0, 1, 1);
    const [first] = parts;
    expect(mergeRow([first!, unknown], MEASURES, COMPONENTS.aggregates)).toMatchObject({
      values: [2, null, 1, 1],
      hasOverflown: true,
    });
  });
});
