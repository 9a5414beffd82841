import { afterAll, describe, expect, test } from '@jest/globals';
import { DuckDBInstance } from '@duckdb/node-api';
import type { RollupSpec } from '../../src/epoch/pipeline.ts';
import { tumbling } from '../../src/operators/tumbling-window.ts';
import { ZoneWindows } from '../../src/operators/zone-windows.ts';
import { Random } from '../support/random.ts';
import { TableRun } from '../support/table-run.ts';

const [HOUR_MS, DAY_MS] = [3_600_000, 86_400_000];
const duckdb = await DuckDBInstance.create(':memory:');
afterAll(() => duckdb.closeSync());

/** By DuckDB's own time zone data: the local time of each moment, and the moment its local day began. */
async function clocksOf(zone: string, times: readonly number[]): Promise<{ localMs: number; dayMs: number }[]> {
  const connection = await duckdb.connect();
  try {
    await connection.run(`SET TimeZone = '${zone}'`);
    const reader = await connection.runAndReadAll(
      `SELECT epoch_ms(t AT TIME ZONE '${zone}'), epoch_ms(date_trunc('day', t))
       FROM (SELECT i, make_timestamptz(CAST(ms AS BIGINT) * 1000) AS t FROM (SELECT unnest([${times.join(', ')}]) AS ms, generate_subscripts([${times.join(', ')}], 1) AS i)) ORDER BY i`,
    );
    return reader.getRowsJS().map(([local, day]) => ({ localMs: Number(local), dayMs: Number(day) }));
  } finally {
    connection.closeSync();
  }
}

// Both changes of a year; a change by half an hour; a day that never was; offsets that are no whole hours; a change at midnight.
const PLACES: readonly (readonly [zone: string, from: string, days: number])[] = [
  ['Europe/Berlin', '2026-03-27', 5],
  ['Europe/Berlin', '2026-10-23', 5],
  ['America/New_York', '2026-03-06', 5],
  ['America/New_York', '2026-10-30', 5],
  ['Australia/Lord_Howe', '2026-04-03', 5],
  ['Australia/Lord_Howe', '2026-10-02', 5],
  ['Pacific/Apia', '2011-12-28', 5],
  ['Asia/Kathmandu', '2026-05-01', 3],
  ['America/Sao_Paulo', '2018-02-16', 4],
  ['America/Sao_Paulo', '2018-11-02', 4],
  ['Europe/Berlin', '1969-12-30', 4],
];

describe.each(PLACES)('windows by the clocks of %s from %s', (zone, from, days) => {
  const random = new Random(26);
  const startMs = Date.parse(`${from}T00:00:00Z`);
  const times = Array.from({ length: 600 }, () => startMs + random.below(days * DAY_MS)).sort((a, b) => a - b);

  test.each([1, 2, 6, 12, 24])('of %d hours are those that DuckDB makes of local times', async (hours) => {
    const sizeMs = hours * HOUR_MS;
    const windows = new ZoneWindows({ timeZone: zone, sizeMs, offsetMs: 0 });
    const clocks = await clocksOf(zone, times);
    const edges = times.map((timeMs) => windows.at(timeMs));
    for (const [i, timeMs] of times.entries()) {
      const { startMs: begins, endMs: ends } = edges[i]!;
      expect(timeMs >= begins && timeMs < ends).toBe(true);
      if (hours === 24) expect(begins).toBe(clocks[i]!.dayMs);
      if (i === 0) continue;
      const isOne = Math.floor(clocks[i]!.localMs / sizeMs) === Math.floor(clocks[i - 1]!.localMs / sizeMs);
      expect([timeMs, begins === edges[i - 1]!.startMs]).toEqual([timeMs, isOne]);
    }
    // They touch, and each moment of one gives the same.
    for (const { startMs: begins, endMs: ends } of edges) {
      expect([windows.at(begins).endMs, windows.at(ends - 1).startMs]).toEqual([ends, begins]);
      expect([windows.at(begins - 1).endMs, windows.at(ends).startMs]).toEqual([begins, ends]);
    }
  });
});

test('windows shorter than what clocks are set back by come twice', () => {
  const halves = new ZoneWindows({ timeZone: 'Europe/Berlin', sizeMs: HOUR_MS / 2, offsetMs: 0 });
  const starts = Array.from({ length: 4 }, (_, i) => halves.at(Date.parse('2026-10-25T00:10:00Z') + (i * HOUR_MS) / 2));
  expect(starts.map(({ startMs, endMs }) => [new Date(startMs).toISOString().slice(11, 16), endMs - startMs])).toEqual(
    ['00:00', '00:30', '01:00', '01:30'].map((at) => [at, HOUR_MS / 2]),
  );
});

test('an hour that comes twice is one window of two, and a day that begins at 08:00 by the clock is as long as it is', () => {
  const hours = new ZoneWindows({ timeZone: 'Europe/Berlin', sizeMs: HOUR_MS, offsetMs: 0 });
  const { startMs, endMs } = hours.at(Date.parse('2026-10-25T00:30:00Z'));
  expect([startMs, endMs]).toEqual([Date.parse('2026-10-25T00:00:00Z'), Date.parse('2026-10-25T02:00:00Z')]);
  const days = new ZoneWindows({ timeZone: 'Europe/Berlin', sizeMs: DAY_MS, offsetMs: 8 * HOUR_MS });
  const lengths = ['2026-03-28', '2026-03-29', '2026-10-24'].map((day) => {
    const edges = days.at(Date.parse(`${day}T12:00:00Z`));
    return [new Date(edges.startMs).toISOString(), (edges.endMs - edges.startMs) / HOUR_MS];
  });
  expect(lengths).toEqual([
    ['2026-03-28T07:00:00.000Z', 23],
    ['2026-03-29T06:00:00.000Z', 24],
    ['2026-10-24T06:00:00.000Z', 25],
  ]);
});

test('a table by days of Berlin: rows end when their day does, a late line names its day, a restart changes nothing', () => {
  const spec: RollupSpec = {
    from: 'access',
    by: [],
    window: { type: 'tumbling', sizeMs: DAY_MS, offsetMs: 0, timeZone: 'Europe/Berlin' },
    allowedLatenessMs: 0,
    rowsMax: 10,
    measures: [{ name: 'events', aggregate: 'count' }],
  };
  const at = (text: string): number => Date.parse(text);
  const line = (time: string, watermark: string) => ({
    timeMs: at(time),
    watermarkMs: at(watermark),
    cells: [],
  });
  const lines = [
    line('2026-03-28T22:59:59Z', '2026-03-28T00:00:00Z'),
    line('2026-03-28T23:00:00Z', '2026-03-28T22:00:00Z'),
    line('2026-03-29T21:59:59Z', '2026-03-29T21:00:00Z'),
    line('2026-03-29T22:00:00Z', '2026-03-29T21:59:58Z'),
    line('2026-03-29T21:00:00Z', '2026-03-29T21:59:59.999Z'),
  ];
  const run = new TableRun(tumbling, { spec, fields: [] });
  for (const [i, one] of lines.entries()) {
    run.process([one], i);
    run.operator.onWatermark(lines[i + 1]?.watermarkMs ?? one.watermarkMs);
    run.checkpoint(i % 2 === 0, one.watermarkMs, true);
  }
  const rows = run.rowsOf('table').map((row) => [row['window_start'], row['window_end'], row['lines']]);
  expect(rows).toEqual([
    [at('2026-03-27T23:00:00Z'), at('2026-03-28T23:00:00Z'), 1],
    [at('2026-03-28T23:00:00Z'), at('2026-03-29T22:00:00Z'), 2],
    [at('2026-03-29T22:00:00Z'), at('2026-03-30T22:00:00Z'), 1],
  ]);
  expect(run.late).toMatchObject([
    { windowStartMs: at('2026-03-28T23:00:00Z'), windowEndMs: at('2026-03-29T22:00:00Z') },
  ]);
});
