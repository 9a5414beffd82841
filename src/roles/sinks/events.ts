import { z } from 'zod';
import { type Config, type SinkConfig, isShared, sinkGroup } from '../../config/config.ts';
import type { Report, Section, SinkContext, SinkNeighbours } from '../../config/definitions.ts';
import type { Path } from '../../config/document.ts';
import {
  KAFKA_CONNECTION_SHAPE,
  type KafkaConnectionConfig,
  checkKafkaConnection,
  resolveKafkaConnection,
} from '../../config/kafka-broker.ts';
import { suggestion } from '../../config/nearest.ts';
import type { ClusterEvent } from '../cluster-text.ts';
import type { SinkDefinition } from '../definitions.ts';
import type { EventSinkStream } from '../../sinks/events/event-sink.ts';
import { epochTopic, rawTopic } from '../../broker/broker.ts';

/** What Kafka takes as the name of a topic. */
const TOPIC = /^[a-zA-Z0-9._-]{1,249}$/;
const TOPIC_FORM = 'the name of a topic: letters, digits, ., _ and -, at most 249';

const count = (max: number): z.ZodNumber =>
  z
    .int({ error: () => 'expects a whole number' })
    .min(1, { error: () => `must be between 1 and ${max}` })
    .max(max, { error: () => `must be between 1 and ${max}` });

const options = z.strictObject({
  ...KAFKA_CONNECTION_SHAPE,
  brokers: KAFKA_CONNECTION_SHAPE.brokers
    .optional()
    .describe("`host:port`, any of the cluster's. The pipeline's own cluster by default, with its `tls` and `sasl`."),
  topic: z
    .string({ error: () => `expects ${TOPIC_FORM}` })
    .regex(TOPIC, { error: () => `expects ${TOPIC_FORM}` })
    .optional()
    .describe(
      'Where the records go: `<topic_prefix>.events.<pipeline>.<sink>` by default. Made where it is not there; best a topic that nobody else writes.',
    ),
  rollups: z
    .array(z.string({ error: () => 'expects the name of a rollup' }), { error: () => 'expects a list of names' })
    .min(1, { error: () => 'needs at least one rollup' })
    .optional()
    .describe('Rollups whose final rows are written. All by default.'),
  format: z
    .literal('json', { error: () => 'expects json' })
    .prefault('json')
    .describe('One JSON object a record.'),
  partitions: count(64).prefault(1).describe('Partitions of the topic, where it has to be made.'),
  replication_factor: count(7)
    .optional()
    .describe("Replicas of the topic, where it has to be made: those of the pipeline's own topics, else 3."),
  transactional_id: z
    .string({ error: () => 'expects a name' })
    .min(1, { error: () => 'must not be empty' })
    .max(249, { error: () => 'must be at most 249 characters' })
    .optional()
    .describe(
      'Name of the writer: the brokers refuse whatever an earlier process of this name still sends, so that each row is there once without exception. Takes the right to it (`Write`, `Describe`). With `assignment: group` it is `<topic_prefix>.<pipeline>.<sink>` by default, else none.',
    ),
});

export interface EventsSinkConfig extends SinkConfig {
  readonly type: 'events';
  /** Null: the pipeline's own cluster. */
  readonly connection: KafkaConnectionConfig | null;
  readonly topic: string;
  readonly rollups: readonly string[];
  readonly partitions: number;
  readonly replicationFactor: number;
  /** Null: a late append of a process that is dead already is not refused. */
  readonly transactionalId: string | null;
}

/** What the schema of the section alone does not see. */
function check(path: Path, section: Section, known: SinkNeighbours, report: Report): void {
  if (section['brokers'] === undefined && !known.hasOwnCluster) {
    const message = `${path.join('.')}: others cannot read the embedded log, so events need a Kafka`;
    report(path, 'key', { code: 'CONFIG_MISSING_KEY', message, hint: 'add brokers: [host:9092] to the sink' });
  }
  checkKafkaConnection(path, section, report);
  const { rollups } = section;
  for (const [i, name] of Array.isArray(rollups) ? rollups.entries() : []) {
    if (typeof name !== 'string' || known.rollups.includes(name)) continue;
    const hint = suggestion(name, known.rollups) ?? 'add it under rollups';
    const message = `there is no rollup "${name}"`;
    report([...path, 'rollups', i], 'value', { code: 'CONFIG_UNKNOWN_ROLLUP', message, hint });
  }
  for (const key of section['brokers'] === undefined ? ['tls', 'sasl'] : []) {
    if (section[key] === undefined) continue;
    const message = `${key} is of a cluster that the sink names, and it names none`;
    report([...path, key], 'key', { code: 'CONFIG_MISSING_KEY', message, hint: 'add brokers, or leave it out' });
  }
}

/** Where the records of a sink go that names no topic. */
function defaultTopic(of: { readonly topicPrefix: string; readonly pipeline: string; readonly sink: string }): string {
  return `${of.topicPrefix}.events.${of.pipeline}.${of.sink}`;
}

const REPLICAS = 3;

function resolve(section: Section, { name, pipeline, broker, engine, folder }: SinkContext): EventsSinkConfig {
  const { type: _type, ...rest } = section;
  const { brokers, tls, sasl, ...parsed } = rest as z.output<typeof options>;
  const { topicPrefix } = broker;
  const own = brokers === undefined && broker.type === 'kafka' ? broker.replicationFactor : undefined;
  const writer = isShared({ broker, engine }) ? `${topicPrefix}.${pipeline.name}.${name}` : null;
  return {
    type: 'events',
    connection: brokers === undefined ? null : resolveKafkaConnection({ brokers, tls, sasl }, folder),
    topic: parsed.topic ?? defaultTopic({ topicPrefix, pipeline: pipeline.name, sink: name }),
    rollups: parsed.rollups ?? Object.keys(pipeline.rollups),
    partitions: parsed.partitions,
    replicationFactor: parsed.replication_factor ?? own ?? REPLICAS,
    transactionalId: parsed.transactional_id ?? writer,
  };
}

/** The streams whose epochs have rows of its rollups. */
export function eventStreams({ pipeline, broker }: Config, { rollups }: EventsSinkConfig): EventSinkStream[] {
  const streams = new Set(rollups.map((rollup) => pipeline.tables[rollup]!.stream));
  return [...streams].map((stream) => ({
    stream,
    epochs: epochTopic(broker.topicPrefix, pipeline.name, stream),
    raw: rawTopic(broker.topicPrefix, stream),
  }));
}

/** Rows for other services. */
export const eventsSink: SinkDefinition<EventsSinkConfig, ClusterEvent> = {
  type: 'events',
  summary:
    'Final rows as JSON records in a Kafka topic, for other services: each once, with an id by which to drop what a lost answer may have doubled, and in order for each key. The key of a record is a JSON list of rollup and key values; its headers are `id`, `rollup`, `revision`, `sink` and `step`.',
  options,
  example: { topic: 'traffic-per-minute', rollups: ['traffic'] },
  isShared: true,
  waits: false,
  check,
  topicOf({ topic: named, brokers, rollups }, of) {
    const topic = named ?? defaultTopic(of);
    const has = (rollup: string): boolean => !Array.isArray(rollups) || rollups.includes(rollup);
    return typeof topic === 'string' ? { topic, brokers, has } : undefined;
  },
  resolve,
  readers: (config, name, sink) =>
    eventStreams(config, sink).map(({ stream, epochs: topic }) => ({
      group: sinkGroup(config, name),
      topic,
      partitions: config.pipeline.streams[stream]!.partitions,
    })),
  run: async (context, name, sink, { generation }) =>
    (await import('./events-role.ts')).runEvents(context, name, sink, generation),
};
