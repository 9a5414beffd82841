import { reasonOf } from '../scan-problem.ts';
import type { ScanProblem } from '../source.ts';
import type { DiscoveryResult, FoundPartition } from './discovery.ts';
import type { TrackedPartition } from './tracked-partition.ts';

/** What the last discovery found, by path; and what it could not be told. */
export interface Found extends Pick<DiscoveryResult, 'unknown' | 'unasked'> {
  readonly found: ReadonlyMap<string, FoundPartition>;
}

/** Nothing is expected of it any more. */
export function isOver({ closedBy, ending }: TrackedPartition): boolean {
  return closedBy !== undefined || ending !== undefined;
}

/** False where the next discovery may soon find more: a leader that was away, a topic that was there before. */
export function isWholeOf({ found, unasked }: Found, sources: Iterable<TrackedPartition>): boolean {
  return (
    unasked.size === 0 &&
    [...found.values()].every(({ leader }) => leader >= 0) &&
    [...sources].every((source) => isOver(source) || found.has(source.path))
  );
}

/** In once mode: where and why it is not known that there was no more to read. */
export function unsettledOf(
  found: Found | undefined,
  problems: readonly ScanProblem[],
  sources: Iterable<TrackedPartition>,
): string | undefined {
  const [problem] = problems;
  const reason = problem?.reason ?? 'no answer yet';
  if (found === undefined) return problem === undefined ? reason : `${problem.path}: ${reason}`;
  const [unknown] = [...found.unknown, ...found.unasked];
  if (unknown !== undefined) return `${unknown}: ${reason}`;
  const unread = [...sources].find((source) => source.isUnreadable && !isOver(source));
  return unread === undefined ? undefined : `${unread.path}: ${reasonOf(unread.feed?.failure)}`;
}
