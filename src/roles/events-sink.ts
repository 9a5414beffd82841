import { PlainTopic } from '../broker/kafka/plain-topic.ts';
import { AGGREGATES_BY_NAME } from '../components.ts';
import { type Config, sinkGroup } from '../config/config.ts';
import type { EventsSinkConfig } from '../config/events-sink.ts';
import type { KafkaConnectionConfig } from '../config/kafka-broker.ts';
import { OperatingError } from '../lib/errors.ts';
import { EventSink } from '../sinks/events/event-sink.ts';
import { type ClusterEvent, kafkaClientOptions } from './kafka-broker.ts';
import type { RoleContext } from './role.ts';
import { eventStreams } from './sink-readers.ts';
import { gateOf } from './turn.ts';

/** The role of one events sink. */
export async function runEvents(
  { config, clock, log, signal, notify }: RoleContext<ClusterEvent>,
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
    aggregates: AGGREGATES_BY_NAME,
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
