import { resolve } from 'node:path';
import { z } from 'zod';
import { duration } from '../lib/units.ts';
import type { Path } from './document.ts';
import type { Problem } from './problem.ts';

/** What Kafka takes in the name of a topic; short, since streams and pipelines follow. */
/** Topics of the embedded log begin with it; on Kafka it is the default. */
export const TOPIC_PREFIX = 'tailrace';
const PREFIX = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/;
const PREFIX_FORM = 'the beginning of topic names: letters, digits, . _ and -, at most 63';
const ADDRESS = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$/;
const ADDRESS_FORM = 'an address: host:port';
/** The regular expression says that there are digits. */
const hasPort = (address: string): boolean => {
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  return port >= 1 && port <= 65_535;
};
const LOOPBACK = /^(localhost|127\.[0-9.]+|\[::1\]):/;

const text = z.string({ error: () => 'expects text' }).min(1, { error: () => 'must not be empty' });
const count = (max: number): z.ZodNumber =>
  z
    .int({ error: () => 'expects a whole number' })
    .min(1, { error: () => `must be between 1 and ${max}` })
    .max(max, { error: () => `must be between 1 and ${max}` });

/** How a cluster is reached: the same for the log and for a source that reads topics of others. */
export const KAFKA_CONNECTION_SHAPE = {
  brokers: z
    .array(
      z
        .string({ error: () => `expects ${ADDRESS_FORM}` })
        .regex(ADDRESS, { error: () => `expects ${ADDRESS_FORM}`, abort: true })
        .refine(hasPort, { error: () => 'has no port from 1 to 65535' }),
      { error: () => 'expects a list of addresses' },
    )
    .min(1, { error: () => 'needs at least one address' })
    .max(32, { error: () => 'takes at most 32 addresses' })
    .describe('Some brokers of the cluster, `host:port`; the others are found through them.'),
  tls: z
    .union(
      [
        z.boolean(),
        z.strictObject({
          ca: text.optional().describe("A PEM file: the authority that signed the brokers' certificates."),
          cert: text.optional().describe('A PEM file: the certificate this program shows, with `key`.'),
          key: text.optional().describe('A PEM file: the key of `cert`.'),
          server_name: text
            .optional()
            .describe("The name in the brokers' certificates, where it is not the address's."),
        }),
      ],
      { error: () => 'expects true, false, or a map with ca, cert, key and server_name' },
    )
    .prefault(false)
    .describe('`true`: TLS with the authorities of the system. A map: with files of your own.'),
  sasl: z
    .strictObject({
      mechanism: z
        .enum(['plain', 'scram-sha-256', 'scram-sha-512', 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'], {
          error: () => 'expects plain, scram-sha-256 or scram-sha-512',
        })
        .transform((mechanism) => mechanism.toLowerCase() as Lowercase<typeof mechanism>)
        .describe('How the password is shown, also in capitals. `plain` wants TLS.'),
      username: text.describe('The user.'),
      password: text.describe('Take it from `${file:…}` or `${env:…}`.'),
    })
    .optional()
    .describe('User and password, where the brokers ask for them.'),
};

export const kafkaBrokerSection = z.strictObject({
  type: z.literal('kafka').describe('A Kafka cluster, for the roles of many machines.'),
  ...KAFKA_CONNECTION_SHAPE,
  topic_prefix: z
    .string({ error: () => `expects ${PREFIX_FORM}` })
    .regex(PREFIX, { error: () => `expects ${PREFIX_FORM}` })
    .prefault(TOPIC_PREFIX)
    .describe('Topics are named `<prefix>.raw.<stream>`, `<prefix>.epochs.<pipeline>.<stream>`, `<prefix>.cursors`.'),
  single_broker: z
    .boolean({ error: () => 'expects true or false' })
    .prefault(false)
    .describe('One broker, one replica: what its disk loses is lost. Must be said, since it is rarely meant.'),
  replication_factor: count(7)
    .optional()
    .describe('Replicas of each topic, 3 by default, 1 with `single_broker`. Topics that have fewer are refused.'),
  min_insync_replicas: count(7)
    .optional()
    .describe('How many replicas an append waits for at least, 2 by default, 1 with `single_broker`.'),
  retain: duration({ min: '0s', max: '3650d' })
    .prefault('7d')
    .describe('Raw blocks stay at least this long after every reader is past them.'),
});

export interface KafkaConnectionConfig {
  readonly brokers: readonly string[];
  /** Null: no TLS. Paths of files are absolute. */
  readonly tls: {
    readonly caFile: string | null;
    readonly certFile: string | null;
    readonly keyFile: string | null;
    readonly serverName: string | null;
  } | null;
  readonly sasl: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  } | null;
}

export interface KafkaBrokerConfig extends KafkaConnectionConfig {
  readonly type: 'kafka';
  readonly topicPrefix: string;
  readonly isSingleBroker: boolean;
  readonly replicationFactor: number;
  readonly minInSyncReplicas: number;
  readonly retainMs: number;
}

type ConnectionSection = Pick<z.output<typeof kafkaBrokerSection>, 'brokers' | 'tls' | 'sasl'>;
type Report = (path: Path, part: 'key' | 'value', problem: Omit<Problem, 'position'>) => void;

export function resolveKafkaConnection(
  { brokers, tls, sasl }: ConnectionSection,
  folder: string,
): KafkaConnectionConfig {
  const file = (path: string | undefined): string | null => (path === undefined ? null : resolve(folder, path));
  const files = tls === true ? {} : tls;
  return {
    brokers,
    tls:
      files === false
        ? null
        : {
            caFile: file(files.ca),
            certFile: file(files.cert),
            keyFile: file(files.key),
            serverName: files.server_name ?? null,
          },
    sasl: sasl ?? null,
  };
}

export function resolveKafkaBroker(section: z.output<typeof kafkaBrokerSection>, folder: string): KafkaBrokerConfig {
  const isSingleBroker = section.single_broker;
  return {
    type: 'kafka',
    ...resolveKafkaConnection(section, folder),
    topicPrefix: section.topic_prefix,
    isSingleBroker,
    replicationFactor: section.replication_factor ?? (isSingleBroker ? 1 : 3),
    minInSyncReplicas: section.min_insync_replicas ?? (isSingleBroker ? 1 : 2),
    retainMs: section.retain,
  };
}

/** What the schema alone does not see: keys that belong together, and a password that anybody on the way could read. */
export function checkKafkaConnection(path: Path, raw: Readonly<Record<string, unknown>>, report: Report): void {
  const { brokers, tls, sasl } = raw;
  const hasTls = tls !== undefined && tls !== false;
  if (typeof tls === 'object' && tls !== null && 'cert' in tls !== 'key' in tls) {
    const [given, missing] = 'cert' in tls ? ['cert', 'key'] : ['key', 'cert'];
    report([...path, 'tls', given], 'key', {
      code: 'CONFIG_MISSING_KEY',
      message: `${given} needs a ${missing} beside it`,
    });
  }
  const mechanism = typeof sasl === 'object' && sasl !== null && 'mechanism' in sasl ? sasl.mechanism : undefined;
  const isPlain = mechanism === 'plain' || mechanism === 'PLAIN';
  const isNear = Array.isArray(brokers) && brokers.every((broker) => LOOPBACK.test(String(broker)));
  if (!isPlain || hasTls || isNear) return;
  report([...path, 'sasl', 'mechanism'], 'value', {
    code: 'CONFIG_VALUE',
    message: 'with plain and without TLS the password can be read by whoever is on the way',
    hint: 'add tls, or use scram-sha-512',
  });
}

export function checkKafkaBroker(path: Path, raw: Readonly<Record<string, unknown>>, report: Report): void {
  checkKafkaConnection(path, raw, report);
  const replicas = raw['replication_factor'];
  if (raw['single_broker'] === true && typeof replicas === 'number' && replicas > 1) {
    const message = `a single broker cannot hold ${replicas} replicas`;
    report([...path, 'replication_factor'], 'value', { code: 'CONFIG_VALUE', message, hint: 'leave one of them out' });
  }
  const inSync = raw['min_insync_replicas'];
  const held = typeof replicas === 'number' ? replicas : raw['single_broker'] === true ? 1 : 3;
  if (typeof inSync === 'number' && inSync > held) {
    report([...path, 'min_insync_replicas'], 'value', {
      code: 'CONFIG_VALUE',
      message: `no append could wait for ${inSync} of ${held} replicas`,
    });
  }
}
