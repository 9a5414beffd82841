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
import { say } from './output.ts';

/** What brokers see in their logs and quotas. */
const CLIENT_ID = 'tailrace';

/** The log on the cluster that the configuration names. Connects at its first use. `tell` gets what is to be said of brokers that are away. */
export function openConfiguredKafka(broker: KafkaBrokerConfig, clock: Clock, stop?: AbortSignal, tell = say): Log {
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
    notify: (event) => tell(describeKafkaEvent(event, broker.brokers)),
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
  return `Kafka at ${brokers.join(', ')} does not answer: ${escapeText(event.reason)}; waiting (see that it runs, and that these are its brokers)`;
}
