import type { Pipeline } from '../epoch/pipeline.ts';
import type { DuckdbSinkConfig } from './duckdb-sink.ts';
import type { ElasticsearchSinkConfig } from './elasticsearch-sink.ts';
import type { EventsSinkConfig } from './events-sink.ts';
import type { KafkaBrokerConfig } from './kafka-broker.ts';
import type { TopicsInputConfig } from './kafka-source.ts';

/**
 * What a configuration means, with every default filled in and every path absolute: plain JSON, so that `run` can hand it to
 * the roles it starts exactly as it was loaded.
 */
export interface Config {
  /** The file it came from; null for a configuration made of log files named on the command line. */
  readonly file: string | null;
  readonly name: string;
  readonly dataDir: string;
  readonly broker: BrokerConfig;
  readonly agent: AgentConfig;
  readonly inputs: readonly InputConfig[];
  readonly pipeline: Pipeline;
  readonly sinks: Readonly<Record<string, SinkConfig>>;
  readonly engine: EngineConfig;
  readonly checkpoint: CheckpointConfig;
  /** Bytes of epochs after which a snapshot is due. */
  readonly snapshotBytes: number;
}

export type BrokerConfig = EmbeddedBrokerConfig | KafkaBrokerConfig;

export interface AgentConfig {
  /** Null: minted in `data_dir`. */
  readonly id: string | null;
}

export interface EmbeddedBrokerConfig {
  readonly type: 'embedded';
  readonly topicPrefix: string;
  readonly retainMs: number;
  readonly diskBytesMax: number;
}

/** One entry of `sources`. */
export type InputConfig = FilesInputConfig | TopicsInputConfig;

export interface FilesInputConfig {
  readonly name: string;
  readonly type: 'file';
  readonly stream: string;
  /** Absolute patterns. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly lineBytesMax: number;
  readonly copyGraceMs: number;
}

export type SinkConfig = DuckdbSinkConfig | ElasticsearchSinkConfig | EventsSinkConfig;

export interface EngineConfig {
  /** Engine processes: with the static assignment all there are, with `group` those that one host's supervisor starts. */
  readonly workers: number;
  readonly assignment: 'static' | 'group';
}

export interface CheckpointConfig {
  readonly intervalMs: number;
  readonly minPauseMs: number;
  readonly timeoutMs: number;
}

export { ROLLUP_COLUMNS as RESERVED_COLUMNS } from '../sinks/duckdb/names.ts';

/** The column of a field: whatever SQL would need quotes for becomes an underscore. */
export function columnOf(field: string): string {
  return field.replaceAll(/[^A-Za-z0-9_]/g, '_');
}

/** The consumer group of the lane of an Elasticsearch sink that makes documents of rollup rows. */
export function rollupGroup(config: Config, sink: string): string {
  return `${sinkGroup(config, sink)}.rollups`;
}

type Sharing = Pick<Config, 'broker'> & { readonly engine: Pick<Config['engine'], 'assignment'> };

/** Whether workers of several hosts share the partitions. */
export function isShared<C extends Sharing>(config: C): config is C & { readonly broker: KafkaBrokerConfig } {
  return config.broker.type === 'kafka' && config.engine.assignment === 'group';
}

/** The consumer group of a sink. A warehouse is a file, so of several hosts each has its own, which reads for itself. */
export function sinkGroup(config: Config, sink: string): string {
  const { name, sinks, agent } = config;
  const isOfHost = isShared(config) && sinks[sink]?.type === 'duckdb' && agent.id !== null;
  return isOfHost ? `${name}.${sink}.${agent.id}` : `${name}.${sink}`;
}

/** The consumer group of a warehouse's replica. */
export function replicaGroup(config: Config, sink: string): string {
  return `${sinkGroup(config, sink)}.replica`;
}

/** The tables that this run fills. A folder of runs without a configuration has those of other logs besides, which stand still meanwhile. */
export function filledTables({ inputs, pipeline }: Pick<Config, 'inputs' | 'pipeline'>): string[] {
  const fed = new Set(inputs.map(({ stream }) => stream));
  return Object.keys(pipeline.rollups).filter((name) => fed.has(pipeline.tables[name]!.stream));
}

/** Whether there are tables that can be asked. */
export function hasWarehouse({ sinks }: Pick<Config, 'sinks'>): boolean {
  return Object.values(sinks).some(({ type }) => type === 'duckdb');
}
