// A real Kafka for a test: one broker or three, in KRaft mode, each also a controller, as processes of this machine.
//
//   const kafka = await startKafka({ brokers: 3 });
//   … kafka.brokers … await kafka.kill(2); await kafka.restart(2); … await kafka.stop();
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { TlsFiles } from './certificates.ts';
import { makeCertificates } from './certificates.ts';
import { awaitBrokers } from './kafka-probe.ts';
import type { KafkaNode, KafkaSecurity } from './kafka-properties.ts';
import { LOG_PROPERTIES, nodeProperties } from './kafka-properties.ts';
import type { ServerObserver } from './server-process.ts';
import { ServerProcess, freePorts } from './server-process.ts';
import { cachedFolder, downloadByMaven } from './stack-cache.ts';
import { findJava, javaStartFlags } from './tools.ts';

const run = promisify(execFile);

export const KAFKA_VERSION = '4.1.0';
export const KAFKA_JAVA = 17;
/** Every cluster of the tests is alone, so one id does for all. */
const CLUSTER_ID = 'tailrace-test-cluster1';
const START_TIMEOUT_MS = 180_000;

type Properties = Readonly<Record<string, string>>;

export interface KafkaOptions {
  readonly brokers?: 1 | 3;
  /** Of each broker, in MiB. */
  readonly heapMiB?: number;
  /** TLS on the listener of the clients; `mutual` asks them for a certificate. */
  readonly tls?: boolean | 'mutual';
  /** This user may come by PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; nobody else may. */
  readonly sasl?: { readonly username: string; readonly password: string };
  /** Over the ones of `kafka-properties.ts`. */
  readonly properties?: Readonly<Record<string, string>>;
  /** What each broker says its address is, for clients that must come through a proxy: `host:port`, one a broker. */
  readonly advertised?: readonly string[];
  /** Ports of the listeners of the clients, where they must be known before. */
  readonly ports?: readonly number[];
  /** Where its data goes, and stays; else a temporary folder, which `stop` removes. */
  readonly folder?: string;
  readonly observer?: ServerObserver;
}

export interface Kafka {
  /** For clients: `host:port`, one a broker; those that were `advertised`, if any. */
  readonly brokers: readonly string[];
  /** What listens behind `brokers`: the targets of the proxies. */
  readonly targets: readonly string[];
  /** A second listener of each broker, without TLS, SASL or proxy: for the test's own looking. */
  readonly direct: readonly string[];
  /** For clients, where TLS is on. */
  readonly tls?: TlsFiles;
  /** Of broker `node`, 1 or 1 … 3. */
  pid(node?: number): number;
  /** By SIGKILL. */
  kill(node?: number): Promise<void>;
  /** By SIGTERM: a controlled shutdown, which hands leaderships over. */
  shutdown(node?: number): Promise<void>;
  /** Starts it again on the same data and ports, after a shutdown if it still runs. */
  restart(node?: number): Promise<void>;
  signal(signal: NodeJS.Signals, node?: number): void;
  /** The log directory: to be copied, or damaged, while the broker is down. */
  dataDir(node?: number): string;
  /** Its last lines. */
  tail(node?: number): string;
  stop(): Promise<void>;
}

/** Downloads the jars if they are not there yet, and says where they are. */
export async function kafkaJars(): Promise<string> {
  return await cachedFolder(`kafka-${KAFKA_VERSION}`, async (folder) => {
    const artifact = (name: string) => ({ group: 'org.apache.kafka', artifact: name, version: KAFKA_VERSION });
    await downloadByMaven([artifact('kafka_2.13'), artifact('kafka-tools')], folder);
  });
}

export async function startKafka(options: KafkaOptions = {}): Promise<Kafka> {
  const java = findJava(KAFKA_JAVA);
  if (java === undefined) throw new Error(`Kafka needs a Java of version ${KAFKA_JAVA} or later`);
  const classpath = join(await kafkaJars(), '*');
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'tailrace-kafka-')));
  await mkdir(folder, { recursive: true });
  const cluster = new KafkaCluster(folder, join(java.home, 'bin', 'java'), classpath, options);
  try {
    await cluster.start();
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

class KafkaCluster implements Kafka {
  brokers: readonly string[] = [];
  targets: readonly string[] = [];
  direct: readonly string[] = [];
  tls?: TlsFiles;
  readonly #folder: string;
  readonly #java: string;
  readonly #classpath: string;
  readonly #options: KafkaOptions;
  #nodes: readonly KafkaNode[] = [];
  readonly #running = new Map<number, ServerProcess>();

  constructor(folder: string, java: string, classpath: string, options: KafkaOptions) {
    this.#folder = folder;
    this.#java = java;
    this.#classpath = classpath;
    this.#options = options;
  }

  async start(): Promise<void> {
    const security = await this.#makeSecurity();
    this.#nodes = await this.#placeNodes();
    this.targets = this.#nodes.map(({ clientPort }) => `127.0.0.1:${clientPort}`);
    this.direct = this.#nodes.map(({ directPort }) => `127.0.0.1:${directPort}`);
    this.brokers = this.#nodes.map(({ advertised }) => advertised);
    await writeFile(join(this.#folder, 'log4j2.properties'), LOG_PROPERTIES);
    await Promise.all(this.#nodes.map((node) => this.#format(node, security)));
    for (const node of this.#nodes) this.#launch(node);
    await Promise.all(this.#nodes.map(({ id }) => this.#ready(id)));
  }

  async #makeSecurity(): Promise<KafkaSecurity> {
    const { tls = false, sasl } = this.#options;
    if (tls === false) return { ...(sasl && { sasl }) };
    const certificates = await makeCertificates(this.#folder);
    this.tls = certificates.client;
    return { ...(sasl && { sasl }), tls: { certificates, isMutual: tls === 'mutual' } };
  }

  async #placeNodes(): Promise<KafkaNode[]> {
    const { brokers = 1, advertised, ports } = this.#options;
    const free = await freePorts(brokers * 3);
    const port = (index: number): number => free[index] as number;
    return Array.from({ length: brokers }, (_, i) => {
      const clientPort = ports?.[i] ?? port(i * 3);
      return {
        id: i + 1,
        clientPort,
        directPort: port(i * 3 + 1),
        controllerPort: port(i * 3 + 2),
        advertised: advertised?.[i] ?? `127.0.0.1:${clientPort}`,
        dataFolder: join(this.#folder, `node-${i + 1}`),
      };
    });
  }

  async #format(node: KafkaNode, security: KafkaSecurity): Promise<void> {
    const properties = { ...nodeProperties(node, this.#nodes, security), ...this.#options.properties };
    await writeProperties(this.#propertiesFile(node.id), properties);
    const data = properties['log.dirs'] ?? node.dataFolder;
    if (existsSync(join(data, 'meta.properties'))) return;
    await cp(await this.#formatted(node, security, properties), data, { recursive: true });
  }

  /**
   * An empty log directory, formatted. It says nothing of ports or paths, so it is made once for each node id and user, and copied:
   * that saves every start the time of a second Java.
   */
  async #formatted(node: KafkaNode, { sasl }: KafkaSecurity, properties: Properties): Promise<string> {
    const user = `[name=${sasl?.username},password=${sasl?.password}]`;
    const users = sasl ? ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((name) => ['--add-scram', `${name}=${user}`]) : [];
    const key = createHash('sha256')
      .update([node.id, ...users].join('\n'))
      .digest('hex')
      .slice(0, 12);
    const template = await cachedFolder(`kafka-${KAFKA_VERSION}-formatted-${key}`, async (folder) => {
      const file = join(folder, 'server.properties');
      await writeProperties(file, { ...properties, 'log.dirs': join(folder, 'data') });
      const format = ['format', `--cluster-id=${CLUSTER_ID}`, '--config', file, ...users];
      await run(this.#java, [...this.#javaFlags(128), 'kafka.tools.StorageTool', ...format], { maxBuffer: 16 << 20 });
    });
    return join(template, 'data');
  }

  #javaFlags(heapMiB: number): string[] {
    const logging = `-Dlog4j2.configurationFile=${join(this.#folder, 'log4j2.properties')}`;
    const memory = [`-Xmx${heapMiB}m`, '-XX:+UseSerialGC', '-XX:MaxDirectMemorySize=256m'];
    return [...memory, ...javaStartFlags(), logging, '-cp', this.#classpath];
  }

  #propertiesFile(id: number): string {
    return join(this.#folder, `server-${id}.properties`);
  }

  #launch(node: KafkaNode): void {
    const heapMiB = this.#options.heapMiB ?? (this.#nodes.length === 1 ? 512 : 384);
    const server = new ServerProcess({
      name: `Kafka broker ${node.id}`,
      command: this.#java,
      args: [...this.#javaFlags(heapMiB), 'kafka.Kafka', this.#propertiesFile(node.id)],
      folder: this.#folder,
      keepFolder: this.#options.folder !== undefined,
      observer: this.#options.observer,
    });
    this.#running.set(node.id, server);
  }

  async #ready(id: number): Promise<void> {
    const { directPort } = this.#node(id);
    const expected = [...this.#running.entries()].filter(([, { isRunning }]) => isRunning).map(([node]) => node);
    await this.#server(id).ready(() => awaitBrokers(`127.0.0.1:${directPort}`, expected), START_TIMEOUT_MS);
  }

  #node(id: number): KafkaNode {
    const node = this.#nodes[id - 1];
    if (node === undefined) throw new Error(`no broker ${id}: there are ${this.#nodes.length}`);
    return node;
  }

  #server(id: number): ServerProcess {
    const server = this.#running.get(this.#node(id).id);
    if (server === undefined) throw new Error(`broker ${id} was never started`);
    return server;
  }

  pid(node = 1): number {
    return this.#server(node).pid;
  }

  async kill(node = 1): Promise<void> {
    await this.#server(node).end('SIGKILL');
  }

  async shutdown(node = 1): Promise<void> {
    await this.#server(node).end('SIGTERM');
  }

  async restart(node = 1): Promise<void> {
    await this.shutdown(node);
    this.#launch(this.#node(node));
    await this.#ready(node);
  }

  signal(signal: NodeJS.Signals, node = 1): void {
    this.#server(node).signal(signal);
  }

  dataDir(node = 1): string {
    return this.#node(node).dataFolder;
  }

  tail(node = 1): string {
    return this.#server(node).tail();
  }

  async stop(): Promise<void> {
    // A folder that stays is worth a clean shutdown; of one that goes, nothing need be tidy.
    const signal = this.#options.folder === undefined ? 'SIGKILL' : 'SIGTERM';
    await Promise.all([...this.#running.values()].map((server) => server.end(signal)));
    if (this.#options.folder === undefined) await rm(this.#folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

async function writeProperties(file: string, properties: Properties): Promise<void> {
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}`);
  await writeFile(file, `${lines.join('\n')}\n`, { mode: 0o600 });
}

/** A copy of a broker's data, to put back later as a broker restored from an old disk. */
export async function copyData(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await cp(from, to, { recursive: true });
}
