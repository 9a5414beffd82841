import type { Clock } from '../lib/clock.ts';
import { EXIT, describeError } from '../lib/errors.ts';
import type { Random } from '../lib/random.ts';
import { type Restart, RestartPolicy } from './restart-policy.ts';
import type { RestartOptions } from './restart-strategy.ts';
import type { Exit, Service, ServiceProcess, StartProcess } from './service.ts';

/** What happens to a service, by its name. */
export type SupervisorEvent =
  | ({ readonly type: 'restarted'; readonly service: string } & Pick<Restart, 'reason' | 'pauseMs' | 'isAlarm'>)
  /** Something that a restart does not mend: every service is stopped. */
  | { readonly type: 'gave_up'; readonly service: string; readonly reason: string }
  | { readonly type: 'not_started'; readonly service: string; readonly error: unknown }
  | { readonly type: 'killed'; readonly service: string; readonly drainMs: number };

export interface SupervisorDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly start: StartProcess;
  readonly notify: (event: SupervisorEvent) => void;
}

export interface SupervisorOptions {
  readonly restart: RestartOptions;
  /** How long a role may take to finish what is in flight; after it, SIGKILL, which is safe at any time. */
  readonly drainMs: number;
}

export const DRAIN_MS = 10_000;

interface Running {
  readonly service: Service;
  process: ServiceProcess | undefined;
  /** Aborts when this service, or everything, stops. */
  readonly stopped: AbortSignal;
  readonly stop: () => void;
  /** Resolves when the service will not be started again. */
  readonly ended: Promise<void>;
}

/** What a person should know, as a line. */
export function supervisorText(event: SupervisorEvent): string {
  switch (event.type) {
    case 'restarted':
      return `${event.isAlarm ? 'ALARM ' : ''}${event.service} ended (${event.reason}): starting it again in ${event.pauseMs} ms`;
    case 'gave_up':
      return `${event.service} ended (${event.reason}): stopping everything`;
    case 'not_started':
      return `${event.service} cannot be started: ${describeError(event.error)}`;
    case 'killed':
      return `${event.service} did not end within ${event.drainMs} ms: killing it`;
  }
}

/**
 * Keeps the roles of one machine running: one process each, started again when it ends, never twice at a time. It watches
 * exits and sleeps in between, so it costs nothing while all is well. The roles need it only to be restarted: killing it
 * kills them (their channel to it breaks), and that is as safe as any other kill.
 */
export class Supervisor {
  readonly #deps: SupervisorDeps;
  readonly #options: SupervisorOptions;
  readonly #stopping = new AbortController();
  readonly #running = new Map<string, Running>();
  /** Services whose process has done some of its work. */
  readonly #worked = new Set<string>();
  #exitCode = 0;

  constructor(deps: SupervisorDeps, options: SupervisorOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Starts a service and returns when it will not be started again: it finished, or everything stopped. */
  async run(service: Service): Promise<void> {
    const own = new AbortController();
    const stopped = AbortSignal.any([own.signal, this.#stopping.signal]);
    const running: Running = {
      service,
      process: undefined,
      stopped,
      stop: () => own.abort(),
      ended: this.#keep(service, stopped),
    };
    this.#running.set(service.name, running);
    await running.ended;
  }

  /** The process id of a service, while it runs. */
  pidOf(name: string): number | undefined {
    return this.#running.get(name)?.process?.pid;
  }

  /** What `stop` was called with, or what made everything stop by itself; 0 while nothing did. */
  get exitCode(): number {
    return this.#exitCode;
  }

  /** Aborts when everything stops. */
  get stopped(): AbortSignal {
    return this.#stopping.signal;
  }

  /** The process of a service says that it has done some of its work. */
  noteWork(name: string): void {
    this.#worked.add(name);
  }

  /** Ends a single service and leaves the others running. */
  async stopService(name: string): Promise<void> {
    const running = this.#running.get(name);
    if (running === undefined) return;
    running.stop();
    if (running.process !== undefined) await this.#end(running.process, name);
    await running.ended;
  }

  /** Ends every service: SIGTERM, the time to drain, SIGKILL. Returns when no process is left. */
  async stop(exitCode: number): Promise<void> {
    if (!this.#stopping.signal.aborted) {
      this.#exitCode = exitCode;
      this.#stopping.abort();
    }
    const all = [...this.#running.values()];
    await Promise.all(
      all.map(async ({ process, service, ended }) => {
        if (process !== undefined) await this.#end(process, service.name);
        await ended;
      }),
    );
  }

  /** SIGKILL to whatever runs: for the second signal of an impatient person. */
  killAll(): void {
    for (const { process } of this.#running.values()) process?.kill('SIGKILL');
  }

  async #keep(service: Service, stopped: AbortSignal): Promise<void> {
    const { clock, notify } = this.#deps;
    const policy = new RestartPolicy(this.#options.restart, this.#deps.random);
    // Let `run` note the service before its first process starts.
    await Promise.resolve();
    while (!stopped.aborted) {
      const startedMs = clock.monotonicMs();
      const exit = await this.#runOnce(service);
      const hasWorked = this.#worked.has(service.name);
      if (stopped.aborted) return;
      const nowMs = clock.monotonicMs();
      const wasAsked = exit.signal !== null && service.wasAsked?.(exit) === true;
      const ending = { exit, ranMs: nowMs - startedMs, nowMs, hasWorked, wasAsked };
      const decision = policy.decide(ending, service.canFinish);
      if (decision.kind === 'done') return;
      if (decision.kind === 'stop') {
        notify({ type: 'gave_up', service: service.name, reason: decision.reason });
        void this.stop(decision.exitCode);
        return;
      }
      const { reason, pauseMs, isAlarm } = decision;
      if (!decision.isEcho) notify({ type: 'restarted', service: service.name, reason, pauseMs, isAlarm });
      await clock.sleep(pauseMs, stopped);
    }
  }

  async #runOnce(service: Service): Promise<Exit> {
    let process: ServiceProcess;
    this.#worked.delete(service.name);
    try {
      process = this.#deps.start(service);
    } catch (error) {
      this.#deps.notify({ type: 'not_started', service: service.name, error });
      return { code: EXIT.failed, signal: null };
    }
    const running = this.#running.get(service.name);
    if (running !== undefined) running.process = process;
    const exit = await process.exited;
    if (running !== undefined) running.process = undefined;
    return exit;
  }

  async #end(process: ServiceProcess, name: string): Promise<void> {
    process.kill('SIGTERM');
    const drained = new AbortController();
    const exited = process.exited.then(() => drained.abort());
    await this.#deps.clock.sleep(this.#options.drainMs, drained.signal);
    if (!drained.signal.aborted) {
      this.#deps.notify({ type: 'killed', service: name, drainMs: this.#options.drainMs });
      process.kill('SIGKILL');
    }
    await exited;
  }
}
