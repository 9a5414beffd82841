import { type Tree, type WrittenExpression, valueTypeOf } from '../expressions/tree.ts';
import { assert, present } from '../lib/assert.ts';
import { exactInteger } from '../lib/exact-integer.ts';
import { textOf } from '../lib/text.ts';
import type { FieldType } from '../record/batch.ts';

export interface KeySpec {
  readonly field: string;
  readonly type: FieldType;
  /** The column's name in the view: dots become underscores. */
  readonly column: string;
  /** The name it was given in place of its field's, for columns and documents alike. */
  readonly as?: string;
}

export interface MeasureSpec {
  readonly name: string;
  readonly aggregate: string;
  /** What it is of: a field, or a column that `expression` makes, under a name that no field has. */
  readonly field?: string;
  readonly fieldType?: FieldType;
  readonly expression?: Tree;
  /** As it is written, where it has an expression. */
  readonly text?: string;
  /** What stands behind the field: `quantile(field, 0.99)`. */
  readonly parameter?: number;
  /** The measure before it that keeps the same sketch of the same field: there is one for both. */
  readonly sketchOf?: string;
}

/** A measure that is made of others where a row is shown: an expression over what `tableFields` names, and over those before it. */
export interface DerivedSpec extends WrittenExpression {
  readonly name: string;
}

/** `word` is a whole number of 32 bits without a sign, `flag` is 0 or 1, `time` is in milliseconds since 1970. */
export type ColumnType = 'long' | 'double' | 'boolean' | 'text' | 'time' | 'bytes' | 'word' | 'flag';

/** What a column is for. `state` is what a measure's result is made of; `hash` adds up the hashes of the row's lines. */
export type ColumnRole = 'window' | 'key' | 'lines' | 'hash' | 'info' | 'state';

export interface RowColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly role: ColumnRole;
  /** What several partitions say of one row comes together so. `aggregate`: by the measure's own rule (epoch/merge.ts). */
  readonly merge: 'same' | 'sum' | 'min' | 'max' | 'aggregate';
}

/**
 * What the output of an operator looks like. It travels with the pipeline, and it is all that sinks, folds and the audit know of an operator.
 */
export interface RowSchema {
  readonly table: string;
  /** The stream whose lines its rows are made of, through other tables or not. */
  readonly stream: string;
  /** The table whose final rows its rows are made of; left out where they are made of lines. */
  readonly input?: string;
  readonly columns: readonly RowColumn[];
  /** Names of the columns that name a row within its partition for ever. */
  readonly identity: readonly string[];
  /** The `time` column whose value, less a millisecond and with the lateness, is the watermark that makes a row final; null: a row is final at birth. */
  readonly closesBy: string | null;
  /** Of the table and of every one that it is made of. */
  readonly allowedLatenessMs: number;
  /**
   * Its rows are final when they are made; what is open is a query over another table, of panes: every window of `sizeMs` that starts at a multiple
   * of `slideMs`, from the `first_window` of a pane on, has what is in the panes that begin in it.
   */
  readonly openFrom?: { readonly table: string; readonly sizeMs: number; readonly slideMs: number };
  /** `drop`: sinks forget a row that is final. */
  readonly whenFinal: 'keep' | 'drop';
  /** Whether there is a view of it for users. */
  readonly isVisible: boolean;
  /** The key columns, in order. */
  readonly keys: readonly KeySpec[];
  /** Results over the `state` columns, in order. */
  readonly measures: readonly MeasureSpec[];
  /** What is made of them; each after those that it names. */
  readonly derived?: readonly DerivedSpec[];
}

/**
 * Rows of one table by column, in the order of its schema: absolute values, a row takes the place of the one with the same identity. Of rows
 * that are removed there are the columns of the identity alone.
 */
export interface RowSet {
  readonly table: string;
  readonly length: number;
  readonly columns: readonly ColumnData[];
}

export type ColumnData =
  /** `long`, `double`, `boolean`, `time`. NaN is NULL. Whole numbers beyond 2^53 are `values[i] + rest[i]` (lib/exact-integer.ts). */
  | { readonly kind: 'number'; readonly values: Float64Array; readonly rest?: Float64Array }
  | { readonly kind: 'word'; readonly values: Uint32Array }
  | { readonly kind: 'flag'; readonly values: Uint8Array }
  /** `text`, `bytes`. `bytes[offsets[i] … offsets[i+1])`, of a text UTF-8; `nulls[i]` is 1 for NULL. */
  | { readonly kind: 'string'; readonly offsets: Uint32Array; readonly bytes: Uint8Array; readonly nulls: Uint8Array };

/** A value outside of columns: words, flags and numbers are numbers, a whole number beyond 2^53 its digits, NULL and NaN null. */
export type Cell = string | number | null;

/** Private state of an operator, replaced whole. */
export interface OperatorState {
  readonly operator: string;
  readonly version: number;
  readonly head: Readonly<Record<string, unknown>>;
  readonly arrays: readonly (Float64Array | Uint32Array | Uint8Array)[];
}

/** The type of a column with values of a field. */
export function columnTypeOf(type: FieldType): ColumnType {
  return valueTypeOf(type);
}

/** How the values of a type are stored. */
export function kindOf(type: ColumnType): ColumnData['kind'] {
  if (type === 'text' || type === 'bytes') return 'string';
  return type === 'word' || type === 'flag' ? type : 'number';
}

/** How many values a column has. */
export function lengthOf(column: ColumnData): number {
  return column.kind === 'string' ? column.nulls.length : column.values.length;
}

export function columnIndex({ table, columns }: Pick<RowSchema, 'table' | 'columns'>, name: string): number {
  const index = columns.findIndex((column) => column.name === name);
  assert(index >= 0, `table ${table} has a column ${name}`);
  return index;
}

/** The numbers, words or flags of a column. */
export function numbersOf(schema: RowSchema, rows: RowSet, name: string): Float64Array | Uint32Array | Uint8Array {
  const column = present(rows.columns[columnIndex(schema, name)], `rows of ${schema.table} have ${name}`);
  assert(column.kind !== 'string', `${schema.table}.${name} has numbers`);
  return column.values;
}

/** The numbers of a column that is known to have them, undefined for texts. */
export function numbersIn(column: ColumnData): Float64Array | Uint32Array | Uint8Array | undefined {
  return column.kind === 'string' ? undefined : column.values;
}

export function cellOf(column: ColumnData, at: number): Cell {
  if (column.kind === 'string') {
    if (column.nulls[at] === 1) return null;
    return textOf(column.bytes.subarray(column.offsets[at], column.offsets[at + 1]));
  }
  const rest = column.kind === 'number' ? column.rest : undefined;
  const value = rest === undefined ? column.values[at]! : exactInteger(column.values[at]!, rest[at]!);
  if (typeof value === 'bigint') return String(value);
  return Number.isNaN(value) ? null : value;
}

/** Values as a column of texts. */
export function textColumn(values: readonly (string | number | bigint | null)[]): ColumnData {
  const texts = values.map((value) => Buffer.from(String(value ?? '')));
  const offsets = new Uint32Array(values.length + 1);
  for (const [i, text] of texts.entries()) offsets[i + 1] = offsets[i]! + text.length;
  const nulls = Uint8Array.from(values, (value) => (value === null ? 1 : 0));
  return { kind: 'string', offsets, bytes: new Uint8Array(Buffer.concat(texts)), nulls };
}

/** The bytes of a text or a sketch; undefined for NULL, and where there are none. */
export function bytesAt(column: ColumnData | undefined, at: number): Uint8Array | undefined {
  if (column?.kind !== 'string' || column.nulls[at] === 1) return undefined;
  return column.bytes.subarray(column.offsets[at], column.offsets[at + 1]);
}

/** The `state` column of a measure. The dot keeps it apart from keys, whose dots became underscores, and from other measures. */
export function stateColumn(measure: string, suffix: string): string {
  return `${measure}.${suffix === '' ? 'value' : suffix.replace(/^_/, '')}`;
}
