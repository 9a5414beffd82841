import { onceAborted } from '../lib/abort.ts';
import { assert } from '../lib/assert.ts';
import type { AssignedPartition, Assignment, SharedTopic } from './broker.ts';

/**
 * Worker `index` of `workers`, fixed for its life: supervised workers, and the embedded log. A worker that dies is started again by its
 * supervisor and finds its partitions as they were: nobody waits for a session to run out, since it is the log that fences.
 */
export function staticAssignment(index: number, workers: number): Assignment {
  assert(Number.isInteger(index) && index >= 0 && index < workers, `there is no worker ${index} of ${workers}`);
  return {
    isFixed: true,
    join(topics, onAssigned, signal) {
      onAssigned(allPartitions(topics).filter((_, place) => place % workers === index));
      return onceAborted(signal);
    },
    confirm: () => Promise.resolve(),
  };
}

/** Every partition of every topic, in an order that all workers agree on. */
export function allPartitions(topics: readonly SharedTopic[]): AssignedPartition[] {
  return topics
    .toSorted((left, right) => (left.topic < right.topic ? -1 : 1))
    .flatMap(({ topic, partitions }) => Array.from({ length: partitions }, (_, partition) => ({ topic, partition })));
}
