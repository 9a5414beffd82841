// Content that moves to another inode counts once: against an oracle that wrote each line itself, with processes killed while it moves.
import { expect, test } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FaultPoint } from '../../src/lib/fault-point.ts';
import { type Appliance, type Role, endOf, withAppliance } from '../support/appliance.ts';
import { logEnds } from '../support/log-probe.ts';
import { COPYTRUNCATE, MOVES, type Move } from '../support/rotations.ts';
import { SERIAL_OPTIONS, SentLines, SerialLines, judge } from '../support/serial-lines.ts';
import { until } from '../support/tailrace-process.ts';

const IS_SOAK = process.env['TAILRACE_SOAK'] === '1';
const ROUNDS = IS_SOAK ? 20 : 1;

/** As the manual says: the rotated names belong to the source. */
const OPTIONS = {
  ...SERIAL_OPTIONS,
  snapshotAfter: '16KiB',
  sources: ` { web: { type: file, include: ['logs/access.log*', 'logs/other.log*'], exclude: ['*.gz'], stream: access } }`,
};

/** An appliance with a log of lines that were sent, and who watches it. */
class Followed {
  readonly appliance: Appliance;
  readonly lines = new SerialLines();
  readonly log: string;
  #sent: SentLines | undefined;

  constructor(appliance: Appliance) {
    this.appliance = appliance;
    this.log = appliance.log('access.log');
  }

  append(count: number): void {
    this.lines.append(this.log, count);
  }

  /** Waits until the last line written was sent. */
  async sent(): Promise<void> {
    const { appliance } = this;
    await until(
      () => logEnds(appliance.dataDir).raw.end > 0,
      120_000,
      () => appliance.report(),
    );
    this.#sent ??= new SentLines(appliance);
    await this.#sent.has(this.lines.written, () => appliance.report());
  }

  /** Each line counts once; lines that may count twice are said to. */
  async isRight(isSure = true): Promise<void> {
    const { differences, doubled, audit } = await judge(this.appliance, this.lines);
    expect(differences).toEqual([]);
    if (isSure) expect(doubled).toBe(0);
    const lossBytes = audit.sources.reduce((sum, source) => sum + source.possibleLossBytes, 0);
    if (this.lines.destroyed.size === 0) expect(lossBytes).toBe(0);
  }
}

function withFollowed(work: (followed: Followed) => Promise<void>): Promise<void> {
  return withAppliance(OPTIONS, (appliance) => work(new Followed(appliance)));
}

/** What the agent has read when content moves. The last two: of a file that is about to go, so the copy is shorter than what was read of it. */
const STANDS = ['all', 'not all', 'not all of what came in the midst', 'more than is copied'] as const;

test.each(MOVES)('$name, while it is followed', ({ begin, end, dooms, goesBack = false }: Move) =>
  withFollowed(async (followed) => {
    const { log, lines } = followed;
    followed.append(200);
    followed.appliance.supervised();
    for (let round = 0; round < STANDS.length * ROUNDS; round++) {
      const stand = STANDS[round % STANDS.length]!;
      followed.append(50);
      await followed.sent();
      if (stand === 'not all') followed.append(50);
      begin(log);
      if (stand !== 'all' && stand !== 'not all') {
        if (dooms) lines.appendDoomed(log, 40);
        else lines.append(log, 40);
      }
      if (stand === 'more than is copied') await followed.sent();
      end(log);
      // Less than was lost, and more: only the second makes the file longer than what was read.
      followed.append(round % 2 === 0 ? 20 : 100);
      await followed.sent();
    }
    await followed.isRight(!goesBack);
  }),
);

test.each(MOVES)('$name: nobody is there to see it', ({ begin, end }: Move) =>
  withFollowed(async (followed) => {
    const { log, lines, appliance } = followed;
    followed.append(200);
    await appliance.drain();
    for (let rotations = 1; rotations <= 3; rotations++) {
      lines.nextWindow();
      followed.append(100);
      for (let each = 0; each < rotations; each++) {
        begin(log);
        end(log);
        followed.append(60);
      }
      await appliance.drain();
    }
    await followed.isRight();
  }),
);

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
async function dieIn({ appliance, lines }: Followed, { role, point }: Fault): Promise<void> {
  const log = join(appliance.folder, 'faults.log');
  const victim = appliance.role(role, { TAILRACE_FAULT: point, TAILRACE_FAULT_LOG: log });
  const feed = setInterval(() => lines.append(appliance.log('other.log'), 20), 100);
  const { signal, code } = await endOf(victim).finally(() => clearInterval(feed));
  const said = existsSync(log) ? readFileSync(log, 'utf8') : '';
  if (signal !== 'SIGKILL' || !said.includes(`${point} ${victim.pid}\n`))
    throw new Error(`${role} did not die in ${point} but with ${signal ?? code}: ${victim.stderr}`);
}

test.each(MOMENTS)('copytruncate with death in each fault point, %s', (moment) =>
  withFollowed(async (followed) => {
    const { appliance } = followed;
    const table = new Map<string, number>();
    followed.append(200);
    const processes = new Map((['agent', 'engine', 'sink'] as const).map((role) => [role, appliance.role(role)]));
    await followed.sent();
    for (let round = 0; round < ROUNDS; round++) {
      for (const fault of FAULTS) {
        const living = processes.get(fault.role)!;
        living.child.kill('SIGKILL');
        await endOf(living);
        await rotate(
          followed,
          moment,
          () => dieIn(followed, fault),
          () => Promise.resolve(void processes.set(fault.role, appliance.role(fault.role))),
        );
        const name = `${fault.role} ${fault.point}`;
        table.set(name, (table.get(name) ?? 0) + 1);
      }
    }
    await followed.isRight();
    expect([...table.values()]).toEqual(FAULTS.map(() => ROUNDS));
  }),
);
