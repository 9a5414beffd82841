import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Log } from '../../src/broker/broker.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { type FaultPoint, setFaultHandler } from '../../src/lib/fault-point.ts';
import { setMutant } from '../../src/lib/mutant.ts';
import { EpochChain } from '../support/epochs.ts';
import { MemoryStore } from '../support/memory-log.ts';
import { WarehouseHarness } from '../support/warehouse-harness.ts';
import { MODEL_COUNTS_SQL, MODEL_ROWS_SQL, type Step, WarehouseModel } from '../support/warehouse-model.ts';

const RUNS = process.env['TAILRACE_SOAK'] === '1' ? 2000 : 8;
const POINTS: FaultPoint[] = [
  'warehouse.folded',
  'warehouse.before_commit',
  'warehouse.after_commit',
  'warehouse.checkpoint',
];

class Crash extends Error {}

afterEach(() => {
  setFaultHandler(undefined);
  setMutant(undefined);
});

/** Runs to the log's end, however often it crashes on the way; returns how often that was. */
async function foldThroughCrashes(
  harness: WarehouseHarness,
  log: Log,
  topic: string,
  point: FaultPoint,
  passes: number,
): Promise<number> {
  let crashes = 0;
  let passesLeft = passes;
  setFaultHandler((passed) => {
    if (passed !== point || --passesLeft > 0) return;
    passesLeft = passes;
    if (crashes < 3) throw new Crash(point);
  });
  for (;;) {
    try {
      await harness.runToEnd(log, topic);
      setFaultHandler(undefined);
      return crashes;
    } catch (error) {
      if (!((error as Error).cause instanceof Crash)) throw error;
      crashes++;
      harness.crash();
    }
  }
}

async function expectAsModelled(harness: WarehouseHarness, model: WarehouseModel): Promise<void> {
  const rows = await harness.query(MODEL_ROWS_SQL);
  expect(rows.map((row) => JSON.stringify(row)).sort()).toEqual(model.rows());
  expect(await harness.query(MODEL_COUNTS_SQL)).toEqual([model.counts()]);
}

const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  lines: fc.array(fc.record({ window: fc.nat(2), key: fc.nat(7), count: fc.integer({ min: 1, max: 4 }) }), {
    maxLength: 12,
  }),
  windowsClosed: fc.oneof({ arbitrary: fc.constant(0), weight: 2 }, { arbitrary: fc.nat(3), weight: 1 }),
  isSnapshot: fc.oneof({ arbitrary: fc.constant(false), weight: 3 }, { arbitrary: fc.constant(true), weight: 1 }),
  lateLines: fc.nat(2),
});

describe('whatever the epochs, however they are grouped, wherever it crashes', () => {
  test('the tables hold what a plain model holds', async () => {
    let crashes = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(stepArbitrary, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(...POINTS),
        fc.integer({ min: 1, max: 3 }),
        async (groups, point, passes) => {
          const harness = new WarehouseHarness();
          harness.checkpointWalBytes = 0;
          try {
            const log = new MemoryStore({ clock: systemClock }).open();
            const chain = await EpochChain.begin(log);
            const model = new WarehouseModel();
            for (const [index, group] of groups.entries()) {
              for (const [at, step] of group.entries()) {
                await chain.append(model.epoch(index === 0 && at === 0 ? { ...step, isSnapshot: true } : step));
              }
              crashes += await foldThroughCrashes(harness, log, chain.topic, point, passes);
            }
            await expectAsModelled(harness, model);
          } finally {
            harness.remove();
          }
        },
      ),
      { numRuns: RUNS, seed: 20_261 },
    );
    expect(crashes).toBeGreaterThan(RUNS);
  });

  test.each(POINTS)('a crash at %s repeats work and never effect', async (point) => {
    const harness = new WarehouseHarness();
    harness.checkpointWalBytes = 0;
    try {
      const log = new MemoryStore({ clock: systemClock }).open();
      const chain = await EpochChain.begin(log);
      const model = new WarehouseModel();
      let crashes = 0;
      for (let n = 0; n < 3; n++) {
        await chain.append(
          model.epoch({
            lines: [{ window: 0, key: n, count: 2 }],
            windowsClosed: 1,
            isSnapshot: n === 0,
            lateLines: 1,
          }),
        );
        crashes += await foldThroughCrashes(harness, log, chain.topic, point, 1);
      }
      // What is durable at the crash is not done again.
      expect(crashes).toBe(point === 'warehouse.folded' || point === 'warehouse.before_commit' ? 9 : 3);
      await expectAsModelled(harness, model);
    } finally {
      harness.remove();
    }
  });

  test('and with the cursor in a transaction of its own that would be seen', async () => {
    setMutant('warehouse.cursor_apart');
    const harness = new WarehouseHarness();
    try {
      const log = new MemoryStore({ clock: systemClock }).open();
      const chain = await EpochChain.begin(log);
      const model = new WarehouseModel();
      await chain.append(model.epoch({ lines: [], windowsClosed: 0, isSnapshot: true, lateLines: 1 }));
      expect(await foldThroughCrashes(harness, log, chain.topic, 'warehouse.before_commit', 1)).toBe(3);
      await expect(expectAsModelled(harness, model)).rejects.toThrow(/toEqual/);
    } finally {
      harness.remove();
    }
  });
});
