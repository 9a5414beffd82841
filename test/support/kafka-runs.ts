import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import type { FaultPoint } from '../../src/lib/fault-point.ts';
import { type Appliance, type LockedRole, endOf } from './appliance.ts';
import type { TopicEnds } from './log-probe.ts';
import type { Random } from './random.ts';
import { type Tailrace, until } from './tailrace-process.ts';

export interface Ends {
  readonly raw: TopicEnds;
  readonly epochs: TopicEnds;
}

/** How long work may take to go on: a dead member's session, a broker's start, and a busy machine. */
export const MOVES_MS = 60_000;

/** Waits until lines come in and epochs come out again: what happens next meets work in flight. */
export async function atWork(appliance: Appliance): Promise<void> {
  const since = await appliance.logEnds();
  const isMoving = async (): Promise<boolean> => {
    const now = await appliance.logEnds();
    return now.raw.end > since.raw.end && now.epochs.end > since.epochs.end;
  };
  await until(isMoving, MOVES_MS, () => `nothing moves: ${appliance.report()}`);
}

/** Kills a role that runs under its supervisor, some time after it is there. */
export async function killRole(appliance: Appliance, role: LockedRole, pauseMs: number): Promise<void> {
  const isThere = (): boolean => isAlive(appliance.pidOf(role));
  await until(isThere, 120_000, () => `${role} does not run: ${appliance.report()}`);
  await systemClock.sleep(pauseMs);
  process.kill(appliance.pidOf(role)!, 'SIGKILL');
}

function isAlive(pid: number | undefined): pid is number {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
}

export interface ArmedRole {
  readonly name: string;
  start(environment: Readonly<Record<string, string>>): Tailrace;
}

/** Starts a role, with all others at work, until it has died in the point. */
export async function dieIn(
  appliance: Appliance,
  role: ArmedRole,
  fault: { readonly point: FaultPoint; readonly within: number },
  random: Random,
): Promise<void> {
  const log = join(appliance.folder, 'faults.log');
  const armed = `${fault.point}:${1 + random.below(fault.within)}`;
  const process = role.start({ TAILRACE_FAULT: armed, TAILRACE_FAULT_LOG: log });
  const { signal, code } = await endOf(process).catch((error: unknown) => {
    throw new Error(`${role.name} never came to ${armed}`, { cause: error });
  });
  const said = existsSync(log) ? readFileSync(log, 'utf8') : '';
  if (signal !== 'SIGKILL' || !said.includes(`${fault.point} ${process.pid}\n`)) {
    throw new Error(`${role.name} did not die in ${armed} but with ${signal ?? code}: ${process.stderr}`);
  }
}

/** Which partitions' epochs grow, so that it can be said of each when somebody works on it again. */
export class PartitionWork {
  readonly #appliance: Appliance;
  #active: readonly number[] = [];

  constructor(appliance: Appliance) {
    this.#appliance = appliance;
  }

  /** Finds the partitions that have lines coming in: one with beats alone has an epoch now and then, but hardly two in this time. */
  async begin(): Promise<this> {
    const before = await this.#appliance.epochEnds();
    const active = async (): Promise<number[]> => this.#grown(before, await this.#appliance.epochEnds(), 2);
    const hasSome = async (): Promise<boolean> => (await active()).length >= 2;
    await until(hasSome, MOVES_MS, () => `no epochs: ${this.#appliance.report()}`);
    // Those that are only slower to write their first.
    await systemClock.sleep(1000);
    this.#active = await active();
    return this;
  }

  /** Resolves when every partition has a new epoch, with the milliseconds that took. */
  async everywhere(): Promise<number> {
    const startMs = systemClock.monotonicMs();
    const before = await this.#appliance.epochEnds();
    let missing: readonly number[] = this.#active;
    const isWhole = async (): Promise<boolean> => {
      const grown = this.#grown(before, await this.#appliance.epochEnds());
      missing = this.#active.filter((partition) => !grown.includes(partition));
      return missing.length === 0;
    };
    await until(isWhole, MOVES_MS, () => `no work on partitions ${missing.join(', ')}: ${this.#appliance.report()}`);
    return Math.round(systemClock.monotonicMs() - startMs);
  }

  #grown(before: readonly number[], now: readonly number[], by = 1): number[] {
    return now.flatMap((end, partition) => (end >= (before[partition] ?? 0) + by ? [partition] : []));
  }
}

/** What was done to the processes, and how often: printed at the end of a test. */
export class Deeds {
  readonly #counts = new Map<string, number>();
  readonly #tookMs = new Map<string, number[]>();

  add(what: string, tookMs?: number): void {
    this.#counts.set(what, this.count(what) + 1);
    if (tookMs !== undefined) this.#tookMs.set(what, [...(this.#tookMs.get(what) ?? []), tookMs]);
  }

  count(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  print(title: string): void {
    const rows = [...this.#counts].map(([what, count]) => {
      const took = this.#tookMs.get(what)?.toSorted((left, right) => left - right);
      const times =
        took === undefined
          ? ''
          : `  work everywhere after ${took[took.length >> 1]} ms (median), ${took.at(-1)} ms (most)`;
      return `  ${what.padEnd(34)} ${String(count).padStart(5)}${times}\n`;
    });
    process.stderr.write(`${title}: lost 0, doubled 0\n${rows.join('')}`);
  }
}
