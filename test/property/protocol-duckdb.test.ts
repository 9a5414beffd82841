// What the simulation's engines have written, folded by the real warehouse into a real DuckDB file, through crashes.
import { afterEach, expect, test } from '@jest/globals';
import { setFaultHandler, type FaultPoint } from '../../src/lib/fault-point.ts';
import { type Mutant, setMutant } from '../../src/lib/mutant.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { Warehouse } from '../../src/sinks/duckdb/warehouse.ts';
import { Random } from '../support/random.ts';
import { AGGREGATES, WarehouseHarness } from '../support/warehouse-harness.ts';
import type { ModelStore, StoredRow } from './protocol/model-store.ts';
import { simulate } from './protocol/run.ts';
import { EPOCHS, STREAM, WAREHOUSE_GROUP, type World } from './protocol/world.ts';

const SEEDS = process.env['TAILRACE_SOAK'] === '1' ? 1_000 : 20;
const POINTS: readonly FaultPoint[] = ['warehouse.folded', 'warehouse.before_commit', 'warehouse.after_commit'];
const ROWS_SQL = ['by_key', 'all']
  .map(
    (rollup) => `SELECT '${rollup}' || ' ' || epoch_ms(window_start) || ' ' ||
      ${rollup === 'by_key' ? `coalesce(key, '-')` : `''`} AS id, lines::INTEGER AS lines, sum_a, sum_b
    FROM tailrace.${rollup}_final`,
  )
  .join(' UNION ALL ');
const LATE_SQL = `SELECT rollup || ' ' || source || ' ' || "offset" FROM tailrace.late ORDER BY ALL`;
const DEAD_SQL = `SELECT source || ' ' || "offset" FROM tailrace.dead_letters ORDER BY ALL`;

class Crash extends Error {}

afterEach(() => {
  setFaultHandler(undefined);
  setMutant(undefined);
});

/** Folds until the cursor is where the model's is. Throws what the warehouse threw. */
async function foldAll(world: World, harness: WarehouseHarness, offset: number): Promise<void> {
  const log = world.store.open();
  const stop = new AbortController();
  const options = harness.options([{ stream: STREAM, topic: EPOCHS, partitions: 1 }]);
  const running = new Warehouse({ clock: systemClock, log, aggregates: AGGREGATES, options }).run(stop.signal);
  const polling = (async () => {
    while (!stop.signal.aborted) {
      const report = world.store.reports(EPOCHS).find(({ group }) => group === WAREHOUSE_GROUP);
      if (report?.cursor?.offset === offset) stop.abort();
      else await systemClock.sleep(2, stop.signal);
    }
  })();
  try {
    await running;
  } finally {
    stop.abort();
    await polling;
    await log.close();
  }
}

/** Crashes at random points, at most four times; returns how often. */
async function foldThroughCrashes(world: World, store: ModelStore, harness: WarehouseHarness, random: Random) {
  let crashes = 0;
  world.store.forget(WAREHOUSE_GROUP);
  setFaultHandler((point) => {
    if (POINTS.includes(point) && crashes < 4 && random.chance(0.3)) throw new Crash(point);
  });
  for (;;) {
    try {
      await foldAll(world, harness, store.cursor!.offset);
      return crashes;
    } catch (error) {
      if (!((error as Error).cause instanceof Crash)) throw error;
      crashes++;
      harness.crash();
    }
  }
}

const asText = ({ lines, sumA, sumB }: Pick<StoredRow, 'lines' | 'sumA' | 'sumB'>): string =>
  `${lines} ${sumA} ${sumB}`;

/** Everything the warehouse holds, one text each, and what the model says it holds. */
async function contents(harness: WarehouseHarness, { tables }: ModelStore): Promise<[string[], string[]]> {
  const texts = async (what: string, sql: string): Promise<string[]> =>
    (await harness.query(sql)).map((row) => [what, ...(row as (string | number)[])].join(' '));
  const found = [
    ...(await texts('row', ROWS_SQL)),
    ...(await texts('late', LATE_SQL)),
    ...(await texts('dead', DEAD_SQL)),
    ...(await texts('open', 'SELECT * FROM tailrace.by_key_open')),
  ];
  const expected = [
    ...[...tables.final].map(([id, row]) => `row ${id} ${asText(row)}`),
    ...[...tables.late.keys()].map((id) => `late ${id}`),
    ...[...tables.deadLetters.keys()].map((id) => `dead ${id}`),
  ];
  return [found.sort(), expected.sort()];
}

/** Runs one seed in the model, then folds its epochs into DuckDB under `mutant`. */
async function foldSeed(
  seed: number,
  mutant?: Mutant,
): Promise<{ found: string[]; expected: string[]; crashes: number }> {
  const harness = new WarehouseHarness();
  let result = { found: ['not drained'], expected: [] as string[], crashes: 0 };
  const afterwards = async (world: World, store: ModelStore): Promise<void> => {
    setMutant(mutant);
    const crashes = await foldThroughCrashes(world, store, harness, new Random(seed));
    setFaultHandler(undefined);
    setMutant(undefined);
    const [found, expected] = await contents(harness, store);
    result = { found, expected, crashes };
  };
  try {
    // Nothing is trimmed, so that a warehouse that begins now can read everything.
    await simulate(seed, { profile: { trims: false, losesReadRaw: false, steps: 150 }, afterwards });
  } finally {
    harness.remove();
  }
  return result;
}

test(`${SEEDS} seeds end in DuckDB as in the model`, async () => {
  let crashes = 0;
  for (let seed = 0; seed < SEEDS; seed++) {
    const result = await foldSeed(seed);
    expect({ seed, holds: result.found }).toEqual({ seed, holds: result.expected });
    crashes += result.crashes;
  }
  expect(crashes).toBeGreaterThan(SEEDS / 2);
}, 600_000);

test('a cursor that is written apart from the rows is caught', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const { found, expected } = await foldSeed(seed, 'warehouse.cursor_apart');
    if (JSON.stringify(found) !== JSON.stringify(expected)) return;
  }
  throw new Error('20 seeds were right without the transaction');
}, 120_000);
