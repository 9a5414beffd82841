import { OperatingError } from '../lib/errors.ts';
import type { Log } from './broker.ts';

export interface TrimmablePartition {
  readonly topic: string;
  readonly partition: number;
}

/** A log that is trimmed under each of so many tries is trimmed faster than it can be read. */
const TRIES_MAX = 10;

/**
 * Does `read`, which begins at the partitions' starts, again when one of them has moved on under it: whoever runs trims its log, and asks
 * no reader that has only begun. A broker that was killed may even give back what was trimmed, and trim it a moment later, so that the start
 * is where it was: then once more tells. A `LOG_TRIMMED` that stays is the reader's own: it stood at an offset that is gone for good.
 */
export async function pastTrims<T>(
  log: Log,
  partitions: readonly TrimmablePartition[],
  read: () => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    const before = await startsOf(log, partitions);
    try {
      return await read();
    } catch (error) {
      if (!isTrimmed(error) || tries === TRIES_MAX) throw error;
      const now = await startsOf(log, partitions);
      if (tries > 1 && now.every((start, index) => start <= before[index]!)) throw error;
    }
  }
}

/** What was read is not there any more: the log was trimmed past it. */
export function isTrimmed(error: unknown): error is OperatingError {
  return error instanceof OperatingError && error.code === 'LOG_TRIMMED';
}

async function startsOf(log: Log, partitions: readonly TrimmablePartition[]): Promise<readonly number[]> {
  const starts: number[] = [];
  for (const { topic, partition } of partitions) starts.push((await log.ends(topic))[partition]?.start ?? 0);
  return starts;
}
