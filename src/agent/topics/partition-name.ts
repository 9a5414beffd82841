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

/** Which topics an input reads. */
export function topicFilter(
  options: Pick<TopicsOptions, 'topics' | 'topicPattern' | 'ownPrefix'>,
): (topic: string) => boolean {
  const named = new Set(options.topics);
  const pattern = options.topicPattern === undefined ? undefined : new RegExp(`^(?:${options.topicPattern})$`);
  return (topic) => named.has(topic) || (pattern?.test(topic) === true && !topic.startsWith(`${options.ownPrefix}.`));
}

/**
 * Identity of a source that is a partition. A topic that was deleted and made again has another id; the origin is part of it for the reason
 * it is part of a file's: a source that goes on where a closed one ended has an identity of its own.
 */
export function partitionIdentity({ clusterId, topic, topicId, partition }: PartitionName, origin: number): string {
  return hash64(`kafka:${clusterId}/${topic}/${topicId}/${partition}:${origin}`);
}
