import { readFileSync } from 'node:fs';
import type { Log } from '../broker/broker.ts';
import { openKafkaLog } from '../broker/kafka/kafka-log.ts';
import type { KafkaClientOptions } from '../broker/kafka/kafkajs.ts';
import type { KafkaEvent } from '../broker/kafka/patience.ts';
import { shownPath } from '../config/load.ts';
import type { KafkaBrokerConfig, KafkaConnectionConfig } from '../config/kafka-broker.ts';
import type { Clock } from '../lib/clock.ts';
import { EXIT, OperatingError, systemErrorCode } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { formatDuration } from '../lib/units.ts';
import { say } from '../cli/output.ts';

/** What brokers see in their logs and quotas. */
const CLIENT_ID = 'tailrace';

/** What a role tells its supervisor of the cluster: all roles see the same, and it is said once. */
export interface ClusterMessage {
  readonly type: 'cluster';
  readonly state: KafkaEvent['type'];
  readonly line: string;
}

/** Gets what is to be said of brokers that are away, or back. */
export type TellOfCluster = (line: string, state: KafkaEvent['type']) => void;

const tellSupervisor: TellOfCluster = (line, state) => {
  const message: ClusterMessage = { type: 'cluster', state, line };
  if (process.send === undefined) say(line);
  else process.send(message);
};

/** The log on the cluster that the configuration names. Connects at its first use. */
export function openConfiguredKafka(
  broker: KafkaBrokerConfig,
  clock: Clock,
  stop?: AbortSignal,
  tell: TellOfCluster = tellSupervisor,
): Log {
  return openKafkaLog({
    client: kafkaClientOptions(broker),
    clock,
    topicPrefix: broker.topicPrefix,
    topics: {
      replicationFactor: broker.replicationFactor,
      minInSync: broker.minInSyncReplicas,
      isSingleBroker: broker.isSingleBroker,
    },
    ...(stop === undefined ? {} : { stop }),
    notify: (event) => tell(describeKafkaEvent(event, broker.brokers), event.type),
  });
}

/** Reads the files of TLS; they are looked at once, at start. */
export function kafkaClientOptions({ brokers, tls, sasl }: KafkaConnectionConfig): KafkaClientOptions {
  return {
    brokers,
    clientId: CLIENT_ID,
    ...(sasl === null ? {} : { sasl }),
    ...(tls === null
      ? {}
      : {
          tls: {
            ...(tls.caFile === null ? {} : { ca: readPem(tls.caFile) }),
            ...(tls.certFile === null ? {} : { cert: readPem(tls.certFile) }),
            ...(tls.keyFile === null ? {} : { key: readPem(tls.keyFile) }),
            ...(tls.serverName === null ? {} : { servername: tls.serverName }),
          },
        }),
  };
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new OperatingError(`${shownPath(path)} cannot be read: ${systemErrorCode(error) ?? String(error)}`, {
      code: 'TLS_FILE',
      hint: 'look at the paths under broker.tls',
      exitCode: EXIT.config,
      cause: error,
    });
  }
}

/** One line for what happens to the cluster. */
export function describeKafkaEvent(event: KafkaEvent, brokers: readonly string[]): string {
  if (event.type === 'back') {
    const SECOND_MS = 1000;
    return `Kafka answers again after ${formatDuration(Math.round(event.awayMs / SECOND_MS) * SECOND_MS)}`;
  }
  const { reason } = event;
  const hint = IS_CLOSED.test(reason)
    ? 'is the listener one with TLS or SASL? see broker.tls and broker.sasl'
    : NO_TLS.test(reason)
      ? 'does the listener speak TLS? see broker.tls'
      : 'see that it runs, and that these are its brokers';
  return `Kafka at ${brokers.join(', ')} does not answer: ${escapeText(reason)}; waiting (${hint})`;
}

/** How a listener ends what it does not understand: it may also be one that is just starting or stopping, so it is waited for. */
const IS_CLOSED = /Closed connection/;
const NO_TLS = /before secure TLS connection was established/;
