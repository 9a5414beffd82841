import { readFileSync } from 'node:fs';
import type { Log } from '../broker/broker.ts';
import { openKafkaLog } from '../broker/kafka/kafka-log.ts';
import type { KafkaClientOptions } from '../broker/kafka/kafkajs.ts';
import type { KafkaEvent } from '../broker/kafka/patience.ts';
import type { KafkaBrokerConfig, KafkaConnectionConfig } from '../config/kafka-broker.ts';
import { shownPath } from '../config/load.ts';
import type { Clock } from '../lib/clock.ts';
import { EXIT, OperatingError, systemErrorCode } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { formatDuration } from '../lib/units.ts';

/** What brokers see in their logs and quotas. */
const CLIENT_ID = 'tailrace';

/** What happens to a cluster. All roles of a run see the same, and their supervisor says it once. */
export interface ClusterEvent {
  readonly type: 'cluster';
  readonly brokers: readonly string[];
  readonly event: KafkaEvent;
}

/** The log on the cluster that the configuration names. Connects at its first use. */
export function openConfiguredKafka(
  broker: KafkaBrokerConfig,
  clock: Clock,
  notify: (event: ClusterEvent) => void,
  stop?: AbortSignal,
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
    notify: (event) => notify({ type: 'cluster', brokers: broker.brokers, event }),
  });
}

/** Reads the files of TLS once, at the start. */
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
export function clusterText({ event, brokers }: ClusterEvent): string {
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
