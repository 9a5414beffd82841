// Sums that no `long` can hold, and what tables make of them that read their table: from lines over a task's epochs to the views of the warehouse.
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { COMPONENTS } from '../../src/components.ts';
import { buildState } from '../../src/engine/build-state.ts';
import type { RollupSpec } from '../../src/epoch/pipeline.ts';
import type { MeasureSpec } from '../../src/epoch/table.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { EpochChain } from '../support/epochs.ts';
import { MemoryStore } from '../support/memory-log.ts';
import { Feed, RAW_LOG, TASK, TestFile, plainPipeline } from '../support/raw-stream.ts';
import { WarehouseHarness } from '../support/warehouse-harness.ts';

let harness: WarehouseHarness;
beforeEach(() => void (harness = new WarehouseHarness()));
afterEach(() => harness.remove());

const BASE: RollupSpec = {
  from: 'access',
  by: [{ field: 'key', type: 'keyword', column: 'key' }],
  window: { type: 'tumbling', sizeMs: 1_000, offsetMs: 0 },
  allowedLatenessMs: 0,
  rowsMax: 1000,
  measures: [
    { name: 'total', aggregate: 'sum', field: 'bytes', fieldType: 'long' },
    { name: 'least', aggregate: 'min', field: 'bytes', fieldType: 'long' },
    { name: 'mean', aggregate: 'avg', field: 'bytes', fieldType: 'long' },
  ],
};
const over = (field: string, fieldType: 'long' | 'double', aggregates: readonly string[]): MeasureSpec[] =>
  aggregates.map((aggregate) => ({
    name: `${field}_${aggregate}`,
    aggregate,
    field,
    fieldType,
    ...(aggregate === 'quantile' ? { parameter: 0.5 } : aggregate === 'top' ? { parameter: 3 } : {}),
  }));
const ALL = Object.values(COMPONENTS.aggregates).map(({ name }) => name);
const READER: RollupSpec = {
  ...BASE,
  from: 'sums',
  by: [],
  measures: [
    ...over('total', 'long', ALL),
    ...over('least', 'long', ['min', 'max']),
    ...over('mean', 'double', ['min', 'max']),
  ],
};
const BY_TOTAL: RollupSpec = {
  ...BASE,
  from: 'sums',
  by: [{ field: 'total', type: 'long', column: 'total' }],
  measures: [{ name: 'rows', aggregate: 'count' }],
};
const AGAIN: RollupSpec = {
  ...BASE,
  from: 'read',
  by: [],
  measures: [...over('total_sum', 'long', ['min', 'max', 'last']), ...over('mean_min', 'double', ['min', 'max'])],
};

/** A line is a key and the digits of a number; returns what the views show. */
async function shown(lines: readonly (readonly [key: string, digits: string])[]) {
  const plain = plainPipeline({ sums: BASE, read: READER, by_total: BY_TOTAL, again: AGAIN }, { idleTimeoutMs: 0 });
  const fields = { time: 'date', key: 'keyword', bytes: 'long' };
  const streams = { access: { ...plain.streams['access']!, codec: { type: 'json', fields, time_format: 'epoch_ms' } } };
  const pipeline = { ...plain, streams };
  const { codecs, aggregates, operators } = COMPONENTS;
  const state = buildState({ task: TASK, pipeline, rawLog: RAW_LOG, rollupSinceMs: {}, codecs, aggregates, operators });
  const texts = lines.map(([key, digits]) => `{"time": 100000, "key": "${key}", "bytes": ${digits}}`);
  const file = new TestFile('a/1', [...texts, '{"time": 200000, "key": "end"}', '{"time": 300000, "key": "end"}']);
  const feed = new Feed(state).beat(0, [file.report('announced')]).send(file.block());
  feed.beat(400_000, [file.report('caught_up', file.end, { quietSinceMs: 0 })]);
  const log = new MemoryStore({ clock: systemClock }).open();
  const chain = await EpochChain.begin(log);
  const names = ['sums', 'read', 'by_total', 'again'];
  const fingerprints = Object.fromEntries(names.map((name) => [name, 'a']));
  await chain.append({ ...feed.state.takeBody(false), pipeline, fingerprints });
  await harness.runToEnd(log, chain.topic);
  const viewOf = async (table: string, { measures }: RollupSpec): Promise<Record<string, unknown>> => {
    const columns = [...measures.map(({ name }) => name), 'overflow'];
    const [row] = await harness.query(
      `SELECT ${columns.join(', ')} FROM ${table} WHERE epoch_ms(window_start) = 100000`,
    );
    return Object.fromEntries(columns.map((name, c) => [name, row![c]]));
  };
  const keys = await harness.query(
    'SELECT total, is_other, rows FROM by_total WHERE epoch_ms(window_start) = 100000 ORDER BY is_other, total',
  );
  return { read: await viewOf('read', READER), again: await viewOf('again', AGAIN), keys };
}

const MAX = '9223372036854775807';

test('a sum beyond the largest long is unknown to those that read it, and stops no sink', async () => {
  const { read, keys } = await shown([
    ['a', MAX],
    ['a', MAX],
    ['b', '5'],
  ]);
  expect(read).toEqual({
    total_count: 2,
    total_sum: null,
    total_min: 5,
    total_max: null,
    total_avg: null,
    total_stddev: null,
    total_distinct: 2,
    total_quantile: expect.closeTo(5, 1),
    total_first: null,
    total_last: 5,
    total_top: '[{"value":5,"count":1},{"value":null,"count":1}]',
    least_min: 5,
    least_max: MAX,
    mean_min: 5,
    mean_max: 2 ** 63,
    overflow: true,
  });
  expect(keys).toEqual([
    [5, false, 1],
    [null, true, 1],
  ]);
});

test('what lies below the least long is the least', async () => {
  const { read, again } = await shown([
    ['a', '-1e30'],
    ['b', '5'],
  ]);
  const ofTotal = { total_min: null, total_max: 5, least_min: null, least_max: 5, mean_min: null, mean_max: 5 };
  expect(read).toMatchObject({ ...ofTotal, overflow: true });
  expect(again).toEqual({
    total_sum_min: null,
    total_sum_max: null,
    total_sum_last: null,
    mean_min_min: null,
    mean_min_max: null,
    overflow: true,
  });
});

test('of what lies beyond on nobody knows which side neither the least nor the largest value is known', async () => {
  const { read } = await shown([
    ['a', '-1e30'],
    ['a', '1e30'],
    ['b', '5'],
  ]);
  const ofTotal = { total_min: null, total_max: null, total_sum: null, mean_min: null, mean_max: null };
  expect(read).toMatchObject({ ...ofTotal, least_min: null, least_max: 5, overflow: true });
});
