import { assert } from '../../lib/assert.ts';

/** Columns of every rollup: neither a key nor a measure may be called so. */
export const ROLLUP_COLUMNS: readonly string[] = [
  'partition',
  'window_start',
  'window_end',
  'status',
  'revision',
  'lines',
  'late_lines',
  'overflow',
  'is_other',
  'sum_a',
  'sum_b',
];

/** A name as SQL writes it, whatever characters it has. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Words that DuckDB does not take for a table's name where they stand alone: `reserved` and `type_function` of duckdb_keywords(). */
const RESERVED = new Set(
  (
    'all analyse analyze and anti any array as asc asof asymmetric at authorization binary both by case cast check collate collation column ' +
    'concurrently constraint create cross default deferrable desc describe distinct do else end except false fetch for foreign freeze from full ' +
    'glob group having ilike in initially inner intersect into is isnull join lambda lateral leading left like limit natural not ' +
    'notnull null offset on only or order outer overlaps pivot pivot_longer pivot_wider placing positional primary qualify references returning ' +
    'right select semi show similar some summarize symmetric table tablesample then to trailing true union unique unpack unpivot using ' +
    'variadic verbose when where window with'
  ).split(' '),
);

/** A name as a person writes it in SQL: bare, and in quotes only where it must be. */
export function readableIdentifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) && !RESERVED.has(name) ? name : identifier(name);
}

/** A text as an SQL literal. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A VARCHAR cell that is not NULL. */
export function textCell(value: unknown): string {
  assert(typeof value === 'string', `a text, not ${typeof value}`);
  return value;
}
