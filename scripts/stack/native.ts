// The stack without containers: Kafka, Elasticsearch, Prometheus and Alertmanager as processes of this machine, and on them the
// pipeline of stack.yaml with all its roles, a generator that feeds it, and the exporter that Prometheus scrapes.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../../src/lib/errors.ts';
import { escapeText } from '../../src/lib/escape.ts';
import type { RoleLock } from '../../src/lib/role-lock.ts';
import type { Elasticsearch } from '../../test/support/stack/elasticsearch.ts';
import { startElasticsearch } from '../../test/support/stack/elasticsearch.ts';
import type { Kafka } from '../../test/support/stack/kafka.ts';
import { startKafka } from '../../test/support/stack/kafka.ts';
import { startAlertmanager, startPrometheus } from '../../test/support/stack/prometheus.ts';
import type { ServerObserver } from '../../test/support/stack/server-process.ts';
import { ServerProcess } from '../../test/support/stack/server-process.ts';
import type { PortName } from './ports.ts';
import { PORTS, choosePorts, portAnswers } from './ports.ts';
import { PartLog } from './part-log.ts';
import { holdStack, isAlive, partsFolder, pidIn, rolesFolder } from './running.ts';
import { ensureSecrets, readSecret } from './secrets.ts';

const PROJECT = join(import.meta.dirname, '..', '..');
const TAILRACE = join(PROJECT, 'tailrace');
/** For a store that has only just started. */
const PROVISION_MS_MAX = 60_000;

export interface NativeOptions {
  /** Where stack.yaml, alerts/ and what is stored lie: the project's own folder, or that of a test. */
  readonly folder: string;
  /** Lines a second. */
  readonly rate: number;
  /** Take any free ports instead of the usual ones. */
  readonly anyPorts?: boolean;
  readonly say: (line: string) => void;
}

interface Part {
  stop(): Promise<void>;
}

/** Of a last line on the terminal; the file has all of it. */
const LAST_LINE_CHARS = 200;

/** Copies what the stack reads into a folder of its own: for tests, which must not touch the project's. */
export function copyStackFiles(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of ['stack.yaml', 'alerts']) cpSync(join(PROJECT, name), join(folder, name), { recursive: true });
}

export class NativeStack {
  readonly #options: NativeOptions;
  readonly #started = new Map<string, Part>();
  /** Parts that ended although nobody had asked them to. */
  readonly ended: string[] = [];
  #lock: RoleLock | undefined;
  #ports: Readonly<Record<PortName, number>> = PORTS;
  #kafka: Kafka | undefined;
  #elasticsearch: Elasticsearch | undefined;
  #generator: ServerProcess | undefined;

  constructor(options: NativeOptions) {
    this.#options = options;
  }

  /** What differs from stack.yaml, for whoever runs `tailrace` beside it. Empty with the usual ports. */
  get settings(): Readonly<Record<string, string>> {
    if (this.#ports.kafka === PORTS.kafka && this.#ports.elasticsearch === PORTS.elasticsearch) return {};
    return {
      TAILRACE_BROKER_BROKERS_0: `127.0.0.1:${this.#ports.kafka}`,
      TAILRACE_SINKS_SEARCH_NODES_0: `http://127.0.0.1:${this.#ports.elasticsearch}`,
      TAILRACE_OBSERVE_LISTEN: `127.0.0.1:${this.#ports.run}`,
    };
  }

  get elasticsearch(): Elasticsearch {
    if (this.#elasticsearch === undefined) throw new Error('Elasticsearch is not started');
    return this.#elasticsearch;
  }

  get kafka(): Kafka {
    if (this.#kafka === undefined) throw new Error('Kafka is not started');
    return this.#kafka;
  }

  urlOf(name: PortName): string {
    return `http://127.0.0.1:${this.#ports[name]}`;
  }

  get logFolder(): string {
    return join(this.#options.folder, 'stack-data', 'logs');
  }

  async start(): Promise<void> {
    const { folder, rate, anyPorts = false } = this.#options;
    this.#lock = holdStack(folder);
    this.#forgetPids();
    this.#ports = await choosePorts(anyPorts);
    ensureSecrets(join(folder, 'secrets'));
    mkdirSync(this.logFolder, { recursive: true });
    // Both are waited for even if one fails: what has started must be known, to be stopped.
    const servers = await Promise.allSettled([
      this.#part('Kafka', (observer) => this.#startKafka(observer)),
      this.#part('Elasticsearch', (observer) => this.#startElasticsearch(observer)),
    ]);
    for (const server of servers) if (server.status === 'rejected') throw server.reason;
    await this.#provision();
    await this.#part('pipeline', (observer) => this.#startPipeline(observer));
    await this.#part('generator', (observer) => this.#startGenerator(rate, observer));
    await this.#part('exporter', (observer) => this.#startExporter(observer));
    const alerts = this.#alertFiles();
    const monitoring = (name: 'prometheus' | 'alertmanager', observer: ServerObserver) => ({
      observer,
      config: join(alerts, `${name}.yml`),
      port: this.#ports[name],
      folder: join(folder, 'stack-data', name),
    });
    await this.#part('Alertmanager', (observer) => startAlertmanager(monitoring('alertmanager', observer)));
    await this.#part('Prometheus', (observer) => startPrometheus(monitoring('prometheus', observer)));
  }

  /** Starts one part, and says how long it took. */
  async #part(name: string, start: (observer: ServerObserver) => Promise<Part>): Promise<void> {
    const startedMs = performance.now();
    const part = await start(this.#observe(name));
    this.#started.set(name, part);
    this.#options.say(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)} s  ${name}`);
  }

  /** What a part says goes to a file of its own, and its end, where nobody asked for it, to the terminal. */
  #observe(name: string): ServerObserver {
    const path = join(partsFolder(this.#options.folder), name.toLowerCase());
    const log = new PartLog(`${path}.log`);
    return {
      started: (pid) => {
        writeFileSync(`${path}.pid`, `${pid}\n`);
        log.write(`--- ${new Date().toISOString()} ${name} starts as process ${pid}`);
      },
      line: (text) => log.write(text),
      ended: (how) => {
        const last = escapeText(log.lastLine.trim()).slice(0, LAST_LINE_CHARS);
        log.write(`--- ${new Date().toISOString()} ${name} ended: ${how}`);
        // Of a part that is still starting, the start itself fails.
        if (!this.#started.has(name)) return;
        this.ended.push(name);
        const file = relative(this.#options.folder, log.path);
        this.#options.say(
          `${name} ENDED: ${how}; the others go on, Ctrl-C and \`make stack\` bring it back. It said last: ${last} (${file})`,
        );
      },
    };
  }

  #forgetPids(): void {
    const folder = partsFolder(this.#options.folder);
    for (const name of readdirSync(folder)) {
      if (name.endsWith('.pid') && name !== 'stack.pid') rmSync(join(folder, name));
    }
  }

  async #startKafka(observer: ServerObserver): Promise<Kafka> {
    const folder = join(this.#options.folder, 'stack-data', 'kafka');
    this.#kafka = await startKafka({ folder, ports: [this.#ports.kafka], observer });
    return this.#kafka;
  }

  async #startElasticsearch(observer: ServerObserver): Promise<Elasticsearch> {
    const { folder } = this.#options;
    this.#elasticsearch = await startElasticsearch({
      folder: join(folder, 'stack-data', 'elasticsearch'),
      port: this.#ports.elasticsearch,
      security: 'password-only',
      password: readSecret(join(folder, 'secrets'), 'elastic_password'),
      heapMiB: 768,
      observer,
    });
    return this.#elasticsearch;
  }

  /** An Elasticsearch that has just started may take longer for an answer than the command waits. */
  async #provision(): Promise<void> {
    const endMs = performance.now() + PROVISION_MS_MAX;
    for (;;) {
      const { code, output } = this.tailrace('provision', 'elasticsearch', '-c', 'stack.yaml');
      if (code === 0) return;
      if (code !== EXIT.unreachable || performance.now() > endMs)
        throw new Error(`tailrace provision elasticsearch ended with ${code}:\n${output}`);
      await sleep(1000);
    }
  }

  /** Runs a command of ours beside the stack. */
  tailrace(...args: readonly string[]): { readonly code: number; readonly output: string } {
    const { status, stdout, stderr } = spawnSync(TAILRACE, args, {
      cwd: this.#options.folder,
      encoding: 'utf8',
      env: { ...process.env, ...this.settings },
    });
    return { code: status ?? 1, output: status === 0 ? stdout : `${stdout}${stderr}` };
  }

  #launch(
    name: string,
    command: string,
    args: readonly string[],
    observer: ServerObserver,
    env: NodeJS.ProcessEnv = {},
  ): ServerProcess {
    const { folder } = this.#options;
    const options = { name, command, args, folder, keepFolder: true, observer };
    return new ServerProcess({ ...options, env: { ...this.settings, ...env } });
  }

  async #startPipeline(observer: ServerObserver): Promise<Part> {
    const server = this.#launch('pipeline', TAILRACE, ['run', '-c', 'stack.yaml'], observer);
    await server.ready(async () => {
      if (this.pidOf('agent') === undefined) throw new Error('its agent does not run yet');
    }, 60_000);
    return { stop: () => server.end() };
  }

  async #startExporter(observer: ServerObserver): Promise<Part> {
    const listen = `127.0.0.1:${this.#ports.lag}`;
    const server = this.#launch('exporter', TAILRACE, ['lag', '-c', 'stack.yaml', '--listen', listen], observer);
    await server.ready(() => portAnswers(this.#ports.lag), 60_000);
    return { stop: () => server.end() };
  }

  async #startGenerator(rate: number, observer: ServerObserver): Promise<Part> {
    const script = join(PROJECT, 'scripts', 'stack-generator.sh');
    const server = this.#launch('generator', script, [this.logFolder, String(rate)], observer, { TAILRACE });
    this.#generator = server;
    await server.ready(async () => {
      if (readdirSync(this.logFolder).length === 0) throw new Error('there is no log yet');
    }, 30_000);
    return { stop: () => server.end() };
  }

  /** The files of alerts/; where ports are others than theirs, copies with those ports. */
  #alertFiles(): string {
    const { folder } = this.#options;
    const own = join(folder, 'alerts');
    const mapped = (['lag', 'run', 'alertmanager'] as const).filter((name) => this.#ports[name] !== PORTS[name]);
    if (mapped.length === 0) return own;
    const copies = join(folder, 'stack-data', 'alerts');
    cpSync(own, copies, { recursive: true });
    const file = join(copies, 'prometheus.yml');
    let text = readFileSync(file, 'utf8');
    for (const name of mapped)
      text = text.replaceAll(`127.0.0.1:${PORTS[name]}`, () => `127.0.0.1:${this.#ports[name]}`);
    writeFileSync(file, text);
    return copies;
  }

  /** Of a role that `tailrace run` has started: `agent`, `engine-0`, `sink-search`, … */
  pidOf(role: string): number | undefined {
    const pid = pidIn(rolesFolder(this.#options.folder), role);
    // The file of a role that ended stays.
    return pid !== undefined && isAlive(pid) ? pid : undefined;
  }

  async stopGenerator(): Promise<void> {
    await this.#generator?.end();
  }

  /** In the reverse order: whoever writes stops before what it writes to. */
  async stop(): Promise<void> {
    const parts = [...this.#started.values()].toReversed();
    this.#started.clear();
    for (const part of parts) await part.stop();
    if (this.#lock === undefined) return;
    this.#forgetPids();
    this.#lock.release();
  }
}
