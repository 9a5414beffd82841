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

/** A text as an SQL literal. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A VARCHAR cell that is not NULL. */
export function textCell(value: unknown): string {
  assert(typeof value === 'string', `a text, not ${typeof value}`);
  return value;
}
