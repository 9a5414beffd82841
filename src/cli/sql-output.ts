import { OperatingError } from '../lib/errors.ts';
import { escapeJson, escapeText } from '../lib/escape.ts';
import type { SqlResult } from '../sinks/duckdb/sql-runner.ts';

export const SQL_OUTPUTS = ['table', 'json', 'ndjson', 'csv'] as const;
export type SqlOutput = (typeof SQL_OUTPUTS)[number];

type Answer = Pick<SqlResult, 'columns' | 'rows'>;
type Value = SqlResult['rows'][number][number];

/** Wider cells are cut for the screen; the other forms have them whole. */
const CELL_WIDTH_MAX = 60;

/**
 * An answer as text, without its last newline. `json` is one object: columns, rows, truncated; `ndjson` an object a row; `csv` as RFC 4180 has
 * it, but for plain line feeds: NULL is an empty field, an empty text is `""`. For a terminal what a log line could do to it is escaped, in `csv` as well.
 */
export function sqlText(result: SqlResult, output: SqlOutput, isTerminal: boolean): string {
  if (output === 'json') return escapeJson(JSON.stringify(result));
  if (output === 'ndjson') return ndjsonText(result);
  return output === 'csv' ? csvText(result, isTerminal) : tableText(result);
}

/** An aligned table; numbers to the right, what a log line could do to a terminal escaped. */
export function tableText({ columns, rows }: Answer): string {
  if (columns.length === 0) throw new OperatingError('the answer has no columns', { code: 'SQL_FAILED' });
  const names = columns.map(({ name }) => escapeText(name));
  const cells = rows.map((row) => row.map(cellText));
  const isNumber = columns.map(
    (_, index) => rows.length > 0 && rows.every((row) => row[index] === null || typeof row[index] === 'number'),
  );
  const widths = names.map((name, index) => Math.max(name.length, ...cells.map((row) => row[index]!.length)));
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, index) => (isNumber[index] === true ? text.padStart(widths[index]!) : text.padEnd(widths[index]!)))
      .join('  ')
      .trimEnd();
  return [line(names), line(widths.map((width) => '─'.repeat(width))), ...cells.map(line)].join('\n');
}

function cellText(value: Value): string {
  if (value === null) return 'NULL';
  const text = escapeText(typeof value === 'object' ? JSON.stringify(value) : String(value));
  return text.length <= CELL_WIDTH_MAX ? text : `${text.slice(0, CELL_WIDTH_MAX - 1)}…`;
}

/** A query may give two columns one name: an object cannot, so the later ones get a number. */
function ndjsonText({ columns, rows }: Answer): string {
  const taken = new Set(columns.map(({ name }) => name));
  const seen = new Set<string>();
  const names = columns.map(({ name }) => {
    let unique = name;
    for (let number = 1; seen.has(unique); number++) if (!taken.has(`${name}_${number}`)) unique = `${name}_${number}`;
    seen.add(unique);
    taken.add(unique);
    return unique;
  });
  const object = (row: readonly Value[]): string =>
    escapeJson(JSON.stringify(Object.fromEntries(names.map((name, index) => [name, row[index]!]))));
  return rows.map(object).join('\n');
}

function csvText({ columns, rows }: Answer, isTerminal: boolean): string {
  const field = (value: Value): string => {
    if (value === null) return '';
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
    const shown = isTerminal ? escapeText(text) : text;
    return shown === '' || /[",\r\n]/.test(shown) ? `"${shown.replaceAll('"', '""')}"` : shown;
  };
  const names = columns.map(({ name }) => name);
  return [names, ...rows].map((row) => row.map(field).join(',')).join('\n');
}
