// Windows that are open are a query over panes: with one partition and with two, they are what plain code says, and so is every row that is final.
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Log } from '../../../src/broker/broker.ts';
import type { RollupSpec } from '../../../src/epoch/pipeline.ts';
import type { RowSet } from '../../../src/epoch/table.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { sliding } from '../../../src/operators/sliding-window.ts';
import { EpochChain, pipelineOf } from '../../support/epochs.ts';
import { MemoryStore } from '../../support/memory-log.ts';
import { type PlainLine, plainSliding } from '../../support/plain-sliding.ts';
import { Random } from '../../support/random.ts';
import { TableRun } from '../../support/table-run.ts';
import { WarehouseHarness } from '../../support/warehouse-harness.ts';

const [SIZE_MS, SLIDE_MS, LATENESS_MS] = [1000, 400, 150];
const FIELDS = [
  { name: 'user', type: 'keyword' },
  { name: 'bytes', type: 'long' },
] as const;
const SPEC: RollupSpec = {
  from: 'access',
  by: [{ field: 'user', type: 'keyword', column: 'user' }],
  window: { type: 'sliding', sizeMs: SIZE_MS, slideMs: SLIDE_MS },
  allowedLatenessMs: LATENESS_MS,
  rowsMax: 1000,
  measures: [
    { name: 'requests', aggregate: 'count' },
    { name: 'bytes', aggregate: 'sum', field: 'bytes', fieldType: 'long' },
    { name: 'most', aggregate: 'max', field: 'bytes', fieldType: 'long' },
    { name: 'sizes', aggregate: 'distinct', field: 'bytes', fieldType: 'long' },
  ],
};
const VIEW = `SELECT epoch_ms(window_start), epoch_ms(window_end), "user", requests, bytes, most, sizes, status, revision, lines, late_lines
  FROM recent ORDER BY 1, 3 NULLS FIRST`;

let harness: WarehouseHarness;
let log: Log;
beforeEach(() => {
  harness = new WarehouseHarness();
  log = new MemoryStore({ clock: systemClock }).open();
});
afterEach(() => harness.remove());

type RunLine = PlainLine & { readonly cells: any };

function linesOf(random: Random, count: number): RunLine[] {
  let watermarkMs = -1000;
  return Array.from({ length: count }, () => {
    if (random.chance(0.3)) watermarkMs += random.below(200);
    const user = [null, 'a', 'b'][random.below(3)]!;
    const timeMs = watermarkMs + random.below(900) - (random.chance(0.1) ? 1500 : 0);
    const value = random.chance(0.2) ? null : random.below(100);
    return { timeMs, key: [user], value, cells: [user, value], watermarkMs, isBad: false };
  });
}

test.each([1, 2])('with %d partitions', async (partitions) => {
  const random = new Random(26 + partitions);
  const { streams, ...pipeline } = pipelineOf({ recent: SPEC });
  const spread = { ...pipeline, streams: { access: { ...streams['access']!, partitions } } };
  const parts = await Promise.all(
    Array.from({ length: partitions }, async (_, partition) => ({
      chain: await EpochChain.begin(log, { partition, partitions }),
      run: new TableRun(sliding, { name: 'recent', spec: SPEC, fields: FIELDS }),
      lines: linesOf(random, 120),
      told: 0,
    })),
  );
  let hasOpen = false;
  for (const to of [0, 40, 80, 120]) {
    for (const part of parts) {
      const { chain, run, lines, told } = part;
      run.process(lines.slice(told, to), told);
      const watermarkMs = lines[Math.max(0, to - 1)]!.watermarkMs;
      run.operator.onWatermark(watermarkMs);
      const isSnapshot = to === 0 || to === 80;
      const { upserts } = run.checkpoint(isSnapshot, watermarkMs, false);
      const body = { upserts, watermarkMs, late: run.late.splice(0) };
      await chain.append(isSnapshot ? { ...body, pipeline: spread, fingerprints: { recent: 'a' } } : body);
      part.told = to;
    }
    await harness.runToEnd(log, parts[0]!.chain.topic);
    const expected = expectedRows(parts);
    expect(await harness.query(VIEW)).toEqual(expected);
    hasOpen ||= expected.some((row) => row[7] === 'open') && expected.some((row) => row[7] === 'final');
  }
  expect(hasOpen).toBe(true);
  const last = parts.map(({ lines }) => lines.at(-1)!.watermarkMs);
  const stored = await harness.query(
    'SELECT count(*) FILTER (epoch_ms(closes_at) - 1 + 150 <= $w), count(*) > 0 FROM tailrace."recent.panes_open"'.replace(
      '$w',
      String(Math.min(...last)),
    ),
  );
  expect(stored).toEqual([[0, true]]);
  expect(await harness.query('SELECT count(*) FROM tailrace."recent.panes_final"')).toEqual([[0]]);
});

test('of a table that leaves the pipeline are final as they are, and its panes are gone', async () => {
  const chain = await EpochChain.begin(log);
  const run = new TableRun(sliding, { name: 'recent', spec: SPEC, fields: FIELDS });
  const lines = linesOf(new Random(3), 40);
  const { watermarkMs } = lines.at(-1)!;
  run.process(lines, 0);
  run.operator.onWatermark(watermarkMs);
  const { upserts } = run.checkpoint(true, watermarkMs, false);
  await chain.append({ pipeline: pipelineOf({ recent: SPEC }), fingerprints: { recent: 'a' }, upserts, watermarkMs });
  await harness.runToEnd(log, chain.topic);
  const before = await harness.query(VIEW);
  const left: RowSet[] = [];
  run.operator.close?.({
    upsert: (rows) => void left.push(rows),
    remove: () => undefined,
    state: () => undefined,
  });
  const body = { pipeline: pipelineOf(), fingerprints: { traffic: 'b' }, upserts: left, watermarkMs };
  await chain.append(body, { generation: 2 });
  await harness.runToEnd(log, chain.topic);
  expect(before.some((row) => row[7] === 'open')).toBe(true);
  expect(await harness.query(VIEW)).toEqual(
    before.map((row) => [...row.slice(0, 6), expect.any(Number), 'final', ...row.slice(8)]),
  );
  expect(await harness.query('SELECT count(*) FROM tailrace."recent.panes_open"')).toEqual([[0]]);
});

function expectedRows(parts: readonly { readonly lines: readonly RunLine[]; readonly told: number }[]): unknown[][] {
  const rows = new Map<string, { cells: unknown[]; values: (number | null)[]; isOpen: boolean; late: number }>();
  const lateOf = new Map<string, number>();
  for (const { lines: all, told } of parts) {
    const lines = all.slice(0, told);
    const watermarkMs = all[Math.max(0, told - 1)]!.watermarkMs;
    const rules = { sizeMs: SIZE_MS, slideMs: SLIDE_MS, latenessMs: LATENESS_MS, sinceMs: -Infinity };
    const { windows, missed } = plainSliding(lines, rules);
    for (const { startMs, key, lines: of } of windows) {
      const id = JSON.stringify([startMs, key[0]]);
      const row = rows.get(id) ?? { cells: [startMs, startMs + SIZE_MS, key[0]], values: [], isOpen: false, late: 0 };
      row.values.push(...of.map((i) => lines[i]!.value));
      row.isOpen ||= startMs + SIZE_MS - 1 + LATENESS_MS > watermarkMs;
      rows.set(id, row);
    }
    for (const { line, startMs, endMs } of missed) {
      for (let at = startMs; at + SIZE_MS <= endMs; at += SLIDE_MS) {
        const id = JSON.stringify([at, lines[line]!.key[0]]);
        lateOf.set(id, (lateOf.get(id) ?? 0) + 1);
      }
    }
  }
  return [...rows]
    .map(([id, { cells, values, isOpen }]) => {
      const there = values.filter((value) => value !== null);
      const [sum, most] = there.length === 0 ? [null, null] : [there.reduce((a, b) => a + b, 0), Math.max(...there)];
      const status = isOpen ? 'open' : 'final';
      const sizes = isOpen ? null : new Set(there).size;
      return [...cells, values.length, sum, most, sizes, status, 0, values.length, lateOf.get(id) ?? 0];
    })
    .toSorted((left: any[], right: any[]) => left[0] - right[0] || orderOf(left[2]) - orderOf(right[2]));
}

function orderOf(user: unknown): number {
  return [null, 'a', 'b'].indexOf(user as string | null);
}
