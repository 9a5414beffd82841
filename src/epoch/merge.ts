import type { AggregateDefinition } from '../aggregates/aggregate.ts';
import { present } from '../lib/assert.ts';
import type { MeasureSpec } from './table.ts';

/** What one partition says of a row of a window and key. */
export interface RowPart {
  readonly revision: number;
  readonly lines: number;
  /** Accumulators of all measures, in the order of the rollup's definition. */
  readonly accumulators: readonly number[];
}

/** A row over all partitions, with results in place of accumulators. */
export interface MergedRow {
  readonly revision: number;
  readonly lines: number;
  /** One a measure; null is NULL. */
  readonly values: readonly (number | bigint | null)[];
  readonly hasOverflown: boolean;
}

export type Aggregates = Readonly<Record<string, AggregateDefinition>>;

/**
 * The one function that merges the rows of a window and key in different partitions. (DuckDB's view says the same in SQL, from the same
 * aggregates; the two are tested against each other.) Any order gives the same, but for the last bits of sums of `double`s: the parts are
 * taken in the order they are given.
 */
export function mergeRow(
  parts: readonly RowPart[],
  measures: readonly MeasureSpec[],
  aggregates: Aggregates,
): MergedRow {
  const lines = parts.reduce((sum, part) => sum + part.lines, 0);
  const revision = parts.reduce((sum, part) => sum + part.revision, 0);
  let at = 0;
  let hasOverflown = false;
  const values = measures.map(({ aggregate, fieldType }) => {
    const definition = present(aggregates[aggregate], `aggregate ${aggregate} is known`);
    const width = definition.accumulators(fieldType).length;
    const [first = [], ...rest] = parts.map(({ accumulators }) => accumulators.slice(at, at + width));
    at += width;
    for (const other of rest) definition.merge(first, other, fieldType);
    hasOverflown ||= definition.hasOverflown?.(first, fieldType) ?? false;
    return definition.result(first, lines, fieldType);
  });
  return { revision, lines, values, hasOverflown };
}
