import type { Pipeline } from '../epoch/pipeline.ts';
import type { RestartOptions } from '../supervisor/restart-strategy.ts';
import type { KafkaBrokerConfig } from './kafka-broker.ts';
import type { ListenAddress } from '../lib/listen-address.ts';

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
  readonly restart: RestartOptions;
  readonly observe: ObserveConfig;
}

export type BrokerConfig = EmbeddedBrokerConfig | KafkaBrokerConfig;

/** How a run shows what it does. */
export interface ObserveConfig {
  /** Null: on its socket alone. */
  readonly listen: ListenAddress | null;
  /** What clients must bring. */
  readonly token: string | null;
}

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

/** One entry of `sources`; its kind knows what else there is. */
export interface InputConfig {
  readonly name: string;
  readonly type: string;
  readonly stream: string;
}

/** One entry of `sinks`; its kind knows what else there is. */
export interface SinkConfig {
  readonly type: string;
}

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

type Sharing = Pick<Config, 'broker'> & { readonly engine: Pick<Config['engine'], 'assignment'> };

/** Whether workers of several hosts share the partitions. */
export function isShared<C extends Sharing>(config: C): config is C & { readonly broker: KafkaBrokerConfig } {
  return config.broker.type === 'kafka' && config.engine.assignment === 'group';
}

/** The consumer group of a sink that all hosts share. */
export function sinkGroup({ name }: Pick<Config, 'name'>, sink: string): string {
  return `${name}.${sink}`;
}

/** The tables that this run fills. A folder of runs without a configuration has those of other logs besides, which stand still meanwhile. */
export function filledTables({ inputs, pipeline }: Pick<Config, 'inputs' | 'pipeline'>): string[] {
  const fed = new Set(inputs.map(({ stream }) => stream));
  return Object.keys(pipeline.rollups).filter((name) => fed.has(pipeline.tables[name]!.stream));
}
