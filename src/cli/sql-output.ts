import { OperatingError } from '../lib/errors.ts';
import { escapeJson, escapeText } from '../lib/escape.ts';
import type { SqlResult } from '../sinks/duckdb/sql-answer.ts';

type Columns = SqlResult['columns'];
type Rows = SqlResult['rows'];
type Value = Rows[number][number];

/** Makes text of an answer as it comes. Every call gives whole lines, or pieces of the one line of `json`; '' is nothing to write. */
export interface AnswerWriter {
  columns(columns: Columns): string;
  /** Rows follow in their order, as many at a time as there are. */
  rows(rows: Rows): string;
  end(truncated: boolean): string;
}

/** Wider cells are cut for the screen; the other forms have them whole. */
const CELL_WIDTH_MAX = 60;

/**
 * `json` is one object: columns, rows, truncated; `ndjson` an object a row; `csv` as RFC 4180 has it, but for plain line feeds: NULL is an
 * empty field, an empty text is `""`. For a terminal what a log line could do to it is escaped, in `csv` as well.
 */
export const ANSWER_WRITERS = {
  table: () => new TableWriter(),
  json: jsonWriter,
  ndjson: ndjsonWriter,
  csv: csvWriter,
} as const satisfies Readonly<Record<string, (isTerminal: boolean) => AnswerWriter>>;

/** An aligned table; numbers to the right, what a log line could do to a terminal escaped. */
export function tableText({ columns, rows }: Pick<SqlResult, 'columns' | 'rows'>): string {
  const writer = new TableWriter();
  return `${writer.columns(columns)}${writer.rows(rows)}${writer.end()}`.replace(/\n$/, '');
}

/** The first rows say how wide the columns are: those that come later and are wider move what is behind them. */
class TableWriter implements AnswerWriter {
  #columns: Columns = [];
  #layout: { readonly widths: readonly number[]; readonly isNumber: readonly boolean[] } | undefined;

  columns(columns: Columns): string {
    if (columns.length === 0) throw new OperatingError('the answer has no columns', { code: 'SQL_FAILED' });
    this.#columns = columns;
    return '';
  }

  rows(rows: Rows): string {
    const cells = rows.map((row) => row.map(cellText));
    const head = this.#layout === undefined ? this.#head(rows, cells) : [];
    return lines([...head, ...cells.map((row) => this.#line(row))]);
  }

  end(): string {
    return this.#layout === undefined ? lines(this.#head([], [])) : '';
  }

  #head(rows: Rows, cells: readonly (readonly string[])[]): readonly string[] {
    const names = this.#columns.map(({ name }) => escapeText(name));
    const isNumber = names.map(
      (_, index) => rows.length > 0 && rows.every((row) => row[index] === null || typeof row[index] === 'number'),
    );
    // Ten thousand arguments are too many for some calls.
    const widths = names.map((name, index) =>
      cells.reduce((max, row) => Math.max(max, row[index]!.length), name.length),
    );
    this.#layout = { widths, isNumber };
    return [this.#line(names), this.#line(widths.map((width) => '─'.repeat(width)))];
  }

  #line(texts: readonly string[]): string {
    const { widths = [], isNumber = [] } = this.#layout ?? {};
    const padded = texts.map((text, index) =>
      isNumber[index] === true ? text.padStart(widths[index]!) : text.padEnd(widths[index]!),
    );
    return padded.join('  ').trimEnd();
  }
}

function cellText(value: Value): string {
  if (value === null) return 'NULL';
  const text = escapeText(typeof value === 'object' ? JSON.stringify(value) : String(value));
  return text.length <= CELL_WIDTH_MAX ? text : `${text.slice(0, CELL_WIDTH_MAX - 1)}…`;
}

function jsonWriter(): AnswerWriter {
  let separator = '';
  return {
    columns: (columns) => `{"columns":${escapeJson(JSON.stringify(columns))},"rows":[`,
    rows(rows) {
      if (rows.length === 0) return '';
      const text = separator + escapeJson(JSON.stringify(rows).slice(1, -1));
      separator = ',';
      return text;
    },
    end: (truncated) => `],"truncated":${truncated}}\n`,
  };
}

function ndjsonWriter(): AnswerWriter {
  let names: readonly string[] = [];
  const object = (row: readonly Value[]): string =>
    escapeJson(JSON.stringify(Object.fromEntries(names.map((name, index) => [name, row[index]!]))));
  return {
    columns(columns) {
      names = uniqueNames(columns);
      return '';
    },
    rows: (rows) => lines(rows.map(object)),
    end: () => '',
  };
}

/** A query may give two columns one name: an object cannot, so the later ones get a number. */
export function uniqueNames(columns: Columns): readonly string[] {
  const taken = new Set(columns.map(({ name }) => name));
  const seen = new Set<string>();
  return columns.map(({ name }) => {
    let unique = name;
    for (let number = 1; seen.has(unique); number++) if (!taken.has(`${name}_${number}`)) unique = `${name}_${number}`;
    seen.add(unique);
    taken.add(unique);
    return unique;
  });
}

function csvWriter(isTerminal: boolean): AnswerWriter {
  const field = (value: Value): string => {
    if (value === null) return '';
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
    const shown = isTerminal ? escapeText(text) : text;
    return shown === '' || /[",\r\n]/.test(shown) ? `"${shown.replaceAll('"', '""')}"` : shown;
  };
  const line = (values: readonly Value[]): string => values.map(field).join(',');
  return {
    columns: (columns) => lines([line(columns.map(({ name }) => name))]),
    rows: (rows) => lines(rows.map(line)),
    end: () => '',
  };
}

function lines(texts: readonly string[]): string {
  return texts.length === 0 ? '' : `${texts.join('\n')}\n`;
}
