import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FrequentRows } from '../../src/aggregates/frequent.ts';
import type { RollupSpec } from '../../src/epoch/pipeline.ts';
import { setMutant } from '../../src/lib/mutant.ts';
import type { OperatorContext } from '../../src/operators/operator.ts';
import { PaneTable } from '../../src/operators/pane-table.ts';
import { SlidingWindow, sliding } from '../../src/operators/sliding-window.ts';
import { EMPTY } from '../../src/operators/window-table.ts';
import { type LineSum, addSum, emptySum, laneA, laneB } from '../../src/record/line-id.ts';
import { lineHashSeeds } from '../../src/record/source.ts';
import { CUTS, type Cut, RUN_SOURCE, admittedBatch, offsetOf } from '../support/operator-runs.ts';
import { type PlainLine, type PlainOutcome, plainSliding } from '../support/plain-sliding.ts';
import { type Row, TableRun, bytesOf } from '../support/table-run.ts';

const RUNS = process.env['TAILRACE_SOAK'] === '1' ? 20_000 : 400;
const FIELDS = [
  { name: 'user', type: 'keyword' },
  { name: 'site', type: 'long' },
  { name: 'bytes', type: 'long' },
  { name: 'took', type: 'double' },
] as const;
const MEASURES: RollupSpec['measures'] = [
  { name: 'events', aggregate: 'count' },
  { name: 'bytes', aggregate: 'sum', field: 'bytes', fieldType: 'long' },
  { name: 'most', aggregate: 'max', field: 'bytes', fieldType: 'long' },
  { name: 'took', aggregate: 'avg', field: 'took', fieldType: 'double' },
];

interface Rules {
  readonly window: readonly [sizeMs: number, slideMs: number];
  readonly latenessMs: number;
  readonly sinceSlides: number;
  readonly keys: number;
}

const rules: fc.Arbitrary<Rules> = fc.record({
  window: fc.constantFrom<[number, number][]>([600, 100], [1000, 400], [500, 500], [700, 300], [2000, 100]),
  latenessMs: fc.constantFrom(0, 0, 0, 250, 1500),
  sinceSlides: fc.constantFrom(-Infinity, -Infinity, 1),
  keys: fc.constantFrom(0, 1, 2),
});

const line = fc.record({
  timeMs: fc.oneof(fc.integer({ min: -900, max: 4000 }), fc.integer({ min: 0, max: 300 })),
  user: fc.constantFrom('a', 'b', 'a-long-name-of-a-user', '', null),
  site: fc.constantFrom(1, 2, null),
  value: fc.constantFrom(1, -2, 300, null),
  climb: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.integer({ min: 0, max: 900 }) }),
  isBad: fc.constantFrom(false, false, false, false, true),
});

const worlds = fc.record({
  rules,
  lines: fc.array(line, { minLength: 1, maxLength: 60, size: 'max' }),
  cuts: fc.array(fc.constantFrom<Cut>('none', 'none', 'none', ...CUTS), { minLength: 1, maxLength: 30 }),
});
type World = typeof worlds extends fc.Arbitrary<infer T> ? T : never;

function specOf({ window: [sizeMs, slideMs], latenessMs, keys }: Rules): RollupSpec {
  const by = FIELDS.slice(0, keys).map(({ name, type }) => ({ field: name, type, column: name }));
  const window = { type: 'sliding', sizeMs, slideMs };
  return { from: 'access', by, window, allowedLatenessMs: latenessMs, rowsMax: 1000, measures: MEASURES };
}

type RunLine = PlainLine & { readonly cells: any };

/** Two values that no order of additions brings to other last bits, and one that every order does. */
const TOOK = [0.125, 3.5, 0.1];

function linesOf({ rules: { keys }, lines }: World, hasRough: boolean): RunLine[] {
  let watermarkMs = -2500;
  return lines.map(({ user, site, value, climb, ...rest }, i) => {
    watermarkMs += climb;
    const took = TOOK[i % (hasRough ? 3 : 2)]!;
    return { ...rest, value, key: [user, site].slice(0, keys), cells: [user, site, value, took], watermarkMs };
  });
}

/** Runs the lines with the cuts; after every checkpoint the panes that a sink has are those of the operator. */
function runOf(
  world: World,
  lines: readonly RunLine[],
  cuts: readonly Cut[],
  definition = sliding,
  given: Partial<RollupSpec> = {},
): TableRun {
  const { window, sinceSlides } = world.rules;
  const spec = { ...specOf(world.rules), ...given };
  const run = new TableRun(definition, { spec, fields: FIELDS, sinceMs: sinceSlides * window[1] });
  let from = 0;
  for (const i of lines.keys()) {
    const cut = cuts[i % cuts.length]!;
    if (cut === 'none' && i < lines.length - 1) continue;
    run.process(lines.slice(from, i + 1), from);
    from = i + 1;
    const behindMs = lines[i + 1]?.watermarkMs ?? lines[i]!.watermarkMs;
    run.operator.onWatermark(behindMs);
    if (cut === 'none' || cut === 'batch') continue;
    run.checkpoint(cut === 'snapshot', behindMs, cut === 'restart');
    expect(run.tables.get('table.panes')).toEqual(run.openRows('table.panes'));
  }
  const lastMs = run.operator.lastTimerMs();
  run.operator.onWatermark(lastMs - 1);
  if (lastMs !== -Infinity) expect(run.operator.lastTimerMs()).toBe(lastMs);
  run.operator.onWatermark(lastMs);
  run.checkpoint(false, lastMs, false);
  expect([run.operator.lastTimerMs(), run.openRows('table.panes').size]).toEqual([-Infinity, 0]);
  return run;
}

const [SEED_A, SEED_B] = lineHashSeeds(RUN_SOURCE);
const sumOf = (lines: readonly number[]): LineSum => {
  const sum = emptySum();
  for (const i of lines) addSum(sum, { lines: 1, a: laneA(SEED_A, offsetOf(i)), b: laneB(SEED_B, offsetOf(i)) });
  return sum;
};

function shownPlain({ windows }: PlainOutcome, lines: readonly RunLine[], sizeMs: number): string[] {
  return windows.map(({ startMs, key, lines: of }) => {
    const { lines: count, a, b } = sumOf(of);
    const values = of.map((i) => lines[i]!.value).filter((value) => value !== null);
    const took = of.reduce((sum, i) => sum + lines[i]!.cells[3], 0);
    const most = values.length === 0 ? null : Math.max(...values);
    const state = [values.reduce((sum, value) => sum + value, 0), values.length, 0, most, 0, took, count];
    return JSON.stringify([startMs, startMs + sizeMs, 0, count, a, b, 0, ...key, ...state]);
  });
}

const shownRow = (row: Row): string => JSON.stringify(Object.values(row));

/** What plain code makes of the lines must be what the operator says. */
function checkAgainstPlain(world: World): PlainOutcome {
  const { window, latenessMs, sinceSlides } = world.rules;
  const [sizeMs, slideMs] = window;
  const lines = linesOf(world, false);
  const run = runOf(world, lines, world.cuts);
  const plain = plainSliding(lines, { sizeMs, slideMs, latenessMs, sinceMs: sinceSlides * slideMs });
  expect(run.rowsOf('table').map(shownRow).toSorted()).toEqual(shownPlain(plain, lines, sizeMs).toSorted());
  expect(
    run.late.map(({ offset, windowStartMs, windowEndMs, isPart = false }) => [
      offset,
      windowStartMs,
      windowEndMs,
      isPart,
    ]),
  ).toEqual(plain.missed.map((miss) => [offsetOf(miss.line), miss.startMs, miss.endMs, miss.isPart]));
  const placed = plain.windows.flatMap((one) => one.lines);
  const fates = {
    rolled_up: [...new Set(placed)],
    placed,
    late: plain.missed.filter(({ isPart }) => !isPart).map((miss) => miss.line),
    'filtered before_rollup': plain.filtered,
  };
  const known = Object.entries(fates).filter(([, of]) => of.length > 0);
  expect(run.fates).toEqual(new Map(known.map(([name, of]) => [name, sumOf(of)])));
  const rows = emptySum();
  for (const row of run.rowsOf('table'))
    addSum(rows, { lines: Number(row['lines']), a: Number(row['sum_a']), b: Number(row['sum_b']) });
  expect(rows).toEqual(run.fates.get('placed') ?? emptySum());
  return plain;
}

afterEach(() => setMutant(undefined));

test('is what plain code makes of the same lines, however they are cut into batches, epochs and lives', () => {
  let [parts, late] = [0, 0];
  fc.assert(
    fc.property(worlds, (world) => {
      const { missed } = checkAgainstPlain(world);
      parts += missed.filter(({ isPart }) => isPart).length;
      late += missed.length;
    }),
    { seed: 26, numRuns: RUNS },
  );
  expect(Math.min(parts, late - parts)).toBeGreaterThan(RUNS / 4);
});

test('a line that is counted for windows that were closed is seen', () => {
  setMutant('sliding.late_in_closed');
  expect(() =>
    fc.assert(
      fc.property(worlds, (world) => void checkAgainstPlain(world)),
      { seed: 26, numRuns: RUNS, endOnFailure: true },
    ),
  ).toThrow(/Property failed/);
});

test('rows are the same to the last bit, whatever the cuts: doubles are added in the order of panes', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const lines = linesOf(world, true);
      const rowsOf = (cuts: readonly Cut[]): string[] => {
        const run = runOf(world, lines, cuts);
        return run.rowsOf('table').map(shownRow).toSorted();
      };
      expect(rowsOf(world.cuts)).toEqual(rowsOf(['none']));
    }),
    { seed: 27, numRuns: RUNS / 2 },
  );
});

const TOP: RollupSpec['measures'] = [
  { name: 'top', aggregate: 'top', field: 'user', fieldType: 'keyword', parameter: 2 },
];

test.each<[string, Partial<RollupSpec>, number]>([
  ['sketches', { measures: TOP }, 8000],
  ['rows of panes', { rowsMax: 2 }, Infinity],
])('the same keys have rows whatever the cuts, where there is no room for more %s', (_what, given, sketchBytesMax) => {
  const small = { ...sliding, create: (context: OperatorContext) => new SlidingWindow(context, sketchBytesMax) };
  let [withOthers, without] = [0, 0];
  fc.assert(
    fc.property(worlds, (world) => {
      const lines = linesOf(world, false);
      const rowsOf = (cuts: readonly Cut[]): string[] => {
        const run = runOf(world, lines, cuts, small, given);
        if (run.others.lines > 0) withOthers++;
        else without++;
        return run.rowsOf('table').map(shownRow).toSorted();
      };
      expect(rowsOf(world.cuts)).toEqual(rowsOf(['none']));
    }),
    { seed: 28, numRuns: RUNS / 2 },
  );
  expect(Math.min(withOthers, without)).toBeGreaterThan(RUNS / 20);
});

test('a pane has a row for every key that has a place, however large its sketches are', () => {
  const large = new FrequentRows(true);
  large.roomBytes = 2 ** 40;
  const pane = new PaneTable({ startMs: 0, endMs: 100, keyKinds: ['string'], initial: [], sketches: [large] });
  const { batch } = admittedBatch([{ timeMs: 0, cells: ['a'], watermarkMs: 0 }], FIELDS.slice(0, 1));
  expect([pane.insert(batch, batch.columns, 0, 0), pane.otherRow]).toEqual([0, EMPTY]);
});

describe('a sliding window', () => {
  const plainLine = (timeMs: number, watermarkMs = -Infinity, user = 'a'): RunLine => ({
    timeMs,
    watermarkMs,
    key: [user],
    value: 1,
    cells: [user, 1, 1, 0.5],
    isBad: false,
  });
  const RULES: Rules = { window: [300, 100], latenessMs: 0, sinceSlides: -Infinity, keys: 1 };
  const of = (given: Partial<RollupSpec> = {}): TableRun =>
    new TableRun(sliding, { spec: { ...specOf(RULES), ...given }, fields: FIELDS });
  const rows = (run: TableRun): unknown[] =>
    run.rowsOf('table').map((row) => [row['window_start'], row['user'], row['is_other'], row['lines']]);

  test('gives each window once, when the clock reaches its end', () => {
    const run = of();
    run.process([plainLine(250), plainLine(260, 298), plainLine(270, 299)], 0);
    run.checkpoint(false, 299, true);
    expect(rows(run)).toEqual([[0, 'a', 0, 2]]);
    run.operator.onWatermark(499);
    run.checkpoint(false, 499, false);
    expect(rows(run)).toEqual([
      [0, 'a', 0, 2],
      [100, 'a', 0, 3],
      [200, 'a', 0, 3],
    ]);
    expect(run.late.map(({ windowStartMs, windowEndMs, isPart }) => [windowStartMs, windowEndMs, isPart])).toEqual([
      [0, 300, true],
    ]);
  });

  test('keeps as many keys as there may be over all panes; further ones share a row until a place is free', () => {
    const run = of({ rowsMax: 1 });
    run.process([plainLine(0), plainLine(110, -Infinity, 'b'), plainLine(120)], 0);
    run.checkpoint(true, -Infinity, true);
    run.process([plainLine(130, -Infinity, 'c'), plainLine(1000, 700, 'b')], 3);
    run.operator.onWatermark(2000);
    run.checkpoint(false, 2000, false);
    expect(rows(run).filter(([start]: any) => start === 0 || start === 1000)).toEqual([
      [0, 'a', 0, 2],
      [0, null, 1, 2],
      [1000, 'b', 0, 1],
    ]);
    expect(run.others).toEqual({ lines: 2, first: { windowStartMs: 100, key: ['b'], rowsMax: 1, isFull: true } });
  });

  test('has no row for a further key while the panes have 16 for each that may have one', () => {
    const run = of({ rowsMax: 2, window: { type: 'sliding', sizeMs: 3200, slideMs: 100 } });
    run.process(
      Array.from({ length: 31 }, (_, i) => plainLine(i * 100)),
      0,
    );
    run.process([plainLine(3100)], 31);
    run.checkpoint(true, -Infinity, true);
    run.process([plainLine(3100, -Infinity, 'b'), plainLine(3100)], 32);
    run.operator.onWatermark(3299);
    run.process([plainLine(3210, 3299, 'c')], 34);
    run.operator.onWatermark(3399);
    run.checkpoint(false, 3399, false);
    expect(rows(run).filter(([start]: any) => start === 0 || start === 200)).toEqual([
      [0, 'a', 0, 33],
      [0, null, 1, 1],
      [200, 'a', 0, 31],
      [200, null, 1, 1],
      [200, 'c', 0, 1],
    ]);
    expect(run.others).toMatchObject({ lines: 1, first: { key: ['b'], isFull: true } });
  });

  test('that leaves the pipeline gives its open windows as they are', () => {
    const run = of();
    run.process([plainLine(150), plainLine(250)], 0);
    const left: number[] = [];
    run.operator.close?.({
      upsert: ({ length }) => void left.push(length),
      remove: () => undefined,
      state: () => undefined,
    });
    expect(left).toEqual([4]);
  });

  test('knows what an epoch will be: a little more than it is', () => {
    const run = of();
    const lines = Array.from({ length: 2000 }, (_, i) =>
      plainLine(i, -Infinity, `user ${String(i % 500).padStart(9)}`),
    );
    run.process(lines, 0);
    run.operator.onWatermark(900);
    const estimate = run.operator.changedBytes();
    const bytes = bytesOf(run.checkpoint(false, 900, false));
    expect([estimate >= bytes, estimate <= 1.2 * bytes]).toEqual([true, true]);
  });

  test('forgets what is over: memory goes with what is open', () => {
    const run = of();
    for (let round = 0; round < 50; round++) {
      const startMs = round * 10_000;
      const lines = Array.from({ length: 200 }, (_, i) =>
        plainLine(startMs + i, startMs, `user ${round} ${i} ${'x'.repeat(500)}`),
      );
      run.process(lines, round * 200);
      run.operator.onWatermark(startMs + 9000);
      run.checkpoint(false, startMs + 9000, false);
      expect(run.operator.lastTimerMs()).toBe(-Infinity);
    }
    expect(run.tables.get('table.panes')!.size).toBe(0);
    expect(run.rowsOf('table').reduce((sum, row) => sum + Number(row['lines']), 0)).toBe(30_000);
  });
});
