import type { FieldType } from '../record/batch.ts';

/** The largest integer that a sum may reach and stay exact; beyond it the sum is NULL and the row is flagged. */
export const SUM_MAX = Number.MAX_SAFE_INTEGER;

export interface Accumulator {
  /** Suffix of the storage column, `''` for the only one. */
  readonly suffix: string;
  readonly initial: number;
}

/**
 * A mergeable aggregate: its state is a few float64 accumulators in the rollup row, so windows and partitions merge after
 * the fact. NULL reaches it as NaN and changes nothing, as in SQL.
 */
export interface AggregateDefinition {
  readonly name: string;
  readonly summary: string;
  /** `none`: `count`; `optional`: `count` or `count(field)`; `number`: `sum(field)` over a numeric field. */
  readonly argument: 'none' | 'optional' | 'number';
  /** The accumulators of one measure. None: the row's own line count is the result. */
  accumulators(type: FieldType | undefined): readonly Accumulator[];
  /**
   * JavaScript statements that add one value. `acc` are assignable expressions, `value` a local name that may be NaN.
   * Generated once per pipeline into the hot loop; `add` is the same rule in plain code and the oracle of this text.
   */
  updateSource(acc: readonly string[], value: string, type: FieldType | undefined): string;
  add(acc: number[], value: number, type: FieldType | undefined): void;
  merge(into: number[], other: readonly number[], type: FieldType | undefined): void;
  /** The same in SQL: one aggregate expression an accumulator, over the rows of one key and window in different partitions. */
  mergeSql(columns: readonly string[], type: FieldType | undefined): readonly string[];
  /** SQL that makes the user's value of the storage columns; `lines` is the row's line count. */
  resultSql(columns: readonly string[], type: FieldType | undefined): string;
  /** The user's value in JavaScript; null for NULL. `lines` is the row's line count. */
  result(acc: readonly number[], lines: number, type: FieldType | undefined): number | null;
  /** Whether the value went beyond SUM_MAX. Absent where that cannot be. */
  hasOverflown?(acc: readonly number[], type: FieldType | undefined): boolean;
  /** SQL that is true where the value went beyond SUM_MAX; undefined where that cannot be. */
  overflowSql?(columns: readonly string[], type: FieldType | undefined): string | undefined;
  readonly examples: readonly { readonly values: readonly (number | null)[]; readonly result: number | null }[];
}
