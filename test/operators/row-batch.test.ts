import { describe, expect, test } from '@jest/globals';
import { COMPONENTS } from '../../src/components.ts';
import type { RollupSpec } from '../../src/epoch/pipeline.ts';
import { RowBatch } from '../../src/operators/row-batch.ts';
import { session } from '../../src/operators/session-window.ts';
import { tableFields } from '../../src/epoch/table-fields.ts';
import { tumbling } from '../../src/operators/tumbling-window.ts';
import type { Column } from '../../src/record/batch.ts';
import { textOf } from '../../src/lib/text.ts';
import { type TestRow, rowsOf } from '../support/epochs.ts';

const SPEC: RollupSpec = {
  from: 'access',
  by: [
    { field: 'url.path', type: 'keyword', column: 'url_path' },
    { field: 'status', type: 'long', column: 'http_status', as: 'http_status' },
  ],
  window: { type: 'tumbling', sizeMs: 60_000, offsetMs: 0 },
  allowedLatenessMs: 0,
  rowsMax: 1000,
  measures: [
    { name: 'requests', aggregate: 'count' },
    { name: 'bytes', aggregate: 'sum', field: 'bytes', fieldType: 'long' },
    { name: 'mean', aggregate: 'avg', field: 'bytes', fieldType: 'long' },
  ],
};
const { aggregates } = COMPONENTS;
const [SCHEMA] = tumbling.tables('traffic', SPEC, aggregates);
const FIELDS = [
  { name: 'url.path', type: 'keyword' },
  { name: 'http_status', type: 'long' },
  { name: 'requests', type: 'long' },
  { name: 'bytes', type: 'long' },
  { name: 'mean', type: 'double' },
] as const;

/** `sum` of so many values, as the two lanes of the state of a sum have it. */
const row = (key: readonly (string | number | null)[], endMs = 60_000, [sum, n, high] = [0, 0, 0]): TestRow => ({
  startMs: endMs - 60_000,
  endMs,
  key,
  accumulators: [sum, n, high, sum, n, high],
  lines: 3,
});

function load(rows: readonly TestRow[]): RowBatch {
  const loaded = new RowBatch(SCHEMA!, FIELDS, aggregates);
  loaded.load(rowsOf('traffic', rows, SPEC));
  return loaded;
}

function cells({ batch }: RowBatch): unknown[][] {
  const cellOf = (column: Column, i: number): unknown => {
    if (column.kind === 'number') return column.rest?.[i] ? [column.values[i], column.rest[i]] : column.values[i];
    const bytes = batch.stringBytes(column, i);
    return bytes === undefined ? null : textOf(bytes);
  };
  return Array.from({ length: batch.length }, (_, i) => batch.columns.map((column) => cellOf(column, i)));
}

describe('the rows of a table as lines', () => {
  test('come in the order of their ends, then of their keys: NULL first, texts by their bytes', () => {
    const rows = [
      row(['/b', 200]),
      row(['/é', 200]),
      row(['/b', null]),
      row(['/a', 500], 120_000),
      row([null, 1]),
      row(['/b', 20]),
      row(['/b', '9007199254740993']),
    ];
    const loaded = load(rows);
    expect(cells(loaded).map(([path, status]) => [path, status])).toEqual([
      [null, 1],
      ['/b', Number.NaN],
      ['/b', 20],
      ['/b', 200],
      ['/b', [2 ** 53, 1]],
      ['/é', 200],
      ['/a', 500],
    ]);
    expect([...loaded.batch.eventTimeMs.subarray(0, 7)]).toEqual([...Array.from({ length: 6 }, () => 59_999), 119_999]);
  });

  test('have an id of their own, whatever comes with them', () => {
    const rows = [
      row(['/a', 1]),
      row(['/a', null]),
      row([null, 1]),
      row(['', 1]),
      row(['/a', 1], 120_000),
      { ...row([null, null]), isOther: true },
    ];
    const { hashA, hashB } = load(rows);
    expect(new Set(hashA).size).toBe(rows.length);
    expect(new Set(hashB).size).toBe(rows.length);
    const alone = load([rows[4]!]);
    expect([alone.hashA[0], alone.hashB[0]]).toEqual([hashA[5], hashB[5]]);
  });

  test('say what their view says, every digit of it, and nothing of what is beyond all numbers', () => {
    const found = cells(
      load([
        row(['/a', 1], 60_000, [5, 2, 0]),
        row(['/b', 1]),
        row(['/c', 1], 60_000, [7, 2, 3]),
        row(['/d', 1], 60_000, [Number.NaN, 1, 0]),
      ]),
    );
    expect(found).toEqual([
      ['/a', 1, 3, 5, 2.5],
      ['/b', 1, 3, Number.NaN, Number.NaN],
      ['/c', 1, 3, [3 * 2 ** 53 + 8, -1], (3 * 2 ** 53 + 7) / 2],
      ['/d', 1, 3, Infinity, Infinity],
    ]);
  });

  test('have the fields of their view, keys by the name that documents have for them', () => {
    expect(tableFields(SCHEMA!, aggregates)).toEqual({
      window_start: 'date',
      window_end: 'date',
      revision: 'long',
      lines: 'long',
      'url.path': 'keyword',
      http_status: 'long',
      requests: 'long',
      bytes: 'long',
      mean: 'double',
    });
    const visits = session.tables(
      'visits',
      { ...SPEC, by: [], window: { type: 'session', gapMs: 1, lengthMsMax: null } },
      aggregates,
    );
    expect(Object.keys(tableFields(visits[0]!, aggregates)).slice(0, 7)).toEqual([
      'window_start',
      'window_end',
      'revision',
      'lines',
      'first_event',
      'last_event',
      'duration_ms',
    ]);
  });
});
