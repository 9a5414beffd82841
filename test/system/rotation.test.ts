// Content that moves to another inode counts once: against an oracle that wrote each line itself, with processes killed while it moves.
import { beforeAll, describe, expect, test } from '@jest/globals';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FaultPoint } from '../../src/lib/fault-point.ts';
import { type Appliance, type Role, endOf, withAppliance } from '../support/appliance.ts';
import { COPYTRUNCATE, MOVES, type Move } from '../support/rotations.ts';
import { type Judgement, SERIAL_OPTIONS, SentLines, SerialLines, compare, judge } from '../support/serial-lines.ts';

const IS_SOAK = process.env['TAILRACE_SOAK'] === '1';
const ROUNDS = IS_SOAK ? 20 : 1;

/** As the manual says: the rotated names belong to the source. */
const OPTIONS = {
  ...SERIAL_OPTIONS,
  snapshotAfter: '16KiB',
  sources: ` { web: { type: file, include: ['logs/*/access.log*', 'logs/*/other.log*'], exclude: ['*.gz'], stream: access } }`,
};

/** More than any of them writes. */
const LINES_EACH_MAX = 100_000;

/** A log in a folder of its own, and the lines that are written to it. */
class Followed {
  readonly move: Move;
  readonly folder: string;
  readonly log: string;
  readonly lines: SerialLines;
  readonly #sent: SentLines;

  constructor(appliance: Appliance, sent: SentLines, index: number) {
    this.move = MOVES[index]!;
    this.folder = appliance.log(`move-${index}`);
    mkdirSync(this.folder);
    this.log = join(this.folder, 'access.log');
    this.lines = new SerialLines(1 + index * LINES_EACH_MAX);
    this.#sent = sent;
  }

  append(count: number): void {
    this.lines.append(this.log, count);
  }

  /** Waits until the last line written was sent. */
  sent(): Promise<void> {
    return this.#sent.has(this.lines.written);
  }
}

/** One appliance that follows a log for each of the first so many moves. */
function withFollowed(
  count: number,
  work: (followed: readonly Followed[], appliance: Appliance) => Promise<void>,
): Promise<void> {
  return withAppliance(OPTIONS, (appliance) => {
    const sent = new SentLines(appliance);
    return work(
      Array.from({ length: count }, (_, index) => new Followed(appliance, sent, index)),
      appliance,
    );
  });
}

/** What the agent has read when content moves. The last two: of a file that is about to go, so the copy is shorter than what was read of it. */
const STANDS = ['all', 'not all', 'not all of what came in the midst', 'more than is copied'] as const;

async function whileFollowed(all: readonly Followed[], appliance: Appliance): Promise<readonly Judgement[]> {
  for (const one of all) one.append(200);
  appliance.supervised();
  for (let round = 0; round < STANDS.length * ROUNDS; round++) {
    const stand = STANDS[round % STANDS.length]!;
    const end = (one: Followed): void => {
      one.move.end(one.log);
      // Less than was lost, and more: only the second makes the file longer than what was read.
      one.append(round % 2 === 0 ? 20 : 100);
    };
    for (const one of all) one.append(50);
    for (const one of all) await one.sent();
    for (const one of all) {
      if (stand === 'not all') one.append(50);
      one.move.begin(one.log);
      if (stand !== 'all' && stand !== 'not all') {
        if (one.move.dooms) one.lines.appendDoomed(one.log, 40);
        else one.append(40);
      }
      if (stand !== 'more than is copied') end(one);
    }
    if (stand === 'more than is copied') {
      for (const one of all) await one.sent();
      all.forEach(end);
    }
    for (const one of all) await one.sent();
  }
  await appliance.stop();
  return compare(appliance, all, await appliance.drain());
}

async function whileNobodyLooks(all: readonly Followed[], appliance: Appliance): Promise<readonly Judgement[]> {
  for (const one of all) one.append(200);
  let audit = await appliance.drain();
  for (let rotations = 1; rotations <= 3; rotations++) {
    for (const one of all) {
      one.lines.nextWindow();
      one.append(100);
      for (let each = 0; each < rotations; each++) {
        one.move.begin(one.log);
        one.move.end(one.log);
        one.append(60);
      }
    }
    audit = await appliance.drain();
  }
  return compare(appliance, all, audit);
}

describe.each([
  { when: 'while it is followed', way: whileFollowed, isSeen: true },
  { when: 'while nobody looks', way: whileNobodyLooks, isSeen: false },
])('content that moves $when', ({ way, isSeen }) => {
  let judgements: readonly Judgement[];
  let destroyed: readonly number[];
  beforeAll(() =>
    withFollowed(MOVES.length, async (all, appliance) => {
      judgements = await way(all, appliance);
      destroyed = all.map(({ lines }) => lines.destroyed.size);
    }),
  );

  // Each line counts once; lines that may count twice are said to.
  test.each(MOVES.map((move, index) => ({ ...move, index })))('$name', ({ index, goesBack = false }) => {
    const { differences, doubled, possibleLossBytes } = judgements[index]!;
    expect(differences).toEqual([]);
    if (!isSeen || !goesBack) expect(doubled).toBe(0);
    if (destroyed[index] === 0) expect(possibleLossBytes).toBe(0);
  });
});

interface Fault {
  readonly role: Role;
  readonly point: FaultPoint;
}

const FAULTS: readonly Fault[] = [
  { role: 'agent', point: 'agent.read' },
  { role: 'agent', point: 'agent.sent' },
  { role: 'agent', point: 'agent.acked' },
  { role: 'agent', point: 'agent.registered' },
  { role: 'agent', point: 'log.before_commit' },
  { role: 'agent', point: 'log.after_commit' },
  { role: 'engine', point: 'engine.folded' },
  { role: 'engine', point: 'engine.processed' },
  { role: 'engine', point: 'engine.before_append' },
  { role: 'engine', point: 'engine.after_append' },
  { role: 'engine', point: 'engine.snapshot_half' },
  { role: 'engine', point: 'log.before_commit' },
  { role: 'engine', point: 'log.after_commit' },
  { role: 'sink', point: 'warehouse.folded' },
  { role: 'sink', point: 'warehouse.before_commit' },
  { role: 'sink', point: 'warehouse.after_commit' },
];

/** When a process dies: with lines unread before the copy, between copy and truncation, after it; and how the one that follows finds the files. */
const MOMENTS = ['before the copy', 'between, and is back before', 'between, and is back after', 'after'] as const;

/** One copytruncate in which `dies` is called at the moment given, and `back` when the dead may come back. */
async function rotate(
  followed: Followed,
  moment: (typeof MOMENTS)[number],
  dies: () => Promise<void>,
  back: () => Promise<void>,
): Promise<void> {
  const { log } = followed;
  followed.append(60);
  if (moment === 'before the copy') await dies();
  followed.append(30);
  COPYTRUNCATE.begin(log);
  if (moment.startsWith('between')) await dies();
  if (moment === 'between, and is back before') await back();
  COPYTRUNCATE.end(log);
  followed.append(60);
  if (moment === 'after') await dies();
  if (moment !== 'between, and is back before') await back();
  followed.append(30);
  await followed.sent();
}

/** Starts a role that dies the first time it passes the point, and waits until it has; another log goes on meanwhile, so that it gets there. */
async function dieIn(appliance: Appliance, { lines, folder }: Followed, { role, point }: Fault): Promise<void> {
  const log = join(appliance.folder, 'faults.log');
  const victim = appliance.role(role, { TAILRACE_FAULT: point, TAILRACE_FAULT_LOG: log });
  const feed = setInterval(() => lines.append(join(folder, 'other.log'), 20), 100);
  const { signal, code } = await endOf(victim).finally(() => clearInterval(feed));
  const said = existsSync(log) ? readFileSync(log, 'utf8') : '';
  if (signal !== 'SIGKILL' || !said.includes(`${point} ${victim.pid}\n`))
    throw new Error(`${role} did not die in ${point} but with ${signal ?? code}: ${victim.stderr}`);
}

/** The agent alone sees files: its deaths come at every moment, those of the others at one each. */
function faultsAt(moment: (typeof MOMENTS)[number]): readonly Fault[] {
  const index = MOMENTS.indexOf(moment);
  return FAULTS.filter(({ role }, place) => IS_SOAK || role === 'agent' || place % MOMENTS.length === index);
}

test.each(MOMENTS)('copytruncate with death in each fault point, %s', (moment) =>
  withFollowed(1, async ([copied], appliance) => {
    const followed = copied!;
    const faults = faultsAt(moment);
    const table = new Map<string, number>();
    followed.append(200);
    const processes = new Map((['agent', 'engine', 'sink'] as const).map((role) => [role, appliance.role(role)]));
    await followed.sent();
    for (let round = 0; round < ROUNDS; round++) {
      for (const fault of faults) {
        const living = processes.get(fault.role)!;
        living.child.kill('SIGKILL');
        await endOf(living);
        await rotate(
          followed,
          moment,
          () => dieIn(appliance, followed, fault),
          () => Promise.resolve(void processes.set(fault.role, appliance.role(fault.role))),
        );
        const name = `${fault.role} ${fault.point}`;
        table.set(name, (table.get(name) ?? 0) + 1);
      }
    }
    expect(await judge(appliance, followed.lines)).toMatchObject({ differences: [], doubled: 0, possibleLossBytes: 0 });
    expect([...table.values()]).toEqual(faults.map(() => ROUNDS));
  }),
);
