import { type TopicSpec, epochTopic } from '../broker/broker.ts';
import type { Config, SinkConfig } from '../config/config.ts';
import { EPOCH_MESSAGE_BYTES_MAX } from '../epoch/codec.ts';
import { present } from '../lib/assert.ts';
import type { Components, FoldedTopic, SinkDefinition, SinkEpochs, TopicReader } from './definitions.ts';

export interface NamedSink {
  readonly name: string;
  readonly sink: SinkConfig;
  readonly definition: SinkDefinition<any, any>;
}

/** The sinks of a configuration, each with what it does. */
export function sinksOf({ sinks }: Pick<Config, 'sinks'>, components: Components): NamedSink[] {
  return Object.entries(sinks).map(([name, sink]) => ({
    name,
    sink,
    definition: present(components.sinks[sink.type], `sink ${sink.type} is known`),
  }));
}

/** The epochs of the engine. */
export function engineTopics({ pipeline, broker }: Config): FoldedTopic[] {
  return Object.entries(pipeline.streams).map(([stream, { partitions }]) => ({
    stream,
    topic: epochTopic(broker.topicPrefix, pipeline.name, stream),
    partitions,
  }));
}

/** The epochs of every sink that has some. */
export function sinkEpochs(config: Config, components: Components): SinkEpochs[] {
  return sinksOf(config, components).flatMap(
    ({ name, sink, definition }) => definition.epochs?.(config, name, sink) ?? [],
  );
}

/** What the warehouse folds: rows and fates of the engine, and the fates of documents. */
export function foldedTopics(config: Config, components: Components): FoldedTopic[] {
  return [...engineTopics(config), ...sinkEpochs(config, components)];
}

/** Topics that are there for sinks alone. */
export function sinkTopics(config: Config, components: Components): TopicSpec[] {
  return sinkEpochs(config, components).map(({ topic, partitions }) => ({
    topic,
    partitions,
    messageBytesMax: EPOCH_MESSAGE_BYTES_MAX,
  }));
}

/** Every group of every sink with the topics it reads. */
export function sinkReaders(config: Config, components: Components): TopicReader[] {
  return sinksOf(config, components).flatMap(({ name, sink, definition }) =>
    definition.readers(config, name, sink, components),
  );
}

/** The groups that a run waits for, until what was decided is stored. */
export function groupsWaitedFor(config: Config, components: Components, isOnce: boolean): string[] {
  const groups = sinksOf(config, components)
    .filter(({ definition }) => isOnce || definition.waits)
    .flatMap(({ name, sink, definition }) => definition.readers(config, name, sink, components));
  return [...new Set(groups.map(({ group }) => group))];
}
