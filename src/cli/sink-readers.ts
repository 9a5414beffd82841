import { epochTopic, rawTopic } from '../broker/broker.ts';
import { type Config, sinkGroup } from '../config/config.ts';

/** A group that reads a topic: it is registered before anything is trimmed, so that nothing goes that it has not seen. */
export interface TopicReader {
  readonly group: string;
  readonly topic: string;
  readonly partitions: number;
}

/** An epoch topic the warehouse folds. */
export interface FoldedTopic {
  readonly stream: string;
  readonly topic: string;
  readonly partitions: number;
}

/** The epochs of the engine. */
export function epochReaders({ pipeline, broker }: Config): FoldedTopic[] {
  return Object.entries(pipeline.streams).map(([stream, { partitions }]) => ({
    stream,
    topic: epochTopic(broker.topicPrefix, pipeline.name, stream),
    partitions,
  }));
}

/** Every group of every sink with the topics it reads. */
export function sinkReaders(config: Config): TopicReader[] {
  const { pipeline, broker } = config;
  return Object.entries(config.sinks).flatMap(([name, sink]) => {
    const group = sinkGroup(config, name);
    if (sink.type === 'duckdb') return epochReaders(config).map((reader) => ({ ...reader, group }));
    return sink.documents.map((stream) => ({
      group,
      topic: rawTopic(broker.topicPrefix, stream),
      partitions: pipeline.streams[stream]!.partitions,
    }));
  });
}
