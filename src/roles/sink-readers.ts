import { type TopicSpec, documentTopic, epochTopic, rawTopic } from '../broker/broker.ts';
import type { EventsSinkConfig } from '../config/events-sink.ts';
import type { EventSinkStream } from '../sinks/events/event-sink.ts';
import { type Config, replicaGroup, rollupGroup, sinkGroup } from '../config/config.ts';
import type { ElasticsearchSinkConfig } from '../config/elasticsearch-sink.ts';
import { EPOCH_MESSAGE_BYTES_MAX } from '../epoch/codec.ts';

/** A group that reads a topic: it is registered before anything is trimmed, so that nothing goes that it has not seen. */
export interface TopicReader {
  readonly group: string;
  readonly topic: string;
  readonly partitions: number;
}

/** A topic of epochs that the warehouse folds. */
export interface FoldedTopic {
  readonly stream: string;
  readonly topic: string;
  readonly partitions: number;
  /** The sink whose documents its epochs account for; the engine's own have none. */
  readonly sink?: string;
}

/** The epochs of the engine. */
export function engineTopics({ pipeline, broker }: Config): FoldedTopic[] {
  return Object.entries(pipeline.streams).map(([stream, { partitions }]) => ({
    stream,
    topic: epochTopic(broker.topicPrefix, pipeline.name, stream),
    partitions,
  }));
}

/** The epochs of every document sink. */
export function documentEpochs({ name, pipeline, broker, sinks }: Config): (FoldedTopic & { readonly sink: string })[] {
  return Object.entries(sinks).flatMap(([sink, options]) =>
    options.type !== 'elasticsearch'
      ? []
      : options.documents.map((stream) => ({
          stream,
          topic: documentTopic(broker.topicPrefix, name, sink, stream),
          partitions: pipeline.streams[stream]!.partitions,
          sink,
        })),
  );
}

/** What the warehouse folds: rows and fates of the engine, and the fates of documents. */
export function foldedTopics(config: Config): FoldedTopic[] {
  return [...engineTopics(config), ...documentEpochs(config)];
}

/** Topics that are there for sinks alone. */
export function sinkTopics(config: Config): TopicSpec[] {
  return documentEpochs(config).map(({ topic, partitions }) => ({
    topic,
    partitions,
    messageBytesMax: EPOCH_MESSAGE_BYTES_MAX,
  }));
}

/** What the lane of rollup documents folds: as the warehouse, all rows of the engine, so that its cursor means the same. */
export function rollupTopics(config: Config, { rollups }: ElasticsearchSinkConfig): FoldedTopic[] {
  return rollups.length === 0 ? [] : engineTopics(config);
}

/** The streams whose epochs have rows of an events sink's rollups. */
export function eventStreams({ pipeline, broker }: Config, { rollups }: EventsSinkConfig): EventSinkStream[] {
  const streams = new Set(rollups.map((rollup) => pipeline.tables[rollup]!.stream));
  return [...streams].map((stream) => ({
    stream,
    epochs: epochTopic(broker.topicPrefix, pipeline.name, stream),
    raw: rawTopic(broker.topicPrefix, stream),
  }));
}

/** Every group of every sink with the topics it reads. */
export function sinkReaders(config: Config): TopicReader[] {
  const { pipeline, broker } = config;
  return Object.entries(config.sinks).flatMap(([name, sink]) => {
    const group = sinkGroup(config, name);
    if (sink.type === 'duckdb') {
      const groups = sink.hasReplica === true ? [group, replicaGroup(config, name)] : [group];
      return groups.flatMap((of) =>
        foldedTopics(config).map(({ topic, partitions }) => ({ group: of, topic, partitions })),
      );
    }
    if (sink.type === 'events') {
      return eventStreams(config, sink).map(({ stream, epochs }) => ({
        group,
        topic: epochs,
        partitions: pipeline.streams[stream]!.partitions,
      }));
    }
    const rows = rollupTopics(config, sink).map(({ topic, partitions }) => ({
      group: rollupGroup(config, name),
      topic,
      partitions,
    }));
    const lines = sink.documents.map((stream) => ({
      group,
      topic: rawTopic(broker.topicPrefix, stream),
      partitions: pipeline.streams[stream]!.partitions,
    }));
    return [...rows, ...lines];
  });
}
