import { randomInt } from 'node:crypto';
import { processFilesMax } from '../agent/open-files.ts';
import type { Log } from '../broker/broker.ts';
import type { Config } from '../config/config.ts';
import type { DataDir } from '../config/data-dir.ts';
import { systemClock } from '../lib/clock.ts';
import { OperatingError } from '../lib/errors.ts';
import { seededRandom } from '../lib/random.ts';
import { acquireRoleLock } from '../lib/role-lock.ts';
import { listenForStop } from '../lib/stop-signals.ts';
import { childProcesses } from '../supervisor/child-process.ts';
import { Echoes } from '../supervisor/echoes.ts';
import type { RestartOptions } from '../supervisor/restart-strategy.ts';
import type { StartProcess } from '../supervisor/service.ts';
import { DRAIN_MS, Supervisor } from '../supervisor/supervisor.ts';
import type { ClusterEvent } from './cluster-text.ts';
import type { Launch } from './definitions.ts';
import { LogWatch, missingIn } from './log-watch.ts';
import { makeDataDir } from './make-data-dir.ts';
import { Observation } from './observation.ts';
import { serveObservation } from './observation-server.ts';
import { openLog } from './role.ts';
import type { RunEnd } from './run-end.ts';
import { bringGenerations } from './run-generations.ts';
import type { RunEvent } from './run-text.ts';
import { prepareLog, servicesOf, writeResolvedConfig } from './services.ts';
import { groupsWaitedFor } from './sink-readers.ts';
import { type FileProgress, type Readability, isRoleMessage } from './supervisor-channel.ts';

export interface RunOptions extends RunEnd {
  /** Failures of one role in a row, without work in between, before everything ends. Default: what the configuration says. */
  readonly failuresMax: number | undefined;
}

/** What a run has read, once it is stored. */
export interface RunOutcome {
  /** Whether this run has read a line: the tables have those of the runs before, too. */
  readonly hasRead: boolean;
  /** Files that should have been read and could not: the audit knows nothing of their lines. */
  readonly unread: readonly string[];
  /** Files that patterns found and that are not logs to read, such as those a rotation has compressed. */
  readonly leftOut: readonly string[];
}

/** Who started the run. */
export interface RunPorts {
  readonly notify: (event: RunEvent) => void;
  /** Of this program, for whoever asks what runs here. */
  readonly version: string;
  /** Called once its data_dir is the run's own. */
  readonly announce: () => void;
  /** Of a run that ends by itself: everything is stored, and can be asked. Resolves to the exit code. */
  readonly showResults: (dataDir: DataDir, outcome: RunOutcome) => Promise<number>;
  /** Of a run without end, when all its processes have ended. */
  readonly ended: (dataDir: DataDir) => Promise<void>;
}

/** A role that stops asking for something never says that it is back: the next trouble is reported nevertheless. */
const AWAY_AGAIN_MS = 60_000;
/** Checking whether a run has the lock takes the lock for a moment. */
const LOOKED_AT_MS = 200;
/** How often to check whether something that is waited for has happened. */
const LOOK_MS = 100;

/** A supervised run, from the lock on its data_dir to its last process. Resolves to the exit code. */
export async function superviseRun(
  config: Config,
  launch: Launch,
  options: RunOptions,
  ports: RunPorts,
): Promise<number> {
  checkOpenFiles();
  const dataDir = makeDataDir(config.dataDir, (note) => ports.notify({ type: 'data_dir', note }));
  const lock = acquireRoleLock(dataDir.run, 'run', { busyTimeoutMs: LOOKED_AT_MS });
  writeResolvedConfig(config, dataDir);
  ports.announce();
  const run = new SupervisedRun(config, dataDir, launch, { options, ports });
  const exitCode = await run.run();
  lock.release();
  return exitCode;
}

/** With fewer a role's start fails in the middle, or waits for ever. */
const OPEN_FILES_MIN = 64;

function checkOpenFiles(): void {
  const max = processFilesMax();
  if (max >= OPEN_FILES_MIN) return;
  throw new OperatingError(`a process may have ${max} open files here, and a run needs ${OPEN_FILES_MIN}`, {
    code: 'OPEN_FILES',
    hint: 'raise ulimit -n, best to 1024 or more',
  });
}

/** Somebody waits: what three restarts do not mend will not be mended. */
const ATTEMPTS_MAX_ONCE = 3;

function restartOptions({ restart }: Config, { failuresMax, isOnce }: RunOptions): RestartOptions {
  const attemptsMax = failuresMax ?? (isOnce ? ATTEMPTS_MAX_ONCE : undefined);
  return attemptsMax === undefined || restart.strategy !== 'exponential_delay' ? restart : { ...restart, attemptsMax };
}

class SupervisedRun {
  readonly #config: Config;
  readonly #dataDir: DataDir;
  readonly #launch: Launch;
  readonly #options: RunOptions;
  readonly #ports: RunPorts;
  readonly #supervisor: Supervisor;
  readonly #observation: Observation;
  readonly #unread = new Set<string>();
  /** What patterns found that is not a log to read. */
  readonly #leftOut = new Set<string>();
  /** Roles that the cluster does not answer, this process among them. */
  readonly #away = new Set<string>();
  readonly #alive = new Set<string>(['run']);
  #saidAwayMs = -Infinity;
  #files: FileProgress | undefined;
  #linesDecided = 0;

  constructor(
    config: Config,
    dataDir: DataDir,
    launch: Launch,
    { options, ports }: { readonly options: RunOptions; readonly ports: RunPorts },
  ) {
    this.#config = config;
    this.#dataDir = dataDir;
    this.#launch = launch;
    this.#options = options;
    const observation = new Observation({ clock: systemClock, pipeline: config.name, version: ports.version });
    this.#observation = observation;
    this.#ports = {
      ...ports,
      notify: (event) => {
        if (event.type !== 'progress') observation.happened(event);
        ports.notify(event);
      },
    };
    const { notify } = this.#ports;
    const echoes = new Echoes(systemClock);
    const start = childProcesses({
      program: launch.entry,
      environment: process.env,
      onLine: (service, line) => {
        const words = echoes.pass(service, line.replace(/^tailrace: /, ''));
        if (words !== undefined) notify({ type: 'role_line', role: service, line: words });
      },
      onMessage: (service, message) => {
        if (!isRoleMessage(message)) return;
        if (message.type === 'progress') this.#files = message;
        else if (message.type === 'cluster') this.#ofCluster(service, message);
        else if (message.type === 'worked') this.#supervisor.noteWork(service);
        else if (message.type === 'measures') this.#observation.measured(service, message.families);
        else this.#noteReadability(message);
      },
    });
    this.#supervisor = new Supervisor(
      {
        clock: systemClock,
        random: seededRandom(randomInt(2 ** 32)),
        start: this.#watched(echoes.following(start)),
        notify,
      },
      { restart: restartOptions(config, options), drainMs: DRAIN_MS },
    );
  }

  async run(): Promise<number> {
    const server = await serveObservation(this.#observation, this.#config, this.#dataDir, this.#ports.notify);
    try {
      return await this.#supervised();
    } finally {
      await server.close();
    }
  }

  async #supervised(): Promise<number> {
    const stop = listenForStop({ onSecond: () => this.#supervisor.killAll() });
    stop.signal.addEventListener('abort', () => {
      this.#ports.notify({ type: 'stopping' });
      void this.#supervisor.stop(stop.exitCode());
    });
    const ofCluster = (event: ClusterEvent): void => this.#ofCluster('run', event);
    const log = openLog(this.#config, this.#dataDir, systemClock, ofCluster, stop.signal);
    const { components } = this.#launch;
    await prepareLog(log, this.#config, components);
    const generations = await bringGenerations(log, this.#config, components, this.#dataDir);
    const services = servicesOf(this.#config, components, this.#dataDir, { ...this.#options, generations });
    const ended = services.map((service) => this.#supervisor.run(service));
    try {
      const exitCode = this.#options.isOnce ? await this.#once(log, ended[0]!) : await this.#follow(log, ended);
      await this.#supervisor.stop(exitCode);
    } catch (error) {
      await this.#supervisor.stop(1);
      throw error;
    } finally {
      stop.release();
    }
    await log.close();
    if (!this.#options.isOnce) await this.#ports.ended(this.#dataDir);
    return this.#supervisor.exitCode;
  }

  /** Shows how the log is caught up with, then only waits: a run without trouble costs nothing and says nothing. */
  async #follow(log: Log, ended: readonly Promise<void>[]): Promise<number> {
    const isCaughtUp = await this.#catchUp(
      log,
      () => this.#files !== undefined && this.#files.bytesSent >= this.#files.bytesKnown,
    );
    if (isCaughtUp) this.#ports.notify({ type: 'following' });
    await Promise.all(ended);
    return this.#supervisor.exitCode;
  }

  #noteReadability(event: Readability): void {
    if (event.type === 'readable') this.#unread.delete(event.path);
    else (event.isLeftOut === true ? this.#leftOut : this.#unread).add(event.path);
  }

  /** Everything there is, then the results. */
  async #once(log: Log, agentEnded: Promise<void>): Promise<number> {
    let hasAgentEnded = false;
    void agentEnded.then(() => (hasAgentEnded = true));
    const isDone = await this.#catchUp(log, () => hasAgentEnded);
    if (!isDone) return this.#supervisor.exitCode;
    return this.#ports.showResults(this.#dataDir, {
      hasRead: this.#linesDecided > 0 || (this.#files?.lines ?? 0) > 0,
      unread: [...this.#unread],
      leftOut: [...this.#leftOut],
    });
  }

  /** Resolves to true when all that was sent is decided and stored, to false when everything stops before that. */
  async #catchUp(log: Log, isAllSent: () => boolean): Promise<boolean> {
    const { stopped } = this.#supervisor;
    const { isOnce } = this.#options;
    const watch = await LogWatch.open(log, this.#config, {
      clock: systemClock,
      // Who follows must know when the last line is decided, whatever beats come behind it.
      countsLines: !isOnce || this.#config.broker.type === 'embedded',
    });
    const { components } = this.#launch;
    // Nobody who follows waits for documents: their store may be away for days, and rows go on.
    const documents = isOnce ? [await LogWatch.openDocuments(log, this.#config, components, systemClock)] : [];
    const groups = groupsWaitedFor(this.#config, components, isOnce);
    while (!stopped.aborted) {
      // Asked before the look: what was sent by then is seen by it.
      const isSent = isAllSent();
      const state = await watch.look(this.#files?.lines);
      const isDecided = isOnce ? state.isDecided : state.linesDecided === state.linesSent;
      let missing: string | undefined;
      if (!isSent) missing = 'the agent';
      else if (!isDecided) missing = `the engine, ${state.undecided ?? 'which has lines left'}`;
      else missing = await missingIn(watch, documents, groups);
      if (missing === undefined) {
        this.#linesDecided = state.linesDecided;
        if (state.linesDecided > 0) this.#ports.notify({ type: 'caught_up', lines: state.linesDecided });
        return true;
      }
      this.#ports.notify({ type: 'progress', state, files: this.#files, missing });
      await systemClock.sleep(LOOK_MS, stopped);
    }
    return false;
  }

  /** The cluster is away for all of them, or back: the first who notices says the one, the last the other. */
  #ofCluster(role: string, event: ClusterEvent): void {
    const nowMs = systemClock.monotonicMs();
    // A word of a process that has ended meanwhile says nothing of the next one.
    if (!this.#alive.has(role)) return;
    const wasAway = this.#away.size > 0;
    if (event.event.type === 'back') {
      if (this.#away.delete(role) && this.#away.size === 0) this.#ports.notify(event);
      return;
    }
    this.#away.add(role);
    if (wasAway && nowMs - this.#saidAwayMs < AWAY_AGAIN_MS) return;
    this.#saidAwayMs = nowMs;
    this.#ports.notify(event);
  }

  /** A process that has died waits for nothing. */
  #watched(start: StartProcess): StartProcess {
    return (service) => {
      const process = start(service);
      this.#alive.add(service.name);
      this.#observation.started(service.name, process.pid);
      void process.exited.then((exit) => {
        this.#observation.exited(service.name, exit);
        this.#alive.delete(service.name);
        this.#away.delete(service.name);
      });
      return process;
    };
  }
}
