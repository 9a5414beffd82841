import { z } from 'zod';
import type { TopicsInput } from '../../agent/source-input.ts';
import type { StartPoint, TopicsOptions } from '../../agent/topics/topics-options.ts';
import { present } from '../../lib/assert.ts';
import { duration, size } from '../../lib/units.ts';
import type { InputConfig } from '../../config/config.ts';
import type { Report, Section, SourceContext, SourceNeighbours } from '../../config/definitions.ts';
import type { Path } from '../../config/document.ts';
import {
  KAFKA_CONNECTION_SHAPE,
  type KafkaConnectionConfig,
  checkKafkaConnection,
  resolveKafkaConnection,
} from '../../config/kafka-broker.ts';
import { checkKafkaTopics, earlierPatterns, topicPattern } from './kafka-topics.ts';
import { dotted } from '../../config/issues.ts';
import type { SourceDefinition } from '../definitions.ts';
import { kafkaClientOptions } from '../kafka-client.ts';

const LINE_BYTES_MAX_DEFAULT = '256KiB';
/** What Kafka takes as the name of a topic. */
const TOPIC = /^[a-zA-Z0-9._-]{1,249}$/;
const ISO_TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:?\d\d))?$/;

const text = z.string({ error: () => 'expects text' }).min(1, { error: () => 'must not be empty' });
const topicName = z.string({ error: () => 'expects the name of a topic' }).regex(TOPIC, {
  error: () => 'is not a name of a topic: letters, digits, ., _ and -, at most 249',
});
const oneOf = <const Words extends readonly [string, ...string[]]>(
  words: Words,
): z.ZodEnum<{ [Word in Words[number]]: Word }> => z.enum(words, { error: () => `expects one of ${words.join(', ')}` });

const OFFSET_FORM = 'an offset: a whole number from 0';
const offsets = z.record(
  topicName,
  z.record(
    z.string().regex(/^\d{1,6}$/, { error: () => 'expects the number of a partition' }),
    z.int({ error: () => `expects ${OFFSET_FORM}` }).min(0, { error: () => `expects ${OFFSET_FORM}` }),
    { error: () => 'expects { partition: offset }' },
  ),
);
const START_FORM =
  'expects earliest, latest, a time such as 2026-01-31T08:00:00Z, or offsets: { topic: { partition: offset } }';
const start = z.union(
  [
    z.enum(['earliest', 'latest']),
    z
      .string()
      .regex(ISO_TIME, { error: () => START_FORM, abort: true })
      .refine((written) => !Number.isNaN(Date.parse(written)), { error: () => START_FORM }),
    offsets,
  ],
  { error: () => START_FORM },
);

const kafkaOptions = z.strictObject({
  ...KAFKA_CONNECTION_SHAPE,
  brokers: KAFKA_CONNECTION_SHAPE.brokers
    .optional()
    .describe("`host:port`, any of the cluster's. The pipeline's own cluster by default, with its `tls` and `sasl`."),
  topics: z
    .array(topicName, { error: () => 'expects a list of topics' })
    .min(1, { error: () => 'needs at least one topic' })
    .max(1000, { error: () => 'takes at most 1000 topics' })
    .optional()
    .describe('Topics by name.'),
  topic_pattern: text
    .max(1000, { error: () => 'must be at most 1000 characters' })
    .optional()
    .describe(
      "Topics by a regular expression that the whole name matches; never Tailrace's own nor Kafka's internal ones. What the pattern of an earlier source of the same stream and cluster matches is left to that one.",
    ),
  discovery_interval: duration({ min: '1s', max: '1d' })
    .prefault('30s')
    .describe('How often new topics and partitions are looked for. What they hold is then read from its beginning.'),
  start: start
    .prefault('earliest')
    .describe(
      'Where reading begins that has never begun before: `earliest`, `latest`, a time (`2026-01-31T08:00:00Z`), or offsets, `{ topic: { partition: offset } }`; a partition that is not named is read from its beginning.',
    ),
  isolation: oneOf(['read_committed', 'read_uncommitted'])
    .prefault('read_committed')
    .describe('Whether records of transactions that are open or were given up are left out.'),
  envelope: oneOf(['none', 'json'])
    .prefault('none')
    .describe(
      'What a line is: the value of a record, or a JSON object with `key`, `headers`, `topic`, `partition`, `offset`, `timestamp`, `timestamp_ms` and `value`, for a stream of `json`.',
    ),
  tombstones: oneOf(['keep', 'skip'])
    .prefault('keep')
    .describe('Records without a value: an empty line (in an envelope `"value":null`), or left out.'),
  agent: text
    .optional()
    .describe(
      'The `agent.id` that reads it, where agents of several hosts share this file: files are of a host, topics are not.',
    ),
  group: text
    .max(249, { error: () => 'must be at most 249 characters' })
    .optional()
    .describe(
      'A consumer group to commit offsets for, so that lag boards of that cluster show it. They are never read back.',
    ),
  line_bytes_max: size({ min: '64B', max: '511KiB' })
    .prefault(LINE_BYTES_MAX_DEFAULT)
    .describe('Bytes of a line that are kept; a longer one is cut and flagged. Less than a block.'),
});

/** One entry of `sources` of the type `kafka`. */
export interface TopicsInputConfig extends InputConfig, Omit<TopicsOptions, 'client' | 'isJson' | 'ownPrefix'> {
  readonly type: 'kafka';
  readonly lineBytesMax: number;
  readonly connection: KafkaConnectionConfig;
  /** Null: any agent that has this configuration. */
  readonly agent: string | null;
}

type KafkaSource = z.output<typeof kafkaOptions> & { readonly stream: string };

/** What the schema of one source alone does not see. */
function check(sources: readonly (readonly [string, Section])[], neighbours: SourceNeighbours, report: Report): void {
  for (const [name, section] of sources) {
    checkKafkaSource(['sources', name], section, neighbours.broker !== undefined, report);
    checkEnvelope(['sources', name], section, neighbours, report);
  }
  checkKafkaTopics(sources, neighbours, report);
}

/** An envelope is JSON, whatever the value in it is. */
function checkEnvelope(
  path: Path,
  { envelope, stream }: Section,
  { streams, codecs }: SourceNeighbours,
  report: Report,
): void {
  const { codec } = (streams?.[String(stream)] ?? {}) as Section;
  const type = (codec as Section | null | undefined)?.['type'];
  if (envelope !== 'json' || typeof type !== 'string' || codecs[type]?.isJson === true) return;
  const message = `an envelope is JSON, and the stream ${String(stream)} has lines of ${type}: none could be read`;
  const hint = 'leave envelope out, or give the stream codec: { type: json }';
  report([...path, 'envelope'], 'value', { code: 'CONFIG_VALUE', message, hint });
}

function checkKafkaSource(path: Path, section: Section, hasOwnBrokers: boolean, report: Report): void {
  const has = (key: string): boolean => section[key] !== undefined;
  if (!has('topics') && !has('topic_pattern')) {
    const hint = 'name topics, or a topic_pattern';
    report(path, 'key', { code: 'CONFIG_MISSING_KEY', message: `${path.join('.')} names no topics`, hint });
  }
  if (!has('brokers') && !hasOwnBrokers) {
    const message = `${path.join('.')} names no brokers, and this pipeline has none of its own`;
    report(path, 'key', { code: 'CONFIG_MISSING_KEY', message, hint: 'add brokers: [host:9092]' });
  }
  checkPattern([...path, 'topic_pattern'], section['topic_pattern'], report);
  checkKafkaConnection(path, section, report);
  if (has('brokers')) return;
  for (const key of ['tls', 'sasl']) {
    if (!has(key)) continue;
    const hint = 'name the brokers, too, or leave it out';
    report([...path, key], 'key', {
      code: 'CONFIG_VALUE',
      message: `the pipeline's own cluster has its own ${key}`,
      hint,
    });
  }
}

function checkPattern(path: Path, pattern: unknown, report: Report): void {
  if (typeof pattern !== 'string' || topicPattern(pattern) !== undefined) return;
  const hint = String.raw`such as shop\..* for all that begins with shop.`;
  report(path, 'value', { code: 'CONFIG_VALUE', message: `${dotted(path)} is not a regular expression`, hint });
}

function resolve(section: Section, { name, sources, broker, folder }: SourceContext): TopicsInputConfig {
  const source = section as KafkaSource;
  const own = broker.type === 'kafka' ? broker : undefined;
  const earlier = earlierPatterns(sources, name, own?.brokers ?? []);
  const { stream, topics = [], topic_pattern: topicPattern, group, brokers } = source;
  const connection =
    brokers === undefined
      ? present(own, `sources.${name} has brokers`)
      : resolveKafkaConnection({ ...source, brokers }, folder);
  return {
    name,
    type: 'kafka',
    stream,
    connection,
    agent: source.agent ?? null,
    topics,
    discoveryMs: source.discovery_interval,
    start: startPoint(source.start),
    isolation: source.isolation,
    envelope: source.envelope,
    tombstones: source.tombstones,
    lineBytesMax: source.line_bytes_max,
    ...(topicPattern === undefined ? {} : { topicPattern }),
    ...(topicPattern === undefined || earlier.length === 0 ? {} : { earlierPatterns: earlier }),
    ...(group === undefined ? {} : { group }),
  };
}

function startPoint(start: KafkaSource['start']): StartPoint {
  if (typeof start === 'object') return { at: 'offsets', offsets: start };
  if (start === 'earliest' || start === 'latest') return { at: start };
  return { at: 'time', timeMs: Date.parse(start) };
}

function places({ topics, topicPattern: pattern, connection }: TopicsInputConfig): string[] {
  const names = [...topics, ...(pattern === undefined ? [] : [`/${pattern}/`])];
  return names.map((topic) => `topic ${topic} on ${connection.brokers.join(',')}`);
}

function nothingIn({ topics, topicPattern: pattern, connection, start: begin }: TopicsInputConfig): string {
  // Records before that may well be there.
  const from = begin.at === 'earliest' ? '' : ' after its starting point';
  const on = `on ${connection.brokers.join(',')}`;
  const matching = pattern === undefined ? [] : [`no topic that matches /${pattern}/ has a record${from}`];
  const named = topics.length === 0 ? [] : [`no record is in topic ${topics.join(', ')}${from}`];
  return `${[...named, ...matching].join(', ')} ${on}`;
}

/** Loads the client. */
async function agentInput(
  input: Omit<TopicsInput, 'kind' | 'client'>,
  connection: KafkaConnectionConfig,
): Promise<TopicsInput> {
  const { topicsKind: kind } = await import('../../agent/topics/topics-kind.ts');
  return { ...input, kind, client: kafkaClientOptions(connection) };
}

/** Topics that other programs write: a record is a line, a partition a source. */
export const kafkaSource: SourceDefinition<TopicsInputConfig> = {
  type: 'kafka',
  summary: 'Records of Kafka topics that other programs write, one record a line.',
  options: kafkaOptions,
  isOfHost: false,
  keepsKeys: true,
  examples: [
    {
      title: 'Two topics, from now on',
      options: { brokers: ['127.0.0.1:9092'], topics: ['orders', 'payments'], start: 'latest' },
    },
    {
      title: 'All topics of a team, with keys and headers as fields',
      options: {
        brokers: ['kafka1.example.org:9093'],
        tls: true,
        topic_pattern: 'shop\\..*',
        envelope: 'json',
        group: 'tailrace',
      },
    },
  ],
  check,
  resolve,
  agentInput({ connection, agent, ...input }, target, reader) {
    return agent === null || agent === reader ? agentInput({ ...input, ...target }, connection) : undefined;
  },
  places,
  nothingIn,
};
