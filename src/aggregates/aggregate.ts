import type { FieldType } from '../record/batch.ts';
import type { SketchRules } from './sketch.ts';

export interface Accumulator {
  /** Suffix of the storage column, `''` for the only one. */
  readonly suffix: string;
  readonly initial: number;
}

/**
 * A mergeable aggregate: its state is a few float64 accumulators in the rollup row, or the bytes of a sketch, so windows and partitions merge
 * after the fact. NULL reaches it as NaN and changes nothing, as in SQL.
 */
export interface AggregateDefinition {
  readonly name: string;
  readonly summary: string;
  /** `none`: `count`; `optional`: `count` or `count(field)`; `number`: `sum(field)` over a numeric field; `any`: `distinct(field)`. */
  readonly argument: 'none' | 'optional' | 'number' | 'any';
  /** Where its state is bytes: then it keeps no numbers (`NO_NUMBERS`), and these are its rules. */
  readonly sketch?: SketchRules;
  /** The accumulators of one measure. None: its state is a sketch, or the row's own line count is the result. */
  accumulators(type: FieldType | undefined): readonly Accumulator[];
  /**
   * JavaScript statements that add one value. `acc` are assignable expressions, `value` a local name that may be NaN, `rest` one of what it
   * lacks of a whole number beyond 2^53 (lib/exact-integer.ts); without it, `value` is exact. A number that is too large for its type is ±Infinity, and
   * `rest` is NaN where even its sign is unknown.
   * Generated once per pipeline into the hot loop; `add` is the same rule in plain code and the oracle of this text.
   */
  updateSource(acc: readonly string[], value: string, type: FieldType | undefined, rest?: string): string;
  add(acc: number[], value: number, type: FieldType | undefined, rest?: number): void;
  merge(into: number[], other: readonly number[], type: FieldType | undefined): void;
  /**
   * The same in SQL: one aggregate expression an accumulator, over the rows of one key and window in different partitions. `partition` is what
   * orders them.
   */
  mergeSql(columns: readonly string[], type: FieldType | undefined, partition: string): readonly string[];
  /** SQL that makes the user's value of the storage columns; `lines` is the row's line count. */
  resultSql(columns: readonly string[], type: FieldType | undefined): string;
  /** Type of that value in SQL; of a sketch its `valueType` says it. */
  sqlType?(type: FieldType | undefined): 'BIGINT' | 'HUGEINT' | 'DOUBLE';
  /** The user's value in JavaScript, a bigint beyond 2^53; null for NULL. `lines` is the row's line count. */
  result(acc: readonly number[], lines: number, type: FieldType | undefined): number | bigint | null;
  /** Whether the value is NULL because it is beyond all numbers. Absent where that cannot be. */
  hasOverflown?(acc: readonly number[], type: FieldType | undefined): boolean;
  /** The same in SQL; undefined where that cannot be. */
  overflowSql?(columns: readonly string[], type: FieldType | undefined): string | undefined;
  /** Aggregates whose results over parts of the lines it brings together to that over all: `sum` of counts, `max` of maxima. Default: none. */
  readonly combines?: readonly string[];
  readonly examples: readonly {
    readonly values: readonly (number | null)[];
    readonly result: number | string | null;
  }[];
}

/** What an aggregate with a sketch says of numbers: it keeps none. */
export const NO_NUMBERS: Pick<
  AggregateDefinition,
  'accumulators' | 'updateSource' | 'add' | 'merge' | 'mergeSql' | 'resultSql' | 'result'
> = {
  accumulators: () => [],
  updateSource: () => '',
  add: () => undefined,
  merge: () => undefined,
  mergeSql: () => [],
  resultSql: () => 'NULL',
  result: () => null,
};

/** Those that there are, by name. */
export type Aggregates = Readonly<Record<string, AggregateDefinition>>;
