import { OperatingError } from '../lib/errors.ts';
import type { Log } from './broker.ts';

export interface TrimmablePartition {
  readonly topic: string;
  readonly partition: number;
}

/**
 * Does `read`, which begins at the partitions' starts, again when one of them has moved on under it: whoever runs trims its log, and asks
 * no reader that has only begun. A broker that was killed may even give back what was trimmed, and trim it a moment later. Where no start
 * has moved, the `LOG_TRIMMED` is the reader's own: it stood at an offset that is gone for good.
 */
export async function pastTrims<T>(
  log: Log,
  partitions: readonly TrimmablePartition[],
  read: () => Promise<T>,
): Promise<T> {
  for (;;) {
    const before = await startsOf(log, partitions);
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof OperatingError) || error.code !== 'LOG_TRIMMED') throw error;
      const now = await startsOf(log, partitions);
      if (now.every((start, index) => start <= before[index]!)) throw error;
    }
  }
}

async function startsOf(log: Log, partitions: readonly TrimmablePartition[]): Promise<readonly number[]> {
  const starts: number[] = [];
  for (const { topic, partition } of partitions) starts.push((await log.ends(topic))[partition]?.start ?? 0);
  return starts;
}
