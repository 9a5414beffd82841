import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Log, epochTopic } from '../../src/broker/broker.ts';
import { decodeBody } from '../../src/epoch/codec.ts';
import { EpochWalk } from '../../src/epoch/walk.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { type Appliance, type Environment } from './appliance.ts';
import { isLogFree } from './log-probe.ts';
import { type Tailrace, tailrace, until } from './tailrace-process.ts';

/** Stops a process in its work, but not while it holds the log's lock: then nobody else could work. */
export async function freeze(appliance: Appliance, process: Tailrace): Promise<void> {
  for (;;) {
    process.child.kill('SIGSTOP');
    if (!existsSync(join(appliance.dataDir, 'broker.db')) || isLogFree(appliance.dataDir)) return;
    process.child.kill('SIGCONT');
    await systemClock.sleep(5);
  }
}

/**
 * Starts another engine for the same log, as a second machine would that takes the first for dead: the role's lock forbids it in one
 * data_dir, so it gets one of its own with the log of the other in it.
 */
export async function secondEngine(appliance: Appliance, environment: Environment = {}): Promise<Tailrace> {
  const checked = await tailrace(['check', appliance.config, '--json'], { cwd: appliance.folder });
  const dataDir = join(appliance.folder, 'second');
  mkdirSync(dataDir);
  // On Kafka the log is where it is.
  const log = join(appliance.dataDir, 'broker.db');
  if (existsSync(log)) symlinkSync(log, join(dataDir, 'broker.db'));
  writeFileSync(resolvedOf(appliance), JSON.stringify({ ...(JSON.parse(checked.stdout) as object), dataDir }));
  return startSecond(appliance, environment);
}

/** Starts it again when it has ended. */
export function startSecond(appliance: Appliance, environment: Environment = {}): Tailrace {
  return appliance.start(['engine', '--resolved', resolvedOf(appliance)], environment);
}

function resolvedOf({ folder }: Appliance): string {
  return join(folder, 'second.json');
}

export interface TwoEngines {
  readonly first: Tailrace;
  readonly second: Tailrace;
}

/** An engine freezes under load, its successor writes, and the first one thaws. All roles run then. */
export async function twoEngines(appliance: Appliance, environment: Environment = {}): Promise<TwoEngines> {
  appliance.role('agent', environment);
  appliance.role('sink', environment);
  const first = appliance.role('engine', environment);
  const epochsEnd = async (): Promise<number> => (await appliance.logEnds()).epochs.end;
  const reaches = (end: number, who: string): Promise<void> =>
    until(
      async () => (await epochsEnd()) >= end,
      120_000,
      () => `the ${who} engine writes no epochs: ${appliance.report()}`,
    );
  await reaches((await epochsEnd()) + 5, 'first');
  await freeze(appliance, first);
  const second = await secondEngine(appliance, environment);
  await reaches((await epochsEnd()) + 3, 'second');
  first.child.kill('SIGCONT');
  return { first, second };
}

/**
 * Keeps both at work until an epoch with lines in it does not count. The one that froze may find its connection broken and fold again, or have
 * no line in hand when it is fenced: then it is started once more. The log must keep its epochs.
 */
export async function untilUncounted(
  appliance: Appliance,
  { first, second }: TwoEngines,
  log: Log,
  environment: Environment = {},
): Promise<void> {
  const both = [first, second];
  const start = [() => appliance.role('engine', environment), () => startSecond(appliance, environment)];
  const topic = epochTopic(appliance.topicPrefix, 'web', 'access');
  const walk = new EpochWalk({ log, topic, partition: 0 }, { offset: 0, hasBodies: true });
  let isThere = false;
  const look = async (): Promise<boolean> => {
    for await (const { message, epoch } of walk.steps())
      if (epoch === undefined && message.kind === 'epoch')
        isThere ||= decodeBody(message.value).ledger.some(({ sum }) => sum.lines > 0);
    for (const [index, { child }] of both.entries())
      if (!isThere && (child.exitCode ?? child.signalCode) !== null) both[index] = start[index]!();
    return isThere;
  };
  await until(look, 120_000, () => `every epoch counts: ${appliance.report()}`);
}
