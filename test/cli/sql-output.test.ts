import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ANSWER_WRITERS } from '../../src/cli/sql-output.ts';
import type { SqlResult } from '../../src/sinks/duckdb/sql-answer.ts';

const resultOf = (names: readonly string[], rows: SqlResult['rows']): SqlResult => ({
  columns: names.map((name) => ({ name, type: 'VARCHAR' })),
  rows,
  truncated: false,
});

/** The answer as it comes: row by row. */
function sqlText(
  { columns, rows, truncated }: SqlResult,
  output: keyof typeof ANSWER_WRITERS,
  isTerminal: boolean,
): string {
  const writer = ANSWER_WRITERS[output](isTerminal);
  return [writer.columns(columns), ...rows.map((row) => writer.rows([row])), writer.end(truncated)].join('');
}

const text = fc.oneof(
  fc.constantFrom('', 'a', 'a,b', 'say "so"', 'two\nlines', '\r', ' blanks ', '-1', 'NULL'),
  fc.string({ unit: 'grapheme' }).map((value) => value.replaceAll('\0', '')),
);

test('CSV comes back from DuckDB as it was, NULL and the empty text apart', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-csv-'));
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    const rows = fc.array(fc.tuple(fc.option(text), text, fc.option(text)), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(rows, async (cells) => {
        const path = join(folder, 'answer.csv');
        writeFileSync(path, sqlText(resultOf(['a', 'b,c', 'd'], cells), 'csv', false));
        const columns = "{ 'a': 'VARCHAR', 'b,c': 'VARCHAR', 'd': 'VARCHAR' }";
        const read = await connection.runAndReadAll(
          `SELECT * FROM read_csv('${path}', columns = ${columns}, header = true, auto_detect = false, delim = ',', quote = '"', escape = '"', new_line = '\\n', allow_quoted_nulls = false)`,
        );
        expect(read.getRowsJson()).toEqual(cells);
      }),
      { seed: 4, numRuns: 200 },
    );
  } finally {
    connection.closeSync();
    instance.closeSync();
    rmSync(folder, { recursive: true });
  }
});

test('NDJSON has an object a row, and a number behind a name that comes again', () => {
  const result = resultOf(
    ['a', 'a', 'b'],
    [
      [1, null, { x: '\u001b' }],
      [2, 'y', []],
    ],
  );
  const lines = sqlText(result, 'ndjson', true).trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { a: 1, a_1: null, b: { x: '\u001b' } },
    { a: 2, a_1: 'y', b: [] },
  ]);
  expect(lines.join('')).not.toContain('\u001b');
});

test('NDJSON loses no column to a name that looks numbered', () => {
  const text = sqlText(resultOf(['a', 'a', 'a_1', 'a'], [[1, 2, 3, 4]]), 'ndjson', false);
  expect(JSON.parse(text)).toEqual({ a: 1, a_2: 2, a_1: 3, a_3: 4 });
});

test('nothing reaches a terminal raw', () => {
  const result = resultOf(['url'], [['/\u001b[31m']]);
  for (const output of ['table', 'json', 'ndjson', 'csv'] as const)
    expect(sqlText(result, output, true)).not.toContain('\u001b');
  expect(sqlText(result, 'csv', false)).toBe('url\n/\u001b[31m\n');
});
