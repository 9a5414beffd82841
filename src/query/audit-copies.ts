import type { AuditSource } from './audit-tables.ts';
import type { SourceFiles } from './source-files.ts';
import { isPartitionPath } from '../record/partition-path.ts';

/** Lines of one stream that two sources have from the same bytes of the same file. */
export interface ReadTwice {
  readonly lines: number;
  /** One line for each pair of sources. */
  readonly differences: readonly string[];
  /** Files that begin alike and are both there: each may be what somebody meant to log. */
  readonly notes: readonly string[];
}

/** More sources than this with one head are logs with a heading. */
const ALIKE_MAX = 100;

/**
 * Looks for bytes that were read as two sources. Sources that began alike are looked for on disk by their head and the bytes below their
 * position: where one file stands behind both, what both have of it is doubled, whatever the agent, the ledger and the tables agree on.
 */
export async function findReadTwice(
  sources: readonly AuditSource[],
  files: Pick<SourceFiles, 'count' | 'keyOf'>,
): Promise<ReadTwice> {
  const groups = Map.groupBy(
    sources.filter(({ path, position, origin }) => position > origin && !isPartitionPath(path)),
    ({ identity }) => identity,
  );
  let lines = 0;
  const differences: string[] = [];
  const notes: string[] = [];
  for (const group of groups.values()) {
    for (const [left, right] of overlapping(group.slice(0, ALIKE_MAX))) {
      const keys = [await files.keyOf(left), await files.keyOf(right)] as const;
      if (keys[0] === undefined || keys[1] === undefined) continue;
      const origin = Math.max(left.origin, right.origin);
      const position = Math.min(left.position, right.position);
      if (keys[0] !== keys[1]) {
        const bytes = (position - origin).toLocaleString('en');
        notes.push(
          `${left.path} and ${right.path} begin with the same line and are two files: up to ${bytes} bytes of the second may be the first one's`,
        );
        continue;
      }
      const both = await files.count({ ...left, origin, position });
      lines += both?.sum.lines ?? 0;
      const range = `bytes ${origin} to ${position} of ${left.path}`;
      differences.push(`${range} were read as ${left.source} and as ${right.source}: ${both?.sum.lines ?? 0} doubled`);
    }
  }
  return { lines, differences, notes };
}

/** Pairs of sources that have bytes at the same positions. */
function* overlapping(group: readonly AuditSource[]): Generator<readonly [AuditSource, AuditSource]> {
  const sorted = group.toSorted((left, right) => left.origin - right.origin);
  for (const [i, left] of sorted.entries()) {
    for (const right of sorted.slice(i + 1)) if (right.origin < left.position) yield [left, right];
  }
}
