import type { Clock } from '../lib/clock.ts';
import { METRICS } from '../metrics/catalogue.ts';
import { gatheredText } from '../metrics/gathered.ts';
import type { Family } from '../metrics/metric-set.ts';
import { Meter } from '../metrics/meter.ts';
import type { RoleStatus, Status, StatusEvent } from '../metrics/status.ts';
import { type Exit, describeExit, isOutside } from '../supervisor/service.ts';
import { measureProcess } from './measures.ts';
import { type RunEvent, runText } from './run-text.ts';

export interface ObservationOptions {
  readonly clock: Clock;
  readonly pipeline: string;
  readonly version: string;
}

/** Enough to see what led to what; older ones are in the output of the run. */
const EVENTS_MAX = 500;
/** A role says each second what it measures: one that is silent for longer does not get to it. */
const SILENT_MS = 10_000;

type Role = { -readonly [Key in keyof RoleStatus]: RoleStatus[Key] };

/** What a run knows of itself and its roles: the whole of `/metrics`, `/readyz` and `/status`. */
export class Observation {
  readonly #options: ObservationOptions;
  readonly #meter = new Meter();
  readonly #startedAtMs: number;
  readonly #roles = new Map<string, Role>();
  /** By role; what an ended process said is no longer so. */
  readonly #measures = new Map<string, readonly Family[]>();
  readonly #events: StatusEvent[] = [];
  #isStopping = false;
  #isAway = false;

  constructor(options: ObservationOptions) {
    this.#options = options;
    this.#startedAtMs = options.clock.nowMs();
    measureProcess(this.#meter, options.clock);
    this.#meter.set(METRICS.buildInfo, { version: options.version, node: process.versions.node }, 1);
  }

  /** A process of a role begins. */
  started(name: string, pid: number): void {
    const before = this.#roles.get(name);
    const sinceMs = this.#options.clock.nowMs();
    const isAgain = before !== undefined;
    this.#roles.set(name, {
      name,
      state: 'running',
      pid,
      sinceMs,
      restarts: (before?.restarts ?? 0) + (isAgain ? 1 : 0),
      lastExit: before?.lastExit ?? null,
      measuredAtMs: null,
    });
    this.#meter.set(METRICS.roleUp, { role: name }, 1);
  }

  exited(name: string, exit: Exit): void {
    const role = this.#roles.get(name);
    if (role === undefined) return;
    const isDone = this.#isStopping || exit.code === 0;
    role.state = isDone ? 'ended' : 'restarting';
    role.pid = null;
    role.sinceMs = this.#options.clock.nowMs();
    role.lastExit = describeExit(exit);
    this.#keepFailures(name);
    this.#measures.delete(name);
    this.#meter.set(METRICS.roleUp, { role: name }, 0);
    if (!isDone) this.#meter.add(METRICS.restarts, { role: name, reason: reasonOf(exit) }, 1);
  }

  measured(name: string, families: readonly Family[]): void {
    const role = this.#roles.get(name);
    if (role === undefined || role.state !== 'running') return;
    role.measuredAtMs = this.#options.clock.nowMs();
    this.#measures.set(name, families);
    for (const labels of failedCheckpoints(families).keys()) this.#meter.add(METRICS.checkpointAttempts, labels, 0);
  }

  /** Most processes end with the checkpoint that failed. */
  #keepFailures(name: string): void {
    for (const [labels, failed] of failedCheckpoints(this.#measures.get(name) ?? []))
      this.#meter.add(METRICS.checkpointAttempts, labels, failed);
  }

  happened(event: Exclude<RunEvent, { type: 'progress' }>): void {
    if (event.type === 'stopping') this.#isStopping = true;
    if (event.type === 'cluster') this.#isAway = event.event.type !== 'back';
    const role = 'role' in event ? event.role : 'service' in event ? event.service : null;
    this.#events.push({ atMs: this.#options.clock.nowMs(), type: event.type, role, text: runText(event) });
    if (this.#events.length > EVENTS_MAX) this.#events.shift();
  }

  /** A line for each reason why this run does not do all of its work; none when it does. */
  notReady(): string[] {
    const nowMs = this.#options.clock.nowMs();
    const reasons: string[] = [];
    if (this.#isStopping) reasons.push('the run is stopping');
    if (this.#isAway) reasons.push('the log does not answer');
    if (this.#roles.size === 0) reasons.push('no role has started yet');
    for (const { name, state, measuredAtMs, sinceMs, lastExit } of this.#roles.values()) {
      if (state === 'restarting') reasons.push(`${name} ended (${lastExit}) and is started again`);
      else if (state === 'running' && measuredAtMs === null) reasons.push(`${name} is starting`);
      else if (state === 'running' && nowMs - (measuredAtMs ?? sinceMs) > SILENT_MS)
        reasons.push(`${name} has said nothing for ${Math.round((nowMs - (measuredAtMs ?? sinceMs)) / 1000)} s`);
    }
    return reasons;
  }

  get version(): Readonly<Record<string, string>> {
    return { version: this.#options.version, node: process.versions.node };
  }

  async metricsText(): Promise<string> {
    return gatheredText(new Map([['run', await this.#meter.read()], ...this.#measures]));
  }

  async status(): Promise<Status> {
    const { clock, pipeline } = this.#options;
    return {
      version: this.#options.version,
      node: process.versions.node,
      pipeline,
      atMs: clock.nowMs(),
      startedAtMs: this.#startedAtMs,
      state: this.#isStopping ? 'stopping' : 'running',
      notReady: this.notReady(),
      roles: [...this.#roles.values()].map((role) => ({ ...role })),
      events: [...this.#events],
      measures: { run: await this.#meter.read(), ...Object.fromEntries(this.#measures) },
    };
  }
}

type AttemptLabels = Readonly<Record<(typeof METRICS.checkpointAttempts.labels)[number], string | number>>;

/** Checkpoints that failed in one life of a process, by task. */
function failedCheckpoints(families: readonly Family[]): Map<AttemptLabels, number> {
  const attempts = families.find(({ name }) => name === METRICS.checkpointAttempts.name)?.values ?? [];
  const failed = attempts.filter(({ labels }) => labels['outcome'] === 'failed');
  return new Map(failed.map(({ labels, value }) => [labels as AttemptLabels, value]));
}

/** A small closed set: what it said before it ended stands in its events. */
function reasonOf(exit: Exit): string {
  if (isOutside(exit)) return 'outside';
  return exit.signal === null ? 'crash' : 'killed';
}
