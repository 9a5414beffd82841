import { EMPTY_TAIL } from '../../record/source.ts';
import type { PartitionOffsets } from './discovery.ts';
import type { TrackedPartition } from './tracked-partition.ts';

/** Where a new source of a partition begins. */
export interface Begin {
  readonly origin: number;
  readonly tail: string;
  /** All of it is in the log already. */
  readonly isOver: boolean;
}

/** Where a new source of a partition begins, after the newest there was, if there was one. */
export function beginOf(
  known: TrackedPartition | undefined,
  { earliest, end, start }: PartitionOffsets,
  { isFirst, hasId }: { readonly isFirst: boolean; readonly hasId: boolean },
): Begin {
  // What came into being since reading began is read whole, whatever the options say of the start.
  if (known === undefined) return { origin: isFirst ? start : earliest, tail: EMPTY_TAIL, isOver: false };
  const { position, tail, closedBy, ending } = known;
  if (closedBy === 'truncated' || ending === 'truncated') {
    // Without topic ids nobody knows whether it is the same topic with another end, or another topic.
    return { origin: hasId ? Math.min(position, end) : earliest, tail: EMPTY_TAIL, isOver: false };
  }
  return { origin: position, tail, isOver: end <= position };
}
