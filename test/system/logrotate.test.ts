// Debian's own logrotate over a log that is followed, with processes killed at random: each line counts once.
import { expect, test } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { systemClock } from '../../src/lib/clock.ts';
import { type Appliance, endOf, withAppliance } from '../support/appliance.ts';
import { LogServer, Logrotate } from '../support/logrotate.ts';
import { logEnds } from '../support/log-probe.ts';
import { Random } from '../support/random.ts';
import { SERIAL_OPTIONS, SentLines, SerialLines, judge } from '../support/serial-lines.ts';
import { type Tailrace, until } from '../support/tailrace-process.ts';

const IS_SOAK = process.env['TAILRACE_SOAK'] === '1';
const COPIES = IS_SOAK ? 500 : 20;
const RENAMES = IS_SOAK ? 100 : 6;
/** Names by date have the second in them: there can be one a second. */
const DATED = IS_SOAK ? 60 : 3;
const DATED_PAUSE_MS = 1_100;
/** So many rotations may pass before the last of them must have been read: fewer than are kept. */
const UNREAD_MAX = 10;

const OPTIONS = {
  ...SERIAL_OPTIONS,
  sources: ` { web: { type: file, include: ['logs/access.log*'], exclude: ['*.gz'], stream: access } }`,
};

interface Mode {
  readonly name: string;
  readonly directives: readonly string[];
  readonly rotations: number;
  readonly pauseMs?: number;
  /** Compresses what it has just rotated: the server's operator waits until it was read. */
  readonly isHasty?: boolean;
}

const DATEEXT = ['dateext', 'dateformat -%Y%m%d-%s'];
const MODES: readonly Mode[] = [
  { name: 'create', directives: ['create'], rotations: RENAMES },
  { name: 'copytruncate', directives: ['copytruncate'], rotations: COPIES },
  { name: 'create dateext', directives: ['create', ...DATEEXT], rotations: DATED, pauseMs: DATED_PAUSE_MS },
  { name: 'copytruncate dateext', directives: ['copytruncate', ...DATEEXT], rotations: DATED, pauseMs: DATED_PAUSE_MS },
  { name: 'create compress', directives: ['create', 'compress'], rotations: RENAMES, isHasty: true },
  { name: 'create delaycompress', directives: ['create', 'compress', 'delaycompress'], rotations: RENAMES },
  {
    name: 'copytruncate delaycompress',
    directives: ['copytruncate', 'compress', 'delaycompress'],
    rotations: RENAMES,
  },
];

/** What a test has seen so far. */
interface Seen {
  kills: number;
}

/** Fewer than are kept while nobody reads. */
const ROTATIONS_MAX = Math.max(COPIES, 200);

const VICTIMS = ['agent', 'engine', 'sink-warehouse'] as const;

function kill(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended, or is on its way back.
    return false;
  }
}

/** Keeps an appliance running, and kills some of it again and again, each time with work in flight, until told to end. */
async function killAtRandom(appliance: Appliance, random: Random, isOver: () => boolean, seen: Seen): Promise<void> {
  while (!isOver()) {
    const run = appliance.supervised();
    for (let left = random.below(4); left > 0 && !isOver(); left--) {
      await atWork(appliance, random, run);
      if (kill(appliance.pidOf(random.pick(VICTIMS)))) seen.kills++;
    }
    await atWork(appliance, random, run);
    if (isOver()) break;
    const pids = random.chance(0.5) ? VICTIMS.map((victim) => appliance.pidOf(victim)) : [];
    run.child.kill('SIGKILL');
    seen.kills += 1 + pids.filter(kill).length;
    await endOf(run);
  }
}

/** Waits until lines come in and epochs come out, and some time more. */
async function atWork({ dataDir }: Appliance, random: Random, run: Tailrace): Promise<void> {
  const before = logEnds(dataDir);
  const isMoving = (): boolean => {
    const now = logEnds(dataDir);
    return now.raw.end > before.raw.end && now.epochs.end > before.epochs.end;
  };
  await until(isMoving, 120_000, () => `nothing moves: ${run.stderr}`);
  await systemClock.sleep(random.below(800));
}

async function rotateOften(mode: Mode, logrotate: Logrotate, seen: Seen, readAll: () => Promise<void>): Promise<void> {
  const { rotations, pauseMs, directives } = mode;
  const random = new Random(9);
  // Whoever compresses one rotation later takes away what was not read by then.
  const unreadMax = directives.includes('compress') ? 1 : UNREAD_MAX;
  // A few rotations are over before anybody has work that can be interrupted: they go on until somebody was.
  for (let rotation = 1; rotation <= rotations || (seen.kills === 0 && rotation < ROTATIONS_MAX); rotation++) {
    await systemClock.sleep(pauseMs ?? random.below(IS_SOAK ? 200 : 400));
    if (rotation % unreadMax === 0) await readAll();
    await logrotate.rotate();
  }
}

test.each(MODES)('logrotate $name, $rotations times, with kills at random', (mode) =>
  withAppliance(OPTIONS, async (appliance) => {
    const lines = new SerialLines();
    const log = appliance.log('access.log');
    const server = new LogServer(lines, log, appliance.folder, 3);
    appliance.onRemove(() => server.close());
    const first = appliance.supervised();
    server.start();
    const hasBegun = (): boolean => logEnds(appliance.dataDir).raw.end > 0;
    await until(hasBegun, 120_000, () => first.stderr);
    first.child.kill('SIGKILL');
    await endOf(first);
    const sent = new SentLines(appliance);
    const isCompressed = mode.directives.includes('compress');
    const readAll = async (): Promise<void> => {
      // What is compressed next must have been read to its last line.
      const line = isCompressed ? server.lastRotated : lines.written - 50;
      if (line > 0) await sent.has(line);
    };
    if (mode.isHasty === true) server.mayGo = (line) => sent.has(line);
    let isOver = false;
    const seen: Seen = { kills: 0 };
    const killing = killAtRandom(appliance, new Random(mode.rotations), () => isOver, seen);
    try {
      await rotateOften(mode, new Logrotate(appliance.folder, log, mode.directives), seen, readAll);
    } finally {
      isOver = true;
    }
    await killing;
    const { kills } = seen;
    server.stop();
    expect(await judge(appliance, lines)).toMatchObject({ differences: [], possibleLossBytes: 0 });
    expect(kills).toBeGreaterThan(0);
    const names = readdirSync(appliance.logs);
    expect(names.some((name) => name.endsWith('.gz'))).toBe(isCompressed);
    process.stderr.write(
      `  ${mode.name}: ${mode.rotations} rotations, ${kills} kills, ${lines.written} lines, lost 0, doubled 0\n`,
    );
  }),
);
