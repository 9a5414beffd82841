import { hash64 } from '../../lib/hash.ts';
import { topicOfPath } from '../../record/partition-path.ts';
import type { TopicsOptions } from './topics-options.ts';

/** A partition of a topic, as nothing else is that ever had its name. */
export interface PartitionName {
  readonly clusterId: string;
  readonly topic: string;
  /** Empty where brokers are too old to give topics ids. */
  readonly topicId: string;
  readonly partition: number;
}

/** Whether an input's options name the topic of a partition's path; the cluster may be another. */
export function mayReadPath(options: TopicsOptions, path: string): boolean {
  return topicFilter(options)(topicOfPath(path));
}

type TopicChoice = Pick<TopicsOptions, 'topics' | 'topicPattern' | 'earlierPatterns' | 'ownPrefix'>;

/** Which topics an input reads. */
export function topicFilter(options: TopicChoice): (topic: string) => boolean {
  const isMatched = patternFilter(options);
  const ownerOf = earlierOwner(options);
  const named = new Set(options.topics);
  return (topic) => named.has(topic) || (isMatched(topic) && ownerOf(topic) === undefined);
}

/** Which topics an input's pattern matches, be they left to another or not. */
export function patternFilter({ topicPattern, ownPrefix }: TopicChoice): (topic: string) => boolean {
  const pattern = topicPattern === undefined ? undefined : wholeName(topicPattern);
  return (topic) => pattern?.test(topic) === true && !topic.startsWith(`${ownPrefix}.`);
}

/** The earlier source that a topic is left to: in one stream a record is one line, however many patterns match its topic. */
export function earlierOwner({ earlierPatterns = [] }: TopicChoice): (topic: string) => string | undefined {
  const earlier = earlierPatterns.map(({ source, pattern }) => ({ source, pattern: wholeName(pattern) }));
  return (topic) => earlier.find(({ pattern }) => pattern.test(topic))?.source;
}

function wholeName(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`);
}

/**
 * Identity of a source that is a partition. A topic that was deleted and made again has another id; the origin is part of it for the reason
 * it is part of a file's: a source that goes on where a closed one ended has an identity of its own.
 */
export function partitionIdentity({ clusterId, topic, topicId, partition }: PartitionName, origin: number): string {
  return hash64(`kafka:${clusterId}/${topic}/${topicId}/${partition}:${origin}`);
}
