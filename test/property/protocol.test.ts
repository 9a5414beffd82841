// The protocol under a hostile world, over the real block rule, task, epoch fold and warehouse reader; see protocol/run.ts.
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Mutant, setMutant } from '../../src/lib/mutant.ts';
import type { Profile } from './protocol/profile.ts';
import { type Outcome, simulate } from './protocol/run.ts';

const IS_SOAK = process.env['TAILRACE_SOAK'] === '1';
const SEEDS = Number(process.env['TAILRACE_SEEDS'] ?? (IS_SOAK ? 200_000 : 500));
const CHUNKS = 4;

/** Raw loses what no engine has read, often. */
const RAW_LOSS: Partial<Profile> = {
  losesRaw: true,
  losesReadRaw: false,
  losesRegistry: false,
  losesEpochs: false,
  deletesFiles: false,
};
const NO_LOSS: Partial<Profile> = { losesRaw: false, losesReadRaw: false, losesRegistry: false, losesEpochs: false };
const FORGETFUL: Partial<Profile> = { ...NO_LOSS, deletesFiles: true };

afterEach(() => setMutant(undefined));

interface Found {
  readonly violations: string[];
  readonly visits: Record<string, number>;
}

/** Runs seeds [first, first + count); every violation comes with the command that shows it. */
async function runSeeds(first: number, count: number, profile: Partial<Profile> = {}): Promise<Found> {
  const violations: string[] = [];
  const visits: Record<string, number> = {};
  for (let seed = first; seed < first + count; seed++) {
    const outcome = await simulate(seed, { profile });
    for (const [what, times] of Object.entries(outcome.visits)) visits[what] = (visits[what] ?? 0) + times;
    if (outcome.violations.length > 0) violations.push(`${replay(seed, profile)}\n    ${outcome.violations[0]}`);
  }
  return { violations, visits };
}

function replay(seed: number, profile: Partial<Profile>): string {
  const more = Object.keys(profile).length === 0 ? '' : ` '${JSON.stringify(profile)}'`;
  return `node test/property/protocol/replay.ts ${seed}${more}`;
}

describe('each line in exactly one place, whatever goes wrong', () => {
  const visits: Record<string, number> = {};

  test.each(Array.from({ length: CHUNKS }, (_, chunk) => chunk))(
    `seeds, quarter %i of ${SEEDS}`,
    async (chunk) => {
      const count = SEEDS / CHUNKS;
      const found = await runSeeds(chunk * count, count);
      for (const [what, times] of Object.entries(found.visits)) visits[what] = (visits[what] ?? 0) + times;
      expect(found.violations).toEqual([]);
    },
    IS_SOAK ? 24 * 3_600_000 : 120_000,
  );

  /** A simulation that never gets into a situation proves nothing about it. */
  test('everything that can go wrong went wrong', () => {
    const missing = [
      'engine ended: FENCED',
      'engine ended: CHECKPOINT_TIMEOUT',
      'engine ended: LOG_FORKED',
      'engine stopped',
      'engine crashed at engine.processed',
      'engine crashed at engine.before_append',
      'crash at engine.after_append',
      'crash at engine.snapshot_half',
      'warehouse crashed at warehouse.folded',
      'warehouse crashed at warehouse.before_commit',
      'warehouse crashed at warehouse.after_commit',
      'warehouse saw a fork',
      'engine refused: gap',
      'engine refused: damaged',
      'gap healed',
      'loss declared',
      'registry lost',
      'registry rebuilt',
      'resend',
      'source forgotten',
      'full beat',
      'raw trimmed',
      'epochs trimmed',
      'raw lost',
      'raw damaged',
      'epochs lost',
    ].filter((what) => visits[what] === undefined);
    expect(missing).toEqual([]);
  });
});

test('a seed is one run: the same trace every time', async () => {
  for (const seed of [1, 7, 30]) {
    const [first, second] = [await simulate(seed), await simulate(seed)];
    expect(second.traceHash).toBe(first.traceHash);
    expect((await simulate(seed + 1000)).traceHash).not.toBe(first.traceHash);
  }
});

/** Blocks that overtake each other are gaps for the reader, and gaps heal; without `prev` they would be progress. */
test('an agent that waits for no acknowledgement loses nothing', async () => {
  expect((await runSeeds(0, SEEDS / 20, { isPipelined: true })).violations).toEqual([]);
}, 3_600_000);

test('two machines under one agent id: what cannot count is refused aloud, and nothing counts twice', async () => {
  const profile = { ...NO_LOSS, isCloned: true, hasZombie: false, resumesFiles: false };
  const { violations, visits } = await runSeeds(0, SEEDS / 20, profile);
  expect(violations).toEqual([]);
  expect(visits['clone refused']).toBeGreaterThan(0);
}, 3_600_000);

describe('mutants', () => {
  /** Faults that give each defect its chance, and how many seeds may pass before it must be seen. */
  const MUTANTS: readonly (readonly [Mutant, number, Partial<Profile>])[] = [
    ['block.no_high_water_mark', 50, {}],
    ['block.no_prev', 100, RAW_LOSS],
    ['block.no_prev', 100, { ...NO_LOSS, isPipelined: true }],
    ['block.any_first_block', 800, RAW_LOSS],
    ['block.forgotten_is_new', 1_500, FORGETFUL],
    ['epoch.every_counts', 100, {}],
    ['epoch.any_snapshot_counts', 200, {}],
    ['task.trusts_append', 100, {}],
    ['warehouse.cursor_apart', 200, {}],
    ['agent.register_before_ack', 800, NO_LOSS],
    ['watermark.no_announced_hold', 50, {}],
    ['beat.position_ignored', 800, RAW_LOSS],
    ['trim.past_readers', 100, {}],
  ];

  test.each(MUTANTS)('%s is caught within %i seeds', async (mutant, seeds, profile) => {
    setMutant(mutant);
    let outcome: Outcome | undefined;
    for (let seed = 0; seed < seeds; seed++) {
      outcome = await simulate(seed, { profile });
      if (outcome.violations.length > 0) break;
    }
    expect(outcome!.violations).not.toEqual([]);
  });
});
