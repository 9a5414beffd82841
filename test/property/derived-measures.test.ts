// Measures that are made of others: in views, documents, events and tables that read tables the same value, for random expressions over random rows.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { COMPONENTS } from '../../src/components.ts';
import type { EpochBody, EpochEnvelope } from '../../src/epoch/epoch.ts';
import type { Pipeline } from '../../src/epoch/pipeline.ts';
import type { RowSet } from '../../src/epoch/table.ts';
import { tableFields } from '../../src/epoch/table-fields.ts';
import { cellAt } from '../../src/expressions/column.ts';
import { valueTypeOf } from '../../src/expressions/tree.ts';
import { parseExactJson } from '../../src/lib/exact-integer.ts';
import { RowBatch } from '../../src/operators/row-batch.ts';
import { RollupTables } from '../../src/sinks/duckdb/rollup-tables.ts';
import { schemaSql } from '../../src/sinks/duckdb/schema.ts';
import { rowDocument } from '../../src/sinks/elasticsearch/rollup-document.ts';
import { eventRecord } from '../../src/sinks/events/event-record.ts';
import { type FoldedRow, RowFold } from '../../src/sinks/row-fold.ts';
import { resolveSqlText } from '../support/configs.ts';
import type { Cell } from '../support/operator-runs.ts';
import { TableRun } from '../support/table-run.ts';

const RUNS = process.env['TAILRACE_SOAK'] === '1' ? 2_000 : 60;
const { aggregates, operators } = COMPONENTS;

let instance: DuckDBInstance;
let connection: DuckDBConnection;
beforeAll(async () => {
  instance = await DuckDBInstance.create(':memory:');
  connection = await instance.connect();
  for (const sql of schemaSql()) await connection.run(sql);
  await connection.run(`SET TimeZone = 'UTC'`);
});
afterAll(() => {
  connection.closeSync();
  instance.closeSync();
});

const FIELDS = [
  { name: 'path', type: 'keyword' },
  { name: 'status', type: 'long' },
  { name: 'bytes', type: 'long' },
  { name: 'took', type: 'double' },
] as const;
const AGGREGATES = {
  requests: 'count',
  bytes_sum: 'sum(bytes)',
  bytes_max: 'max(bytes)',
  took_avg: 'avg(took)',
  took_half: 'p50(took)',
  entry: 'first(path)',
};

const number: fc.Memo<string> = fc.memo((depth) =>
  depth <= 1
    ? fc.constantFrom(
        'requests',
        'bytes_sum',
        'bytes_max',
        'took_avg',
        'took_half',
        'lines',
        'http_status',
        '2',
        '0',
        '0.5',
      )
    : fc.oneof(
        fc.tuple(number(), fc.constantFrom('+', '-', '*', '/', '%'), number()).map((parts) => `(${parts.join(' ')})`),
        fc.tuple(condition(), number()).map(([when, then]) => `case when ${when} then ${then} end`),
        number().map((value) => `coalesce(${value}, -1)`),
      ),
);
const condition: fc.Memo<string> = fc.memo((depth) =>
  fc.oneof(
    fc
      .tuple(number(depth - 1), fc.constantFrom('<', '>=', '=', '<>'), number(depth - 1))
      .map((parts) => `(${parts.join(' ')})`),
    number(depth - 1).map((value) => `(${value} is null)`),
    fc.constantFrom('path = entry', 'window_start < window_end', "path || 'x' > entry"),
  ),
);
// Without a name in it, it is not made of others.
const expression = fc
  .oneof(
    number(3),
    number(4),
    condition(3),
    fc.constantFrom("path || '-' || entry", '(window_end)', 'lower(entry)', '(bytes_sum)', 'lines * 1.5'),
  )
  .filter((text) => /requests|bytes|took|lines|status|path|window|entry/.test(text));
const derivedTexts = fc.tuple(expression, expression, expression, number(2)).map(([a, b, c, d]) => ({
  // Named before what it is made of.
  twice: `${isNumeric(a) ? 'one' : 'requests'} * 2 + ${d}`,
  one: a,
  other: b,
  last: `case when other is null then null else ${c} end`,
}));

function isNumeric(text: string): boolean {
  return !/^\((?!.*\) *[-+*/%])|entry|window|<|>|=| is /.test(text);
}

const line = fc.record({
  cells: fc.tuple(
    fc.constantFrom<Cell>('/a', '/ä', null),
    fc.constantFrom<Cell>(200, 500, null),
    fc.constantFrom<Cell>(0, 1, 7, -3, 2 ** 40, 2n ** 62n, 2n ** 63n - 1n, null),
    fc.constantFrom<Cell>(0, 0.5, 1.25, -2, 1e300, null),
  ),
  timeMs: fc.integer({ min: 0, max: 3_000 }),
});

const config = (measures: Readonly<Record<string, string>>): string => `version: 1
name: web
sources: { web: { type: file, include: [access.log], stream: access } }
streams:
  access:
    codec: { type: json, fields: { time: date, path: keyword, status: long, bytes: long, took: double } }
    event_time: { field: time }
rollups:
  shown:
    from: access
    by: [path, { field: status, as: http_status }]
    window: { type: tumbling, size: 1s }
    measures: ${JSON.stringify(measures)}
`;

/** What makes two values the same one, whatever holds them. */
function said(value: unknown): string {
  if (typeof value === 'object' && value !== null) {
    if ('micros' in value) return String(Number(value.micros as bigint) / 1000);
    if ('rawJSON' in value) return String(value.rawJSON);
  }
  if (typeof value === 'string' && /^\d{4}-.*Z$/.test(value)) return String(Date.parse(value));
  return typeof value === 'number' ? String(value + 0) : String(value);
}

type Shown = Map<string, readonly string[]>;

/** The derived measures of every row, by its window and key. */
async function viewOf(pipeline: Pipeline, parts: readonly RowSet[], names: readonly string[]): Promise<Shown> {
  const tables = new RollupTables(pipeline.tables['shown']!, aggregates);
  for (const name of ['open', 'final']) await connection.run(`DROP TABLE IF EXISTS tailrace.shown_${name} CASCADE`);
  for (const sql of tables.createSql(parts.length)) await connection.run(sql);
  for (const [partition, upserts] of parts.entries())
    await tables.apply(connection, { partition, upserts, removes: undefined, watermarkMs: 0, isSnapshot: true });
  const reader = await connection.runAndReadAll('SELECT * FROM shown');
  return new Map(
    reader.getRowObjects().map((row) => {
      const key = [row['window_start'], row['path'], row['http_status']].map((value) => said(value));
      return [key.join(' '), names.map((name) => said(row[name]))];
    }),
  );
}

function foldedRows(pipeline: Pipeline, parts: readonly RowSet[]): FoldedRow[] {
  const fold = new RowFold(['shown']);
  const rows = new Set<FoldedRow>();
  for (const [partition, upserts] of parts.entries()) {
    const body = { watermarkMs: 0, pipeline, upserts: [upserts], removes: [] } as unknown as EpochBody;
    const envelope = { n: 1, rawLog: 'f', isSnapshot: true } as EpochEnvelope;
    const from = { stream: 'access', partition };
    for (const row of fold.apply({ from, epoch: { envelope, body } } as never).changed) rows.add(row);
  }
  return [...rows];
}

const keyOf = ({ cells }: FoldedRow): string =>
  ['window_start', 'path', 'http_status'].map((column) => said(cells[column])).join(' ');

function documentsOf(rows: readonly FoldedRow[], names: readonly string[]): Shown {
  return new Map(
    rows.map((row) => {
      const { tailrace } = rowDocument(row, 'open', { pipeline: 'web', aggregates }) as {
        readonly tailrace: { readonly measures: Readonly<Record<string, unknown>> };
      };
      return [keyOf(row), names.map((name) => said(tailrace.measures[name]))];
    }),
  );
}

function eventsOf(rows: readonly FoldedRow[], names: readonly string[]): Shown {
  const step = { stream: 'access', fromMs: 0, toMs: 0, position: [1], by: 0, rows };
  return new Map(
    rows.map((row) => {
      const { record } = eventRecord(row, step, { pipeline: 'web', group: 'g', aggregates });
      const value = parseExactJson(Buffer.from(record.value!).toString()) as Readonly<Record<string, unknown>>;
      return [keyOf(row), names.map((name) => said(value[name]))];
    }),
  );
}

/** As those see them that read the table. */
function fieldsOf(pipeline: Pipeline, rows: RowSet, names: readonly string[]): Shown {
  const schema = pipeline.tables['shown']!;
  const types = tableFields(schema, aggregates);
  const wanted = ['window_start', 'path', 'http_status', ...names].map((name) => ({ name, type: types[name]! }));
  const { batch, ...loaded } = loadedBatch(new RowBatch(schema, wanted, aggregates), rows);
  expect(loaded.hasOthers).toBe(false);
  return new Map(
    Array.from({ length: batch.length }, (_, i) => {
      const values = wanted.map(({ type }, c) => said(cellAt(batch, batch.columns[c]!, i, valueTypeOf(type))));
      return [values.slice(0, 3).join(' '), values.slice(3)];
    }),
  );
}

function loadedBatch(batch: RowBatch, rows: RowSet): RowBatch {
  batch.load(rows);
  return batch;
}

test('views, documents, events and fields of rows say the same', async () => {
  let [values, nulls] = [0, 0];
  await fc.assert(
    fc.asyncProperty(
      derivedTexts,
      fc.array(fc.array(line, { minLength: 1, maxLength: 25, size: 'max' }), { minLength: 1, maxLength: 2 }),
      async (texts, lines) => {
        const { pipeline } = (await resolveSqlText(config({ ...texts, ...AGGREGATES }))).config;
        const spec = pipeline.rollups['shown']!;
        const names = Object.keys(texts);
        expect(spec.derived?.map(({ name }) => name).sort()).toEqual(names.toSorted());
        const parts = lines.map((ofPartition) => {
          const run = new TableRun(operators['tumbling']!, { name: 'shown', spec, fields: FIELDS });
          run.process(
            ofPartition.map((one) => ({ ...one, isBad: false, watermarkMs: -1 })),
            0,
          );
          return run.checkpoint(true, 0, false).upserts[0]!;
        });
        const view = await viewOf(pipeline, parts, names);
        const rows = foldedRows(pipeline, parts);
        expect(documentsOf(rows, names)).toEqual(view);
        expect(eventsOf(rows, names)).toEqual(view);
        if (parts.length === 1) expect(fieldsOf(pipeline, parts[0]!, names)).toEqual(view);
        const all = [...view.values()].flat();
        nulls += all.filter((value) => value === 'null').length;
        values += all.length;
      },
    ),
    { seed: Number(process.env['TAILRACE_SEED'] ?? 31), numRuns: RUNS },
  );
  expect(Math.min(values - nulls, nulls)).toBeGreaterThan(RUNS);
}, 120_000);
