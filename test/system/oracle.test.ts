import { expect, test } from '@jest/globals';
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { AccessLoad } from '../support/access-load.ts';
import { type Appliance, type ApplianceOptions, endOf, withAppliance } from '../support/appliance.ts';
import { logEnds } from '../support/log-probe.ts';
import { Random } from '../support/random.ts';
import { type Comparison, compareWithFiles } from '../support/row-oracle.ts';
import { until } from '../support/tailrace-process.ts';

const IS_SOAK = process.env['TAILRACE_SOAK'] === '1';
const LINES = IS_SOAK ? 5_000_000 : 100_000;
const BOUND_MS = 600_000;

/** A rotated file and the one after it, another that was written at the same time, and one that is there twice. */
function severalFiles(): Map<string, Buffer> {
  const load = new AccessLoad({ seed: 20_150_517, stepMs: IS_SOAK ? 1 : 20 });
  const rotated = load.lines(LINES * 0.4);
  const current: Buffer[] = [];
  const other: Buffer[] = [];
  for (let i = 0; i < 200; i++) {
    current.push(load.lines(LINES * 0.001));
    other.push(load.lines(LINES * 0.001));
  }
  return new Map([
    ['access.log.1', rotated],
    ['access.log', Buffer.concat(current)],
    ['api.log', Buffer.concat(other)],
    ['mirror.log', Buffer.concat(current)],
  ]);
}

const FILES = severalFiles();

function writeFiles(appliance: Appliance, files: ReadonlyMap<string, Buffer>): void {
  for (const [name, bytes] of files) writeFileSync(appliance.log(name), bytes);
}

/** The same lines, each moved by at most `distance` places: within the bound of disorder, whatever it is. */
function shuffled(bytes: Buffer, random: Random, distance: number): Buffer {
  const lines = bytes.toString('utf8').split('\n').slice(0, -1);
  const moved = lines.map((line, place) => ({ line, place: place + random.below(distance) }));
  moved.sort((left, right) => left.place - right.place);
  return Buffer.from(`${moved.map(({ line }) => line).join('\n')}\n`, 'utf8');
}

/** Lets files grow in pieces that end anywhere; `pieces` are offered to `between`, which may stop and start things. */
async function grow(
  appliance: Appliance,
  files: ReadonlyMap<string, Buffer>,
  pieces: number,
  between: (piece: number) => Promise<void>,
): Promise<void> {
  const random = new Random(7);
  const written = new Map([...files.keys()].map((name) => [name, 0]));
  for (let piece = 0; piece < pieces; piece++) {
    for (const [name, bytes] of files) {
      const from = written.get(name)!;
      const mean = (bytes.length - from) / (pieces - piece);
      const to = piece === pieces - 1 ? bytes.length : Math.min(bytes.length, from + random.below(2 * mean + 1));
      appendFileSync(appliance.log(name), bytes.subarray(from, to));
      written.set(name, to);
    }
    await between(piece);
  }
}

async function rightRows(appliance: Appliance): Promise<Comparison> {
  const audit = await appliance.drain();
  expect(audit).toMatchObject({ lost: 0, doubled: 0, isBalanced: true });
  const compared = await compareWithFiles({ ...where(appliance), outOfOrdernessMs: BOUND_MS });
  expect(compared.differences).toEqual([]);
  expect(audit.sent).toBe(compared.lines);
  expect(compared).toMatchObject({ lines: LINES, lateLines: 0 });
  expect(compared.deadLetters).toBeGreaterThan(LINES / 1000);
  return compared;
}

function where({ dataDir, logs }: Appliance): { dataDir: string; logs: string } {
  return { dataDir, logs };
}

let first: string | undefined;

/** Every way to the same lines must lead to the same rows. */
function leadsToTheSameRows(
  name: string,
  options: ApplianceOptions,
  way: (appliance: Appliance) => Promise<void>,
): void {
  test(name, () =>
    // One of the files is there twice, and both are meant.
    withAppliance({ copyGrace: '1s', ...options }, async (appliance) => {
      await way(appliance);
      const { fingerprint } = await rightRows(appliance);
      first ??= fingerprint;
      expect(fingerprint).toBe(first);
    }),
  );
}

leadsToTheSameRows(`${LINES} lines in four files, one of them twice`, {}, async (appliance) => {
  writeFiles(appliance, FILES);
  return Promise.resolve();
});

leadsToTheSameRows(
  'in another order, within the bound',
  { interval: '1s', snapshotAfter: '64MiB' },
  async (appliance) => {
    const random = new Random(11);
    writeFiles(appliance, new Map([...FILES].map(([name, bytes]) => [name, shuffled(bytes, random, 2000)])));
    return Promise.resolve();
  },
);

leadsToTheSameRows('by four workers, over six partitions', { partitions: 6, workers: 4 }, async (appliance) => {
  writeFiles(appliance, FILES);
  return Promise.resolve();
});

leadsToTheSameRows('in pieces that are read while they grow', { interval: '50ms' }, async (appliance) => {
  let run = appliance.supervised();
  let before = logEnds(appliance.dataDir);
  await grow(appliance, FILES, 60, async (piece) => {
    await systemClock.sleep(30);
    if (piece % 20 !== 19) return;
    const isAtWork = (): boolean => {
      const { raw, epochs } = logEnds(appliance.dataDir);
      return raw.end > before.raw.end + 2 && epochs.end > before.epochs.end;
    };
    await until(isAtWork, 120_000, () => `nothing moves: ${run.stderr}`);
    run.child.kill('SIGTERM');
    const { code, signal } = await endOf(run);
    expect({ code, signal }).toEqual({ code: 143, signal: null });
    before = logEnds(appliance.dataDir);
    if (piece < 59) run = appliance.supervised();
  });
});

leadsToTheSameRows('with the registry lost in between', { snapshotAfter: '16KiB' }, async (appliance) => {
  let rawEnd = 0;
  await grow(appliance, FILES, 3, async () => {
    const run = appliance.supervised();
    await until(
      () => logEnds(appliance.dataDir).raw.end > rawEnd + 5,
      120_000,
      () => 'nothing comes into the log',
    );
    run.child.kill('SIGTERM');
    await endOf(run);
    rawEnd = logEnds(appliance.dataDir).raw.end;
    rmSync(join(appliance.dataDir, 'agent-registry.json'));
    rmSync(join(appliance.dataDir, 'agent.json'));
  });
});

/** One file, so that the order of lines is the file's: then SQL can say which lines are late. */
function lateFile(): Buffer {
  return new AccessLoad({ seed: 3, lateEvery: 97, lateMs: 7_200_000, stepMs: 200 }).lines(LINES / 4);
}

const LATE_OPTIONS: ApplianceOptions = { outOfOrderness: '1m', interval: '50ms' };

async function rightLateLines(appliance: Appliance): Promise<void> {
  expect(await appliance.drain()).toMatchObject({ lost: 0, doubled: 0, isBalanced: true });
  const compared = await compareWithFiles({ ...where(appliance), outOfOrdernessMs: 60_000 });
  expect(compared.differences).toEqual([]);
  expect(compared.lateLines).toBeGreaterThan(LINES / 400);
}

test('late lines are those that a running maximum over the file says', () =>
  withAppliance(LATE_OPTIONS, async (appliance) => {
    writeFileSync(appliance.log('access.log'), lateFile());
    await rightLateLines(appliance);
  }));

test('late lines are the same however the file is cut', () =>
  withAppliance(LATE_OPTIONS, async (appliance) => {
    const run = appliance.supervised();
    await grow(appliance, new Map([['access.log', lateFile()]]), 40, () => systemClock.sleep(30));
    run.child.kill('SIGTERM');
    await endOf(run);
    await rightLateLines(appliance);
  }));
