import { PlainTopic } from '../../broker/kafka/plain-topic.ts';
import { type Config, sinkGroup } from '../../config/config.ts';
import type { KafkaConnectionConfig } from '../../config/kafka-broker.ts';
import { OperatingError } from '../../lib/errors.ts';
import { EventSink } from '../../sinks/events/event-sink.ts';
import type { ClusterEvent } from '../cluster-text.ts';
import { kafkaClientOptions } from '../kafka-client.ts';
import type { RoleContext } from '../definitions.ts';
import { gateOf } from '../turn.ts';
import { type EventsSinkConfig, eventStreams } from './events.ts';

/** The role of one events sink. */
export async function runEvents(
  { config, components, clock, log, signal, notify }: RoleContext<ClusterEvent>,
  name: string,
  sink: EventsSinkConfig,
  generation: number | undefined,
): Promise<void> {
  const connection = connectionOf(config, sink);
  const topic = await PlainTopic.open({
    client: kafkaClientOptions(connection),
    clock,
    topic: sink.topic,
    partitions: sink.partitions,
    replicationFactor: sink.replicationFactor,
    minInSync: sink.replicationFactor > 1 ? 2 : 1,
    writer: sink.transactionalId ?? undefined,
    signal,
    notify: (event) => notify({ type: 'cluster', brokers: connection.brokers, event }),
  });
  const events = new EventSink({
    log,
    aggregates: components.aggregates,
    topic,
    options: {
      group: sinkGroup(config, name),
      pipeline: config.pipeline,
      streams: eventStreams(config, sink),
      rollups: sink.rollups,
      ...gateOf(config, generation),
    },
  });
  await events.run(signal);
  // Only after a quiet end: what failed is not closed, the next process looks at what it has written.
  await topic.close();
}

function connectionOf({ broker }: Config, { connection }: EventsSinkConfig): KafkaConnectionConfig {
  if (connection !== null) return connection;
  if (broker.type === 'kafka') return broker;
  throw new OperatingError('the events sink names no brokers', { code: 'CONFIG_MISSING_KEY' });
}
