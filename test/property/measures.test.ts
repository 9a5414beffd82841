// Measures with conditions and expressions, and conditions of tables: random ones over random lines and cuts, against DuckDB over the lines themselves.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { COMPONENTS } from '../../src/components.ts';
import { buildState } from '../../src/engine/build-state.ts';
import type { TaskState } from '../../src/engine/state.ts';
import type { EpochBody, EpochEnvelope } from '../../src/epoch/epoch.ts';
import { mergeRow } from '../../src/epoch/merge.ts';
import type { Pipeline } from '../../src/epoch/pipeline.ts';
import { Sink } from '../support/chain-worlds.ts';
import { resolveSqlText } from '../support/configs.ts';
import { Feed, RAW_LOG, TASK, TestFile } from '../support/raw-stream.ts';

const RUNS = process.env['TAILRACE_SOAK'] === '1' ? 2_000 : 60;

let instance: DuckDBInstance;
let connection: DuckDBConnection;
beforeAll(async () => {
  instance = await DuckDBInstance.create(':memory:');
  connection = await instance.connect();
});
afterAll(() => {
  connection.closeSync();
  instance.closeSync();
});

const number = fc.constantFrom(
  'bytes',
  'status',
  'bytes + 1',
  'bytes * status',
  'coalesce(bytes, 7)',
  'case when path is null then 1 else bytes end',
);
const simple = fc.oneof(
  fc
    .tuple(number, fc.constantFrom('<', '>=', '=', '<>'), fc.constantFrom('0', '2', '200', 'status'))
    .map((parts) => parts.join(' ')),
  fc.constantFrom("path like '/a%'", 'path is null', "path = '/b'", 'status in (200, 404)', 'bytes between 1 and 3'),
);
const condition = fc.oneof(
  simple,
  fc.tuple(simple, fc.constantFrom('and', 'or'), simple).map((parts) => parts.join(' ')),
  simple.map((inner) => `not (${inner})`),
);
const line = fc.record({
  path: fc.constantFrom('/a', '/ab', '/b', null),
  status: fc.constantFrom(200, 404, 500, null),
  bytes: fc.constantFrom(0, 1, 2, 3, -5, null),
  window: fc.integer({ min: 0, max: 2 }),
});
const worlds = fc.record({
  where: condition,
  counted: condition,
  summed: fc.tuple(number, condition),
  most: number,
  lines: fc.array(line, { minLength: 1, maxLength: 40, size: 'max' }),
  cuts: fc.array(fc.constantFrom('none', 'block', 'epoch', 'restart'), { minLength: 1, maxLength: 12 }),
});
type World = typeof worlds extends fc.Arbitrary<infer T> ? T : never;

function measuresOf({ counted, summed: [argument, only], most }: World): Record<string, string> {
  return {
    counted: `count(*) filter (where ${counted})`,
    summed: `sum(${argument}) filter (where ${only})`,
    most: `max(${most})`,
    there: `count(${most})`,
  };
}

async function pipelineOf(world: World): Promise<Pipeline> {
  const text = `version: 1
name: web
sources: { web: { type: file, include: [access.log], stream: access } }
streams:
  access:
    codec: { type: json, time_format: epoch_ms, fields: { time: date, path: keyword, status: long, bytes: long } }
    event_time: { field: time, out_of_orderness: 1h }
rollups:
  t:
    from: access
    where: ${JSON.stringify(world.where)}
    by: [path]
    window: { type: tumbling, size: 1s }
    measures: ${JSON.stringify(measuresOf(world))}
`;
  return (await resolveSqlText(text)).config.pipeline;
}

function rowsOf(pipeline: Pipeline, { lines, cuts }: World): string[] {
  const texts = lines.map(({ window, ...rest }) => JSON.stringify({ time: 1_000_000 + window * 1000, ...rest }));
  const file = new TestFile('a/1', texts);
  const stateOf = (): TaskState =>
    buildState({ task: TASK, pipeline, rawLog: RAW_LOG, rollupSinceMs: {}, ...COMPONENTS });
  const sink = new Sink(pipeline);
  const epochs: EpochBody[] = [];
  let feed = new Feed(stateOf()).beat(0, [file.report('announced')]);
  const checkpoint = (): void => {
    epochs.push(feed.state.takeBody(false));
    sink.fold(epochs.at(-1)!);
  };
  let taken = 0;
  for (let i = 0; i < lines.length; i++) {
    const cut = i === lines.length - 1 ? 'epoch' : cuts[i % cuts.length]!;
    if (cut === 'none') continue;
    feed.send(file.block(file.at(taken), file.at(i + 1)));
    taken = i + 1;
    if (cut !== 'block') checkpoint();
    if (cut !== 'restart') continue;
    const { to, rawId } = feed.state;
    const state = stateOf();
    const envelope = { rawLog: RAW_LOG, to, rawId, generation: 1, otherLines: {} } as EpochEnvelope;
    for (const held of epochs) state.restore(envelope, held);
    feed = new Feed(state);
  }
  const { columns, measures } = pipeline.tables['t']!;
  return [...sink.rows.values()]
    .map(({ row }) => {
      const states = columns.filter(({ role }) => role === 'state');
      const accumulators = states.map(({ name }) => Number(row[name] ?? Number.NaN));
      const part = { revision: 0, lines: Number(row['lines']), accumulators };
      const { values } = mergeRow([part], measures, COMPONENTS.aggregates);
      return [row['window_start'], row['path'], row['lines'], ...values].map(String).join(' ');
    })
    .sort();
}

async function expectedOf(world: World): Promise<string[]> {
  const literal = (value: string | number | null): string =>
    typeof value === 'string' ? `'${value}'` : value === null ? 'NULL' : `${value}::BIGINT`;
  const values = world.lines.map(
    ({ path, status, bytes, window }) =>
      `(${1_000_000 + window * 1000}::BIGINT, ${literal(path)}, ${literal(status)}, ${literal(bytes)})`,
  );
  const reader = await connection.runAndReadAll(
    `SELECT start, path, count(*), ${Object.values(measuresOf(world)).join(', ')}
      FROM (SELECT time AS start, path::VARCHAR AS path, status::BIGINT AS status, bytes::BIGINT AS bytes
        FROM (VALUES ${values.join(', ')}) AS t(time, path, status, bytes))
      WHERE ${world.where} GROUP BY start, path`,
  );
  return reader
    .getRows()
    .map((row) => row.map(String).join(' '))
    .sort();
}

test('rows are what DuckDB makes of the lines', async () => {
  let rows = 0;
  await fc.assert(
    fc.asyncProperty(worlds, async (world) => {
      const found = rowsOf(await pipelineOf(world), world);
      expect(found).toEqual(await expectedOf(world));
      rows += found.length;
    }),
    { seed: Number(process.env['TAILRACE_SEED'] ?? 17), numRuns: RUNS },
  );
  expect(rows).toBeGreaterThan(RUNS * 2);
}, 120_000);
