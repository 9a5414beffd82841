// Tables that read tables, in a task: against plain code, for any blocks, epochs and lives.
import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { RollupSpec } from '../../src/epoch/pipeline.ts';
import { setMutant } from '../../src/lib/mutant.ts';
import { addSum, emptySum } from '../../src/record/line-id.ts';
import {
  Sink,
  TOUCHING,
  differenceIn,
  pipelineIn,
  plainOf,
  runTask,
  stateOf,
  tablesIn,
  worlds,
} from '../support/chain-worlds.ts';
import { Feed, TestFile, plainPipeline } from '../support/raw-stream.ts';

const RUNS = process.env['TAILRACE_SOAK'] === '1' ? 20_000 : 160;

afterEach(() => setMutant(undefined));

describe('tables that read tables', () => {
  test('say what plain code makes of the same lines and beats, and are final when it says so', () => {
    let [deep, late] = [0, 0];
    fc.assert(
      fc.property(worlds, (world) => {
        expect(differenceIn(world)).toBeUndefined();
        const plain = plainOf(world);
        if (plain.rows.some(({ table, isFinal }) => table === 'day' && isFinal)) deep++;
        for (const { name, from } of tablesIn(world))
          if (from !== 'lines') expect(plain.late.get(name)).toBeUndefined();
        if (plain.late.size > 0) late++;
      }),
      { seed: 27, numRuns: RUNS },
    );
    expect(Math.min(deep, late)).toBeGreaterThan(RUNS / 8);
  });

  test('do so to the last bit, however the log is cut', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        expect(runTask(world, world.cuts).shown()).toEqual(runTask(world, ['none']).shown());
      }),
      { seed: 28, numRuns: RUNS / 2 },
    );
  });

  test('account for every row of the table they read, in both lanes', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const { rows, ledger } = runTask(world, world.cuts);
        const { tables, rollups } = pipelineIn(world);
        for (const [name, { from }] of Object.entries(rollups)) {
          if (from === 'access') continue;
          const final = [...rows.values()].filter(({ table, isFinal }) => table === from && isFinal).length;
          const came = ledger.get(`${name} in ${from}`) ?? emptySum();
          expect([name, came.lines]).toEqual([name, final]);
          const held = emptySum();
          for (const { table, row } of rows.values())
            if (table === name)
              addSum(held, { lines: Number(row['lines']), a: Number(row['sum_a']), b: Number(row['sum_b']) });
          const taken = ledger.get(`${name} rolled_up ${from}`) ?? emptySum();
          if (rollups[name]!.window.type !== 'sliding') expect(held).toEqual(taken);
          const fates = emptySum();
          for (const fate of ['rolled_up', 'filtered']) {
            const sum = ledger.get(`${name} ${fate} ${from}`);
            if (sum !== undefined) addSum(fates, sum);
          }
          expect(fates).toEqual(came);
          expect(tables[name]!.stream).toBe('access');
        }
      }),
      { seed: 29, numRuns: RUNS / 4 },
    );
  });

  test('take no row into a session that has ended and that it only touches', () => {
    expect(differenceIn(TOUCHING)).toBeUndefined();
    const spells = plainOf(TOUCHING).rows.filter(({ table }) => table === 'spells');
    expect(spells.map(({ startMs, isFinal }) => [startMs, isFinal])).toEqual([
      [99_999, true],
      [109_999, false],
    ]);
  });

  test.each(['chain.own_lateness', 'chain.no_fixpoint', 'chain.rows_before_timers'] as const)(
    '%s is caught',
    (mutant) => {
      setMutant(mutant);
      const broken = fc.check(
        fc.property(worlds, (world) => differenceIn(world) === undefined),
        { seed: 27, numRuns: RUNS, endOnFailure: true, examples: [[TOUCHING]] },
      );
      expect(broken.failed).toBe(true);
    },
  );
});

test('lines that are ahead of their time, and not believed yet, end no session', () => {
  const visits: RollupSpec = {
    from: 'access',
    by: [{ field: 'key', type: 'keyword', column: 'key' }],
    window: { type: 'session', gapMs: 1_000, lengthMsMax: null },
    allowedLatenessMs: 0,
    rowsMax: 1000,
    measures: [],
  };
  const file = new TestFile('a/1', ['100000 a 1', '500000 b 1', '500001 b 1', '100500 a 1']);
  const feed = new Feed(stateOf(plainPipeline({ visits }))).beat(0, [file.report('announced')]).send(file.block());
  const sink = new Sink(plainPipeline({ visits }));
  sink.fold(feed.state.takeBody(true));
  const shown = [...sink.rows.values()].map(({ row }) => [row['key'], row['lines'], row['revision']]);
  expect(shown).toEqual([
    ['a', 2, 0],
    ['b', 2, 0],
  ]);
});

test('the row of keys that have none of their own goes into that of the table that reads it, and is told once', () => {
  const by = [{ field: 'key', type: 'keyword', column: 'key' }] as const;
  const minute: RollupSpec = {
    from: 'access',
    by,
    window: { type: 'tumbling', sizeMs: 10_000, offsetMs: 0 },
    allowedLatenessMs: 0,
    rowsMax: 1,
    measures: [{ name: 'requests', aggregate: 'count' }],
  };
  const requests = { name: 'requests', aggregate: 'sum', field: 'requests', fieldType: 'long' } as const;
  const hour: RollupSpec = {
    ...minute,
    from: 'minute',
    window: { ...minute.window, sizeMs: 40_000 },
    rowsMax: 9,
    measures: [requests],
  };
  const pipeline = plainPipeline({ minute, hour }, { outOfOrdernessMs: 0 });
  // In the first window b has no row of its own, in the second a has none; NULL is a key like others.
  const lines = ['0 a', '1 b', '2 -', '10000 -', '10001 a', '20000 b', '40000 a', '50000 a'];
  const file = new TestFile(
    'a/1',
    lines.map((line) => `${line} 1`),
  );
  const feed = new Feed(stateOf(pipeline)).beat(0, [file.report('announced')]).send(file.block());
  const sink = new Sink(pipeline);
  sink.fold(feed.state.takeBody(true));
  const shown = [...sink.rows.values()].flatMap(({ table, row, isFinal }) =>
    table === 'hour' && isFinal ? [[row['key'], row['is_other'], row['lines'], row['requests.sum']]] : [],
  );
  expect(shown).toEqual([
    ['a', 0, 1, 1],
    [null, 1, 2, 3],
    [null, 0, 1, 1],
    ['b', 0, 1, 1],
  ]);
  expect(feed.state.otherLines.byTable).toEqual({ minute: 3, hour: 2 });
  expect(feed.state.otherLines.takeUnsaid().map(([table]) => table)).toEqual(['minute']);
});
