// The stack without containers: Kafka, Elasticsearch, Prometheus and Alertmanager as processes of this machine, and on them the
// pipeline of stack.yaml with all its roles, a generator that feeds it, and the exporter that Prometheus scrapes.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Elasticsearch } from '../../test/support/stack/elasticsearch.ts';
import { startElasticsearch } from '../../test/support/stack/elasticsearch.ts';
import type { Kafka } from '../../test/support/stack/kafka.ts';
import { startKafka } from '../../test/support/stack/kafka.ts';
import type { Monitoring } from '../../test/support/stack/prometheus.ts';
import { startAlertmanager, startPrometheus } from '../../test/support/stack/prometheus.ts';
import { ServerProcess, freePorts } from '../../test/support/stack/server-process.ts';
import type { RoleLock } from '../../src/lib/role-lock.ts';
import { holdStack, pidIn } from './running.ts';
import { ensureSecrets, readSecret } from './secrets.ts';

/** As in .env, alerts/prometheus.yml and stack.yaml: with these the same files serve the containers and this. */
export const PORTS = { kafka: 9092, elasticsearch: 9200, prometheus: 9090, alertmanager: 9093, lag: 9308 } as const;
export type PortName = keyof typeof PORTS;

const PROJECT = join(import.meta.dirname, '..', '..');
const TAILRACE = join(PROJECT, 'tailrace');

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
  readonly name: string;
  stop(): Promise<void>;
}

/** Copies what the stack reads into a folder of its own: for tests, which must not touch the project's. */
export function copyStackFiles(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of ['stack.yaml', 'alerts']) cpSync(join(PROJECT, name), join(folder, name), { recursive: true });
}

export class NativeStack {
  readonly #options: NativeOptions;
  readonly #started: Part[] = [];
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
    this.#ports = await choosePorts(anyPorts);
    ensureSecrets(join(folder, 'secrets'));
    mkdirSync(this.logFolder, { recursive: true });
    // Both are waited for even if one fails: what has started must be known, to be stopped.
    const servers = await Promise.allSettled([
      this.#part('Kafka', () => this.#startKafka()),
      this.#part('Elasticsearch', () => this.#startElasticsearch()),
    ]);
    for (const server of servers) if (server.status === 'rejected') throw server.reason;
    this.#provision();
    await this.#part('pipeline', () => this.#startTailrace('pipeline', ['run', '-c', 'stack.yaml']));
    await this.#part('generator', () => this.#startGenerator(rate));
    const listen = `127.0.0.1:${this.#ports.lag}`;
    await this.#part('exporter', () =>
      this.#startTailrace('exporter', ['lag', '-c', 'stack.yaml', '--listen', listen]),
    );
    const alerts = this.#alertFiles();
    const monitoring = (name: 'prometheus' | 'alertmanager') => ({
      config: join(alerts, `${name}.yml`),
      port: this.#ports[name],
      folder: join(folder, 'stack-data', name),
    });
    await this.#part('Alertmanager', () => startAlertmanager(monitoring('alertmanager')));
    await this.#part('Prometheus', () => startPrometheus(monitoring('prometheus')));
  }

  /** Starts one part, and says how long it took. */
  async #part(name: string, start: () => Promise<{ stop(): Promise<void> } | Monitoring>): Promise<void> {
    const startedMs = performance.now();
    const part = await start();
    this.#started.push({ name, stop: () => part.stop() });
    this.#options.say(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)} s  ${name}`);
  }

  async #startKafka(): Promise<Kafka> {
    const folder = join(this.#options.folder, 'stack-data', 'kafka');
    this.#kafka = await startKafka({ folder, ports: [this.#ports.kafka] });
    return this.#kafka;
  }

  async #startElasticsearch(): Promise<Elasticsearch> {
    const { folder } = this.#options;
    this.#elasticsearch = await startElasticsearch({
      folder: join(folder, 'stack-data', 'elasticsearch'),
      port: this.#ports.elasticsearch,
      security: 'password-only',
      password: readSecret(join(folder, 'secrets'), 'elastic_password'),
      heapMiB: 768,
    });
    return this.#elasticsearch;
  }

  #provision(): void {
    const { code, output } = this.tailrace('provision', 'elasticsearch', '-c', 'stack.yaml');
    if (code !== 0) throw new Error(`tailrace provision elasticsearch ended with ${code}:\n${output}`);
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

  #launch(name: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): ServerProcess {
    const { folder } = this.#options;
    return new ServerProcess({ name, command, args, folder, keepFolder: true, env: { ...this.settings, ...env } });
  }

  async #startTailrace(name: string, args: readonly string[]): Promise<{ stop(): Promise<void> }> {
    const server = this.#launch(name, TAILRACE, args);
    const probe = async (): Promise<void> => {
      if (name === 'exporter') await portAnswers(this.#ports.lag);
      else if (this.pidOf('agent') === undefined) throw new Error('its agent does not run yet');
    };
    await server.ready(probe, 60_000);
    return { stop: () => server.end() };
  }

  async #startGenerator(rate: number): Promise<{ stop(): Promise<void> }> {
    const script = join(PROJECT, 'scripts', 'stack-generator.sh');
    const server = this.#launch('generator', script, [this.logFolder, String(rate)], { TAILRACE });
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
    if (this.#ports.lag === PORTS.lag && this.#ports.alertmanager === PORTS.alertmanager) return own;
    const copies = join(folder, 'stack-data', 'alerts');
    cpSync(own, copies, { recursive: true });
    const file = join(copies, 'prometheus.yml');
    const text = readFileSync(file, 'utf8')
      .replaceAll(`127.0.0.1:${PORTS.lag}`, `127.0.0.1:${this.#ports.lag}`)
      .replaceAll(`127.0.0.1:${PORTS.alertmanager}`, `127.0.0.1:${this.#ports.alertmanager}`);
    writeFileSync(file, text);
    return copies;
  }

  /** Of a role that `tailrace run` has started: `agent`, `engine-0`, `sink-search`, … */
  pidOf(role: string): number | undefined {
    const pid = pidIn(join(this.#options.folder, 'stack-data', 'tailrace', 'run'), role);
    // The file of a role that ended stays.
    return pid !== undefined && isAlive(pid) ? pid : undefined;
  }

  async stopGenerator(): Promise<void> {
    await this.#generator?.end();
  }

  /** In the reverse order: whoever writes stops before what it writes to. */
  async stop(): Promise<void> {
    for (const { stop } of this.#started.splice(0).toReversed()) await stop();
    this.#lock?.release();
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function choosePorts(anyPorts: boolean): Promise<Readonly<Record<PortName, number>>> {
  const names = Object.keys(PORTS) as PortName[];
  if (anyPorts) {
    const free = await freePorts(names.length);
    return Object.fromEntries(names.map((name, i) => [name, free[i]])) as Record<PortName, number>;
  }
  const taken: string[] = [];
  for (const name of names) {
    const isTaken = await portAnswers(PORTS[name]).then(
      () => true,
      () => false,
    );
    if (isTaken) taken.push(`${PORTS[name]} (${name})`);
  }
  if (taken.length > 0) throw new Error(`somebody listens on ${taken.join(', ')}: stop that, or use --any-ports`);
  return PORTS;
}

async function portAnswers(port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
  });
}
