import type { Log } from '../broker/broker.ts';
import { openKafkaLog } from '../broker/kafka/kafka-log.ts';
import type { KafkaBrokerConfig } from '../config/kafka-broker.ts';
import type { Clock } from '../lib/clock.ts';
import type { ClusterEvent } from './cluster-text.ts';
import { kafkaClientOptions } from './kafka-client.ts';

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
