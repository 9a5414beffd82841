import { EXIT, OperatingError } from '../../lib/errors.ts';
import type { TopicSpec } from '../broker.ts';
import { BATCH_HEAD_BYTES } from './record-batch.ts';

/** `log`: blocks or epochs, kept until they are trimmed. `table`: the last value of each key. */
export type TopicKind = 'log' | 'table';

export interface TopicSettings {
  readonly replicationFactor: number;
  readonly minInSync: number;
  /** One replica is meant: a laptop, a test, a machine whose disk is trusted. */
  readonly isSingleBroker: boolean;
}

/**
 * A batch is one append, all or none, and an agent puts up to eight blocks of half a megabyte in one. The limit is of the compressed
 * batch; log lines shrink to a tenth, but what does not shrink must go through as well.
 */
const APPEND_BYTES_MAX = 16 * 1024 * 1024;
/** Record framing and what zstd adds to bytes that do not shrink. */
const FRAMING_BYTES = 64 * 1024;

export function neededBatchBytes(spec: TopicSpec, kind: TopicKind): number {
  return (
    (kind === 'table' ? spec.messageBytesMax : Math.max(APPEND_BYTES_MAX, spec.messageBytesMax)) +
    FRAMING_BYTES +
    BATCH_HEAD_BYTES
  );
}

/** How long compaction keeps the record that forgets a group, at least: an engine that is held up for so long still hears of it. */
const FORGOTTEN_KEPT_MS = 7 * 24 * 3_600_000;

interface ConfigEntry {
  readonly name: string;
  readonly value: string;
}

/** What a new topic is made with. Nothing is ever deleted by time or size: trimming is ours, and knows who has read what. */
export function topicConfig(spec: TopicSpec, kind: TopicKind, settings: TopicSettings): ConfigEntry[] {
  const entries: Record<string, string> = {
    'max.message.bytes': `${neededBatchBytes(spec, kind)}`,
    'min.insync.replicas': `${settings.minInSync}`,
    'unclean.leader.election.enable': 'false',
    'message.timestamp.type': 'LogAppendTime',
    ...(kind === 'log'
      ? { 'cleanup.policy': 'delete', 'retention.ms': '-1', 'retention.bytes': '-1' }
      : {
          'cleanup.policy': 'compact',
          'segment.ms': '3600000',
          'min.cleanable.dirty.ratio': '0.1',
          'delete.retention.ms': `${FORGOTTEN_KEPT_MS}`,
        }),
  };
  return Object.entries(entries).map(([name, value]) => ({ name, value }));
}

export interface FoundTopic {
  readonly spec: TopicSpec;
  readonly kind: TopicKind;
  /** The settings in force, defaults of the cluster included. */
  readonly config: ReadonlyMap<string, string>;
  readonly settings: TopicSettings;
  readonly partitions: number;
  /** Of the partition that has the fewest. */
  readonly replicas: number;
}

/** Throws one OperatingError for the first thing that could lose data or stop the work later on. */
export function assertSafe(found: FoundTopic): void {
  const { spec, kind, config, settings, partitions, replicas } = found;
  const { topic } = spec;
  const alter = (entry: string): string =>
    `kafka-configs.sh --bootstrap-server … --alter --topic ${topic} --add-config ${entry}`;
  const refuse = (code: string, what: string, hint: string): never => {
    throw new OperatingError(`topic '${topic}' ${what}`, { code, hint, exitCode: EXIT.config });
  };
  if (partitions !== spec.partitions) {
    refuse(
      'LOG_PARTITIONS_FIXED',
      `has ${partitions} partitions, not ${spec.partitions}`,
      'a stream keeps its partition count for life: set it back, or name a new stream',
    );
  }
  const limit = Number(config.get('max.message.bytes'));
  const needed = neededBatchBytes(spec, kind);
  if (limit < needed) {
    refuse(
      'LOG_MESSAGE_LIMIT',
      `takes batches of ${limit} bytes, ${needed} are needed`,
      alter(`max.message.bytes=${needed}`),
    );
  }
  const policy = kind === 'log' ? 'delete' : 'compact';
  if (config.get('cleanup.policy') !== policy) {
    const what = `has cleanup.policy=${config.get('cleanup.policy')}: ${kind === 'log' ? 'compaction would take records away' : 'cursors would be deleted by age'}`;
    refuse('LOG_RETENTION', what, alter(`cleanup.policy=${policy}`));
  }
  for (const name of kind === 'log' ? ['retention.ms', 'retention.bytes'] : []) {
    if (config.get(name) === '-1') continue;
    refuse(
      'LOG_RETENTION',
      `has ${name}=${config.get(name)}: Kafka would delete what was not read yet`,
      alter(`${name}=-1`),
    );
  }
  if (config.get('message.timestamp.type') !== 'LogAppendTime') {
    refuse(
      'LOG_TIMESTAMPS',
      `has message.timestamp.type=${config.get('message.timestamp.type')}`,
      alter('message.timestamp.type=LogAppendTime'),
    );
  }
  assertReplicated({ topic, config, settings, replicas, refuse, alter });
}

interface ReplicationCheck {
  readonly topic: string;
  readonly config: ReadonlyMap<string, string>;
  readonly settings: TopicSettings;
  readonly replicas: number;
  readonly refuse: (code: string, what: string, hint: string) => never;
  readonly alter: (entry: string) => string;
}

function assertReplicated({ topic, config, settings, replicas, refuse, alter }: ReplicationCheck): void {
  if (config.get('unclean.leader.election.enable') !== 'false') {
    refuse(
      'LOG_UNCLEAN_ELECTION',
      'has unclean.leader.election.enable=true: acknowledged records could be lost',
      alter('unclean.leader.election.enable=false'),
    );
  }
  if (replicas < settings.replicationFactor) {
    refuse(
      'LOG_REPLICATION',
      `has ${replicas} replica${replicas === 1 ? '' : 's'}, ${settings.replicationFactor} are wanted`,
      `kafka-reassign-partitions.sh adds replicas to ${topic}; where one broker is meant, say broker.single_broker: true`,
    );
  }
  const minInSync = Number(config.get('min.insync.replicas'));
  if (minInSync < settings.minInSync) {
    refuse(
      'LOG_MIN_INSYNC',
      `has min.insync.replicas=${minInSync}: an acknowledged record could be on ${minInSync} disk alone`,
      alter(`min.insync.replicas=${settings.minInSync}`),
    );
  }
  if (minInSync > replicas) {
    refuse(
      'LOG_MIN_INSYNC',
      `has min.insync.replicas=${minInSync} and ${replicas} replicas: nothing could be written`,
      alter(`min.insync.replicas=${settings.minInSync}`),
    );
  }
}
