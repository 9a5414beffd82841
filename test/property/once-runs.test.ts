import { afterEach, expect, test } from '@jest/globals';
import { appendFileSync } from 'node:fs';
import fc from 'fast-check';
import { COMPONENTS } from '../../src/components.ts';
import { buildState } from '../../src/engine/build-state.ts';
import { decodeGenesis } from '../../src/record/control.ts';
import { AgentWorld, TOPIC } from '../support/agent-world.ts';
import { CODECS, TASK, plainPipeline } from '../support/raw-stream.ts';
import { rollupRows } from '../support/rollup-rows.ts';

const RUNS = process.env['TAILRACE_SOAK'] === '1' ? 2_000 : 60;
const BOUND_MS = 10_000;
const WINDOW_MS = 60_000;
const FILES = ['a.log', 'b.log'] as const;

/** A line that is written some time after what it tells of, within what the stream allows. */
const line = fc.record({ file: fc.nat(1), lagMs: fc.integer({ min: 0, max: BOUND_MS }) });
const lines = fc.array(line, { maxLength: 4 });
const step = fc.record({
  /** Before the lines are written. */
  waitMs: fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 200_000 })),
  lines,
  /** A run follows, and these lines are written while it works. */
  run: fc.option(lines, { nil: undefined, freq: 2 }),
});

let world: AgentWorld | undefined;
afterEach(async () => {
  await world?.close();
});

type Line = { readonly file: number; readonly lagMs: number };
type Step = { readonly waitMs: number; readonly lines: readonly Line[]; readonly run: readonly Line[] | undefined };

interface Outcome {
  /** Lines by the start of their window, as the engine has them after the last run. */
  readonly windows: Readonly<Record<number, number>>;
  readonly late: number;
  /** The same, counted from the lines that were written. */
  readonly written: Readonly<Record<number, number>>;
  readonly open: number;
}

/** What the engine makes of the log of an agent that either follows, or runs once after each step that says so. */
async function outcomeOf(steps: readonly Step[], isFollowing: boolean): Promise<Outcome> {
  const lived = (world = new AgentWorld({ isOnce: !isFollowing }, true));
  const written: Record<number, number> = {};
  const write = (some: readonly Line[]): void => {
    for (const { file, lagMs } of some) {
      const timeMs = lived.clock.nowMs() - lagMs;
      const windowMs = Math.floor(timeMs / WINDOW_MS) * WINDOW_MS;
      written[windowMs] = (written[windowMs] ?? 0) + 1;
      appendFileSync(lived.path(FILES[file]!), `${timeMs} k 1\n`);
    }
  };
  if (isFollowing) lived.start();
  for (const { waitMs, lines: some, run } of steps) {
    await lived.pass(waitMs);
    write(some);
    if (run === undefined) continue;
    if (!isFollowing) lived.start();
    await lived.pass(50);
    write(run);
    if (!isFollowing) await lived.ended();
  }
  if (isFollowing) await lived.stop();
  lived.start({ isOnce: true, closesAll: true });
  await lived.ended();
  const { messages } = lived.store.partition(TOPIC, 0);
  const rawLog = decodeGenesis(messages[0]!.header).log;
  const pipeline = plainPipeline(undefined, { outOfOrdernessMs: BOUND_MS });
  const task = {
    task: TASK,
    pipeline,
    rawLog,
    rollupSinceMs: {},
    codecs: CODECS,
    aggregates: COMPONENTS.aggregates,
    operators: COMPONENTS.operators,
  };
  const state = buildState(task);
  for (const message of messages) state.accept(message);
  const { upserts, late } = state.takeBody(false);
  const windows: Record<number, number> = {};
  for (const { windowStartMs, lines } of upserts.map((rows) => rollupRows(rows, 1)))
    for (const [row, startMs] of windowStartMs.entries()) windows[startMs] = lines[row]!;
  const open = state.takeBody(true).upserts.reduce((sum, part) => sum + part.length, 0);
  await lived.close();
  return { windows, late: late.length, written, open };
}

test('a live log has the same rows by any number of runs as by one that follows it, and none of its lines is late', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
      for (const isFollowing of [false, true]) {
        const { windows, late, written, open } = await outcomeOf(steps, isFollowing);
        expect({ windows, late, open }).toEqual({ windows: written, late: 0, open: 0 });
      }
    }),
    { seed: 9, numRuns: RUNS },
  );
});
