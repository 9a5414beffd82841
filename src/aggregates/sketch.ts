import { EXIT, OperatingError } from '../lib/errors.ts';
import type { FieldType } from '../record/batch.ts';

/**
 * The states of the rows of one table, of an aggregate whose state is bytes. Generated loops call `addNumber` and `addText`, which allocate
 * nothing but where a state grows. What values were added says what a state is, not their order, but for `timeMs`: of values with one time the
 * order is that of the calls. Places of rows are the table's.
 */
export interface SketchRows {
  /** Memory of all states. */
  readonly roomBytes: number;
  /** Bytes of `encode` by which states grew, summed up until somebody sets it back; less what some of them lost. */
  grownBytes: number;
  /** A number that is not NaN, and what it lacks of a whole number beyond 2^53; ±Infinity is one that is too large for its type. */
  addNumber(row: number, value: number, rest: number, timeMs: number): void;
  /** A text: `length` bytes of `bytes` from `at` on; `view` is of the same bytes. */
  addText(row: number, bytes: Uint8Array, view: DataView, at: number, length: number, timeMs: number): void;
  /** Adds another state, as if its values had been added after those of the row. Throws an OperatingError for bytes that are not one. */
  merge(row: number, state: Uint8Array): void;
  /** The state: the same bytes for the same values. A view, valid until the next call. No bytes: no values. */
  encode(row: number): Uint8Array;
  /** Bytes that `encode` makes, at most. */
  sizeOf(row: number): number;
  /** Back to no values; gives the memory back. */
  clear(row: number): void;
  /** Makes places for rows below `capacity`. */
  grow(capacity: number): void;
}

/** A column that DuckDB keeps of a state, so that SQL can merge states: made of a list of numbers, or of a text. */
export interface SketchColumn {
  readonly suffix: string;
  readonly type: string;
  /** SQL that makes the value of the staged one. Default: a cast. */
  readonly fromStage?: (staged: string) => string;
  readonly of: SketchNumbers | SketchText;
}
interface SketchNumbers {
  readonly kind: 'numbers';
  of(state: Uint8Array): ArrayLike<number>;
}
interface SketchText {
  readonly kind: 'text';
  of(state: Uint8Array): string | null;
}

/** The rules of an aggregate whose state is bytes. */
export interface SketchRules {
  rows(type: FieldType): SketchRows;
  /** The user's value of a state; null for NULL, ±Infinity for a number that is too large for its type. */
  result(state: Uint8Array, type: FieldType, parameter?: number): SketchResult;
  /** What type that is. */
  valueType(type: FieldType): FieldType;
  /** The result is a JSON text: documents and events have what it says. */
  readonly isJson?: boolean;
  sqlColumns(type: FieldType): readonly SketchColumn[];
  /**
   * The user's value in SQL: an aggregate expression over the rows of one key and window in different partitions. `value` is the column of the
   * values of the rows themselves, `columns` are those of `sqlColumns`, `partition` orders the rows.
   */
  mergedSql(names: MergedNames, parameter?: number): string;
  /** Reads what stands behind the field: `quantile(field, 0.99)`. Absent where nothing may. */
  readonly parameter?: SketchParameter;
}

export interface MergedNames {
  readonly value: string;
  readonly columns: readonly string[];
  readonly partition: string;
}

export interface SketchParameter {
  /** Where it may be left out. */
  readonly default?: number;
  /** In words, for errors. */
  readonly what: string;
  isValid(value: number): boolean;
  /** The first is what hints show. */
  readonly examples: readonly number[];
  /** The parameter of a short name, such as `p99`. */
  ofAlias?(name: string): number | undefined;
  /** Short names to show. */
  readonly aliases?: readonly string[];
}

export type SketchResult = number | bigint | string | null;

/** States of one row in several partitions, in their order, as one. */
export function mergeStates(
  { rows }: Pick<SketchRules, 'rows'>,
  type: FieldType,
  states: readonly Uint8Array[],
): Uint8Array {
  if (states.length === 1) return states[0]!;
  const merged = rows(type);
  merged.grow(1);
  for (const state of states) merged.merge(0, state);
  return merged.encode(0);
}

export function damagedSketch(aggregate: string, what: string): OperatingError {
  return new OperatingError(`the state of a ${aggregate} is damaged: ${what}`, {
    code: 'LOG_DAMAGED',
    exitCode: EXIT.mismatch,
    hint: 'see who else writes to the topics and indices of the pipeline; restore the log from a copy, or begin again',
  });
}

/**
 * SQL that calls a value by a name in an expression, `".name"` there, and finds it once. DuckDB takes `x.before` for a field of a column x where
 * there is one: so the names in lambdas begin with a dot, as no key, measure or state does.
 */
export function bound(name: string, value: string, expression: string): string {
  return `list_transform([${value}], lambda ".${name}": ${expression})[1]`;
}

/** How much of a text is kept where no more than so many bytes may be: never half a character. */
export function keptLength(bytes: Uint8Array, at: number, length: number, bytesMax: number): number {
  if (length <= bytesMax) return length;
  let kept = bytesMax;
  while (kept > 0 && (bytes[at + kept]! & 0xc0) === 0x80) kept--;
  return kept;
}
