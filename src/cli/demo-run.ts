import { join } from 'node:path';
import type { Log } from '../broker/broker.ts';
import type { Config } from '../config/config.ts';
import type { DataDir } from '../config/data-dir.ts';
import { systemClock } from '../lib/clock.ts';
import { EXIT } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { acquireRoleLock } from '../lib/role-lock.ts';
import { listenForStop } from '../lib/stop-signals.ts';
import { seededRandom } from '../lib/random.ts';
import { formatCount } from '../lib/units.ts';
import { auditText } from '../query/audit-report.ts';
import { audit } from '../query/audit.ts';
import { clusterText } from '../roles/cluster-text.ts';
import { LogWatch, missingIn } from '../roles/log-watch.ts';
import { makeDataDir } from '../roles/make-data-dir.ts';
import { openLog } from '../roles/role.ts';
import { groupsWaitedFor } from '../roles/sink-readers.ts';
import { isRoleMessage } from '../roles/supervisor-channel.ts';
import { prepareLog, servicesOf, writeResolvedConfig } from '../roles/services.ts';
import { askSocket, querySql } from '../sinks/duckdb/client.ts';
import type { SqlResult } from '../sinks/duckdb/sql-answer.ts';
import { childProcesses } from '../supervisor/child-process.ts';
import { RESTART_DEFAULTS } from '../supervisor/restart-strategy.ts';
import type { Service } from '../supervisor/service.ts';
import { DRAIN_MS, Supervisor, supervisorText } from '../supervisor/supervisor.ts';
import type { Components, Launch } from '../roles/definitions.ts';
import { commandName } from './command-name.ts';
import { type DemoStory, LATE_SQL, ROUTES_SQL, VISITS_SQL, WINDOWS_SQL, generatorArgs } from './demo-story.ts';
import { LiveBlock } from './live-block.ts';
import { hasColours, painter } from './output.ts';
import { queryOf, warehouseOf } from './sql-target.ts';
import { tableText } from './sql-output.ts';

const REFRESH_MS = 1000;
/** How often to check whether a killed role is back. */
const LOOK_MS = 50;
const COLUMNS = ['window', 'requests', 'errors', 'bytes', 'late', 'status'].map((name) => ({ name, type: '' }));

/** The demonstration: real roles under a real supervisor, a generator beside them, two deaths, and the proof. */
export class DemoRun {
  readonly #config: Config;
  readonly #components: Components;
  readonly #story: DemoStory;
  readonly #dataDir: DataDir;
  readonly #folder: string;
  readonly #block: LiveBlock;
  readonly #supervisor: Supervisor;
  readonly #paint = painter(hasColours(process.stdout));
  readonly #isTTY = process.stdout.isTTY && process.env['TERM'] !== 'dumb';
  #startedMs = 0;

  constructor(config: Config, launch: Launch, folder: string, story: DemoStory) {
    this.#config = config;
    this.#components = launch.components;
    this.#story = story;
    this.#folder = folder;
    this.#dataDir = makeDataDir(config.dataDir);
    this.#block = new LiveBlock({
      isTTY: this.#isTTY,
      columns: process.stdout.columns ?? 80,
      write: (text) => void process.stdout.write(text),
    });
    const start = childProcesses({
      program: launch.entry,
      environment: process.env,
      folder,
      onLine: (service, line) => this.#note(this.#paint('dim', `${service}: ${escapeText(line)}`)),
      onMessage: (service, message) => {
        if (isRoleMessage(message) && message.type === 'worked') this.#supervisor.noteWork(service);
      },
    });
    this.#supervisor = new Supervisor(
      {
        clock: systemClock,
        random: seededRandom(0),
        start,
        notify: (event) => this.#note(this.#paint('yellow', supervisorText(event))),
      },
      { restart: RESTART_DEFAULTS, drainMs: DRAIN_MS },
    );
  }

  async run(): Promise<number> {
    const lock = acquireRoleLock(this.#dataDir.run, 'run');
    const stop = listenForStop({ onSecond: () => this.#supervisor.killAll() });
    stop.signal.addEventListener('abort', () => void this.#supervisor.stop(stop.exitCode()));
    writeResolvedConfig(this.#config, this.#dataDir);
    const log = openLog(this.#config, this.#dataDir, systemClock, (event) => this.#note(clusterText(event)));
    await prepareLog(log, this.#config, this.#components);
    try {
      await this.#supervisor.stop(await this.#tell(log));
    } finally {
      this.#block.clear();
      await this.#supervisor.stop(EXIT.failed);
      stop.release();
    }
    await log.close();
    lock.release();
    return this.#supervisor.exitCode;
  }

  async #tell(log: Log): Promise<number> {
    const services = servicesOf(this.#config, this.#components, this.#dataDir, {
      isOnce: false,
      closesAll: false,
      generations: undefined,
    });
    for (const service of services) void this.#supervisor.run(service);
    const watch = await LogWatch.open(log, this.#config, { clock: systemClock, countsLines: true });
    const generator: Service = { name: 'generator', args: generatorArgs(this.#story), canFinish: true };
    this.#startedMs = systemClock.monotonicMs();
    const { ratePerSecond, seconds } = this.#story;
    this.#note(`a web server writes ${ratePerSecond} lines a second for ${seconds} s; 3 % of them up to 20 s late`);
    const written = this.#supervisor.run(generator);
    const ended = new AbortController();
    void written.then(() => ended.abort());
    await this.#watchWindows(watch, ended.signal);
    if (this.#stopped.aborted) return this.#supervisor.exitCode;
    await this.#finish(watch);
    return this.#stopped.aborted ? this.#supervisor.exitCode : this.#prove();
  }

  get #stopped(): AbortSignal {
    return this.#supervisor.stopped;
  }

  /** Draws the windows each second, and does what the story says, until the generator is done. */
  async #watchWindows(watch: LogWatch, ended: AbortSignal): Promise<void> {
    const { burstAt, burstSeconds, engineDiesAt, warehouseDiesAt } = this.#story;
    const events: { readonly at: number; readonly happen: () => Promise<void> | void }[] = [
      { at: burstAt, happen: () => this.#note(`for ${burstSeconds} s most requests fail: look at the errors`) },
      { at: engineDiesAt, happen: () => this.#kill('engine', watch) },
      { at: warehouseDiesAt, happen: () => this.#kill('sink warehouse', watch) },
    ];
    while (!ended.aborted && !this.#stopped.aborted) {
      while (events.length > 0 && this.#seconds() >= events[0]!.at) await events.shift()?.happen();
      await this.#show(watch);
      const next = REFRESH_MS - ((systemClock.monotonicMs() - this.#startedMs) % REFRESH_MS);
      await systemClock.sleep(next, AbortSignal.any([ended, this.#stopped]));
    }
  }

  async #show(watch: LogWatch): Promise<void> {
    const { linesSent, linesDecided } = await watch.look();
    const counts = `${formatCount(linesSent)} lines read, ${formatCount(linesDecided)} decided`;
    const rows = await this.#ask(WINDOWS_SQL);
    const newest = rows?.[0];
    if (!this.#isTTY) {
      const [start, requests, errors, , , status] = (newest ?? []).map(String);
      const window = start === undefined ? '' : `; window ${start}: ${requests} requests, ${errors} errors, ${status}`;
      this.#note(`${counts}${window}`);
      return;
    }
    const table =
      rows === undefined ? 'the warehouse is starting' : tableText({ columns: COLUMNS, rows: rows.toReversed() });
    this.#block.draw(['', ...table.split('\n'), '', `+${this.#seconds()} s  ${counts}`]);
  }

  /** Kills a role as a power cut would, and says when it works again. */
  async #kill(service: string, watch: LogWatch): Promise<void> {
    const pid = this.#supervisor.pidOf(service);
    if (pid === undefined) return;
    const before = await watch.look();
    this.#note(this.#paint('red', `kill -9 ${pid}: the ${service} dies in the middle of its work`));
    process.kill(pid, 'SIGKILL');
    const killedMs = systemClock.monotonicMs();
    const isBack = async (): Promise<boolean> => {
      const now = this.#supervisor.pidOf(service);
      const isAnother = now !== undefined && now !== pid;
      if (service !== 'engine') return isAnother && (await this.#ask('SELECT 1')) !== undefined;
      const { linesDecided, isDecided } = await watch.look();
      // It may have been killed when nothing was left to decide.
      return linesDecided > before.linesDecided || (isAnother && isDecided);
    };
    while (!(await isBack())) {
      await systemClock.sleep(LOOK_MS, this.#stopped);
      if (this.#stopped.aborted) return;
    }
    const tookMs = systemClock.monotonicMs() - killedMs;
    this.#note(
      this.#paint('green', `the ${service} works again after ${(tookMs / 1000).toFixed(1)} s, from where it was`),
    );
  }

  /** The log is complete: an agent that reads once closes it, and what it said last is waited for. */
  async #finish(watch: LogWatch): Promise<void> {
    this.#note('the web server stopped: the log is read to its end and its last windows are closed');
    await this.#supervisor.stopService('agent');
    const [agent] = servicesOf(this.#config, this.#components, this.#dataDir, {
      isOnce: true,
      closesAll: true,
      generations: undefined,
    });
    await this.#supervisor.run(agent!);
    const groups = groupsWaitedFor(this.#config, this.#components, false);
    const isDone = async (): Promise<boolean> => {
      const { isDecided } = await watch.look();
      return isDecided && (await missingIn(watch, [], groups)) === undefined;
    };
    while (!this.#stopped.aborted && !(await isDone())) await systemClock.sleep(LOOK_MS, this.#stopped);
    await this.#show(watch);
  }

  async #prove(): Promise<number> {
    this.#block.keep();
    const query = queryOf(this.#dataDir);
    const routes = await this.#query(ROUTES_SQL);
    this.#note(
      `\nrobots are filtered, routes are made of paths, errors are counted by a condition; the windows with the highest rate:\n${tableText(routes)}`,
    );
    const visits = await this.#query(VISITS_SQL);
    this.#note(
      `\nrequests of one client that come one soon after the other are a visit; the longest of them:\n${tableText(visits)}\n`,
    );
    const late = await this.#query(LATE_SQL);
    this.#note(`late lines are kept, each with the window it missed; the latest of them:\n${tableText(late)}\n`);
    const result = await audit({ query });
    this.#note(
      'three sides count for themselves: the agent its lines, the engine its ledger, the warehouse its rows\n',
    );
    this.#note(auditText(result));
    this.#note(
      `\nlook around: ${commandName()} sql -c ${join(this.#folder, 'tailrace.yaml')} "from traffic order by window_start"`,
    );
    return result.isBalanced ? 0 : EXIT.badData;
  }

  #query(sql: string): Promise<SqlResult> {
    return querySql(warehouseOf(this.#dataDir), sql, { lane: 'own' });
  }

  /** Rows, or undefined while the warehouse does not answer or has no table yet. Never opens its file: that would keep it from coming back. */
  async #ask(sql: string): Promise<SqlResult['rows'] | undefined> {
    try {
      const answer = await askSocket(this.#dataDir.sqlSocket, { sql, lane: 'own' });
      return typeof answer === 'object' ? answer.rows : undefined;
    } catch {
      return undefined;
    }
  }

  #seconds(): number {
    return Math.floor((systemClock.monotonicMs() - this.#startedMs) / 1000);
  }

  #note(line: string): void {
    this.#block.note(
      this.#startedMs === 0 || line.includes('\n') ? line : `+${String(this.#seconds()).padStart(2)} s  ${line}`,
    );
  }
}
