import { z } from 'zod';
import type { SinkDefinition } from './sink-definition.ts';
import type { Path } from './document.ts';
import {
  KAFKA_CONNECTION_SHAPE,
  type KafkaBrokerConfig,
  type KafkaConnectionConfig,
  checkKafkaConnection,
  resolveKafkaConnection,
} from './kafka-broker.ts';
import { suggestion } from './nearest.ts';
import type { Problem } from './problem.ts';

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

/** Rows for other services. */
export const eventsSink: SinkDefinition = {
  type: 'events',
  summary:
    'Final rows as JSON records in a Kafka topic, for other services: each once, with an id by which to drop what a lost answer may have doubled, and in order for each key. The key of a record is a JSON list of rollup and key values; its headers are `id`, `rollup`, `revision`, `sink` and `step`.',
  options,
  example: { topic: 'traffic-per-minute', rollups: ['traffic'] },
};

export interface EventsSinkConfig {
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

type Report = (path: Path, part: 'key' | 'value', problem: Omit<Problem, 'position'>) => void;
type Section = Readonly<Record<string, unknown>>;

/** What the schema of the section alone does not see. */
export function checkEventsSink(
  path: Path,
  section: Section,
  known: { readonly rollups: readonly string[]; readonly hasOwnCluster: boolean },
  report: Report,
): void {
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
export function defaultEventsTopic(of: {
  readonly topicPrefix: string;
  readonly pipeline: string;
  readonly sink: string;
}): string {
  return `${of.topicPrefix}.events.${of.pipeline}.${of.sink}`;
}

const REPLICAS = 3;

export function resolveEventsSink(
  section: Section,
  context: {
    readonly sink: string;
    readonly pipeline: string;
    readonly topicPrefix: string;
    /** The pipeline's own cluster. */
    readonly cluster: KafkaBrokerConfig | undefined;
    readonly rollups: readonly string[];
    readonly folder: string;
    /** Several hosts run it, one at a time. */
    readonly isShared: boolean;
  },
): EventsSinkConfig {
  const { type: _type, ...rest } = section;
  const { brokers, tls, sasl, ...parsed } = rest as z.output<typeof options>;
  const { sink, pipeline, topicPrefix, cluster, folder, isShared } = context;
  return {
    type: 'events',
    connection: brokers === undefined ? null : resolveKafkaConnection({ brokers, tls, sasl }, folder),
    topic: parsed.topic ?? defaultEventsTopic({ topicPrefix, pipeline, sink }),
    rollups: parsed.rollups ?? context.rollups,
    partitions: parsed.partitions,
    replicationFactor:
      parsed.replication_factor ?? (brokers === undefined ? cluster?.replicationFactor : undefined) ?? REPLICAS,
    transactionalId: parsed.transactional_id ?? (isShared ? `${topicPrefix}.${pipeline}.${sink}` : null),
  };
}
