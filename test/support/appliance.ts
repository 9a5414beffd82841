import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { EXIT } from '../../src/lib/errors.ts';
import type { AuditResult } from '../../src/query/audit.ts';
import { partitionOf, sourceId } from '../../src/record/source.ts';
import type { KafkaProbe } from './kafka-probe.ts';
import { type LogEnds, logEnds } from './log-probe.ts';
import { type Ended, Tailrace, tailrace, workFolder } from './tailrace-process.ts';

export type Environment = Readonly<Record<string, string>>;
export type Role = 'agent' | 'engine' | 'sink';

/** A role by the name of its lock. */
export type LockedRole = 'run' | 'agent' | 'engine' | `engine-${number}` | `sink-${string}`;

/** What a test wants to be other than usual. Everything else is small and fast: many epochs, many snapshots, everything trimmed. */
export interface ApplianceOptions {
  readonly outOfOrderness?: string;
  readonly idleTimeout?: string;
  readonly interval?: string;
  readonly snapshotAfter?: string;
  readonly retain?: string;
  /** For how long a copy waits to be a file of its own. */
  readonly copyGrace?: string;
  /** YAML of `sources`; every file of `logs` by default. */
  readonly sources?: string;
  /** YAML of `rollups`. */
  readonly rollups?: string;
  /** YAML of `sinks`; the warehouse alone by default. */
  readonly sinks?: string;
  /** A folder that takes the place of `data`. */
  readonly dataDir?: string;
  /** A real Kafka in place of the embedded log. */
  readonly kafka?: KafkaProbe;
  readonly partitions?: number;
  /** Engine processes. */
  readonly workers?: number;
  readonly assignment?: 'static' | 'group';
  /** The agent's, on Kafka; any by default. */
  readonly agentId?: string;
}

/** An agent whose first sources lie in a partition each: where one partition has none, final rows wait up to 30 s for its position. */
export function spreadAgent(partitions: number): string {
  for (;;) {
    const agent = randomUUID();
    const taken = Array.from({ length: partitions }, (_, i) => partitionOf(sourceId(agent, i + 1), partitions));
    if (new Set(taken).size === partitions) return agent;
  }
}

/** The rollups most tests have; row-oracle.ts says the same in SQL. */
export const ROLLUPS = `
  traffic: { from: access, by: [url.path, http.response.status_code], window: { type: tumbling, size: 1m },
    measures: { requests: count, bytes: sum(http.response.body.bytes), least: min(http.response.body.bytes), most: max(http.response.body.bytes),
      failed: "count(*) filter (where http.response.status_code >= 400)", moved: "sum(http.response.body.bytes) filter (where http.response.status_code < 400)" } }
  large: { from: access, where: http.response.body.bytes > 10000, by: [source.address], window: { type: tumbling, size: 5m },
    measures: { requests: count(*), excess: sum(http.response.body.bytes - 10000) } }
  clients: { from: access, by: [source.address], window: { type: tumbling, size: 1h }, measures: { requests: count, bytes: sum(http.response.body.bytes) } }`;

const ROLE_ARGS: Readonly<Record<Role, readonly string[]>> = {
  agent: ['agent'],
  engine: ['engine'],
  sink: ['sink', 'warehouse'],
};

/** Each appliance on one Kafka has topics and groups of its own. */
let appliances = 0;

/** How long a process may take to its end: more than a slow machine needs, less than the patience of a test. */
const END_MS = process.env['TAILRACE_SOAK'] === '1' ? 3_600_000 : 180_000;

/** A folder with log files, a configuration and a data_dir, and the real processes that a test starts for them. */
export class Appliance {
  readonly folder: string;
  readonly logs: string;
  readonly dataDir: string;
  readonly #work = workFolder();
  readonly topicPrefix: string;
  readonly #options: ApplianceOptions;
  readonly #agentId: string;
  readonly #ends: (() => void)[] = [];
  readonly #started: { readonly name: string; readonly process: Tailrace }[] = [];

  constructor(options: ApplianceOptions = {}) {
    this.#options = options;
    this.#agentId = options.agentId ?? randomUUID();
    this.topicPrefix = options.kafka === undefined ? 'tailrace' : `t${process.pid}-${++appliances}`;
    this.folder = this.#work.path;
    this.logs = join(this.folder, 'logs');
    this.dataDir = options.dataDir ?? join(this.folder, 'data');
    mkdirSync(this.logs);
    this.configure({});
  }

  /** Writes the configuration again, with changes. */
  configure(changes: ApplianceOptions): void {
    writeFileSync(this.config, this.#text({ ...this.#options, ...changes }));
  }

  get config(): string {
    return join(this.folder, 'tailrace.yaml');
  }

  log(name: string): string {
    return join(this.logs, name);
  }

  start(args: readonly string[], environment: Environment = {}): Tailrace {
    const process = new Tailrace(args, { cwd: this.folder, environment });
    this.#started.push({ name: args.join(' '), process });
    return process;
  }

  /** Starts one role alone. */
  role(role: Role, environment: Environment = {}): Tailrace {
    return this.start([...ROLE_ARGS[role], '-c', this.config], environment);
  }

  /** Starts engine `index` of `workers`; of a group the numbers only tell them apart. */
  worker(index: number, workers: number, environment: Environment = {}): Tailrace {
    const args = ['engine', '-c', this.config, '--worker', `${index}`, '--workers', `${workers}`];
    return this.start(args, environment);
  }

  /** The configuration's own number of workers. */
  get workers(): number {
    return this.#options.workers ?? 1;
  }

  get partitions(): number {
    return this.#options.partitions ?? 1;
  }

  /** Where raw and epochs begin and end, added up over the partitions. */
  async logEnds(): Promise<LogEnds> {
    const { kafka } = this.#options;
    return kafka === undefined ? logEnds(this.dataDir) : kafka.logEnds(this.topicPrefix, 'web', 'access');
  }

  /** Where the epochs of each partition end, on Kafka. */
  async epochEnds(): Promise<readonly number[]> {
    return (await this.#options.kafka?.epochEnds(this.topicPrefix, 'web', 'access')) ?? [];
  }

  /** Starts all roles under their supervisor. */
  supervised(environment: Environment = {}): Tailrace {
    return this.start(['run', '-c', this.config], environment);
  }

  /** `run --once` to its end, whatever it is. */
  once(environment: Environment = {}, withinMs = END_MS): Promise<Ended> {
    return endOf(this.start(['run', '-c', this.config, '--once', '--json'], environment), withinMs);
  }

  /** Reads every file to its end and stores everything; returns what the run said of it. */
  async drain(environment: Environment = {}, withinMs = END_MS): Promise<AuditResult> {
    const { code, stdout, stderr } = await this.once(environment, withinMs);
    // Loads that come late or damaged on purpose end with words and a code about it.
    if (![0, EXIT.badData, EXIT.unusedLines].includes(code ?? -1))
      throw new Error(`run --once ended with ${code}: ${stderr}`);
    return (JSON.parse(stdout) as { audit: AuditResult }).audit;
  }

  async audit(): Promise<{ readonly code: number | null; readonly result: AuditResult }> {
    const { code, stdout, stderr } = await tailrace(['audit', '-c', this.config, '--json'], { cwd: this.folder });
    if (stdout === '') throw new Error(`audit ended with ${code}: ${stderr}`);
    return { code, result: JSON.parse(stdout) as AuditResult };
  }

  /** The process that holds a role's lock, as it wrote it down; undefined while there is none. */
  pidOf(role: LockedRole): number | undefined {
    const path = join(this.dataDir, 'run', `${role}.pid`);
    const pid = existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0;
    return pid > 0 ? pid : undefined;
  }

  /** Kills who holds a role's lock. False where there is no such process: a role that ended leaves its number behind. */
  kill(role: LockedRole): boolean {
    const pid = this.pidOf(role);
    try {
      return pid !== undefined && process.kill(pid, 'SIGKILL');
    } catch {
      return false;
    }
  }

  /** Ends every process that still runs, the quiet way. */
  async stop(): Promise<void> {
    const running = this.#started.filter(({ process }) => process.child.exitCode === null);
    for (const { process } of running) process.child.kill('SIGTERM');
    await Promise.all(running.map(({ process }) => endOf(process)));
  }

  /** The last that each process said. */
  report(): string {
    return this.#started
      .filter(({ process }) => process.stderr !== '')
      .slice(-12)
      .map(({ name, process }) => `── ${name} (${process.pid})\n${process.stderr.slice(-1500)}`)
      .join('\n');
  }

  /** Called before the folder goes: whoever writes into it must end then, also when the test has failed. */
  onRemove(end: () => void): void {
    this.#ends.push(end);
  }

  /** Kills what runs and removes the folder. */
  remove(): void {
    for (const end of this.#ends) end();
    for (const { process } of this.#started) if (process.child.exitCode === null) process.child.kill('SIGKILL');
    this.#work.remove();
  }

  #text(options: ApplianceOptions): string {
    const {
      outOfOrderness = '10m',
      idleTimeout = '1h',
      interval = '100ms',
      snapshotAfter = '64KiB',
      retain = '0s',
      rollups = ROLLUPS,
      copyGrace = '30s',
      sources = ` { web: { type: file, include: ['${this.logs}/*'], stream: access, copy_grace: ${copyGrace} } }`,
    } = options;
    const { kafka, partitions = 1, workers = 1, assignment = 'static' } = options;
    const broker =
      kafka === undefined
        ? `broker: { type: embedded, retain: ${retain} }`
        : `broker: { type: kafka, brokers: [${kafka.brokers.map((address) => `'${address}'`).join(', ')}], topic_prefix: ${this.topicPrefix},
  ${kafka.brokers.length === 1 ? 'single_broker: true, ' : ''}retain: ${retain} }
agent: { id: ${this.#agentId} }`;
    return `version: 1
name: web
data_dir: ${this.dataDir}
${broker}
sources:${sources}
streams:
  access:
    codec: { type: combined }
    partitions: ${partitions}
    event_time: { out_of_orderness: ${outOfOrderness}, idle_timeout: ${idleTimeout} }
rollups:${rollups}
${options.sinks === undefined ? '' : `sinks:${options.sinks}`}
engine: { workers: ${workers}, assignment: ${assignment}, checkpoint: { interval: ${interval} }, snapshot_after: ${snapshotAfter} }
`;
  }
}

/** How a process ended; an error if it does not. */
export async function endOf(process: Tailrace, withinMs = END_MS): Promise<Ended> {
  const timer = new AbortController();
  const ended = process.ended.finally(() => timer.abort());
  await systemClock.sleep(withinMs, timer.signal);
  if (!timer.signal.aborted) throw new Error(`process ${process.pid} did not end in ${withinMs} ms: ${process.stderr}`);
  return ended;
}

/** A test over an appliance: when it fails, what the processes said is part of the message. */
export async function withAppliance(
  options: ApplianceOptions,
  work: (appliance: Appliance) => Promise<void>,
): Promise<void> {
  const appliance = new Appliance(options);
  try {
    await work(appliance);
  } catch (error) {
    if (error instanceof Error) error.message += `\n${appliance.report()}`;
    throw error;
  } finally {
    appliance.remove();
  }
}
