import type { DuckDBConnection, DuckDBDataChunk } from '@duckdb/node-api';
import { OperatingError } from '../../lib/errors.ts';
import { type JsonValue, jsonValue } from './sql-values.ts';

export interface SqlResult {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly JsonValue[])[];
  /** There were more rows than the answer may hold. */
  readonly truncated: boolean;
}

/** Takes an answer: its columns, then its rows in parts of at most `ROWS_MAX`, in order. */
export interface RowTaker {
  columns(columns: SqlResult['columns']): void;
  /** The next part comes when this resolves. */
  rows(rows: SqlResult['rows']): Promise<void>;
}

export interface Answer {
  /** There are at most so many rows, … */
  readonly rowsMax: number;
  /** … and one more when their text, roughly, is so long. */
  readonly charactersMax: number;
  readonly taker: RowTaker;
  /** The query is interrupted: its stream ends as if there were no more rows. */
  readonly isEnded: () => boolean;
}

/** What a person or a chart asks for; more than that is asked for by a number of its own. */
export const ROWS_MAX = 10_000;
/** Text of the values in an answer that is held whole: as rows, as JSON and as bytes it is there three times, for two queries at once. */
export const ANSWER_CHARACTERS_MAX = 8 * 1024 * 1024;
/** And in a part of one that is not. */
const PART_CHARACTERS_MAX = 1024 * 1024;

/** Runs a query and hands its answer over. True if there were more rows than it may have. */
export async function readAnswer(connection: DuckDBConnection, sql: string, answer: Answer): Promise<boolean> {
  const { rowsMax, charactersMax, taker, isEnded } = answer;
  await connection.run('BEGIN TRANSACTION READ ONLY');
  const result = await connection.stream(sql);
  taker.columns(result.columnNames().map((name, index) => ({ name, type: String(result.columnType(index)) })));
  let part: JsonValue[][] = [];
  let partCharacters = 0;
  let rows = 0;
  let characters = 0;
  const hand = async (): Promise<void> => {
    if (part.length > 0) await taker.rows(part);
    part = [];
    partCharacters = 0;
  };
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) break;
    for (let row = 0; row < chunk.rowCount; row++) {
      if (rows === rowsMax || characters > charactersMax) {
        await hand();
        return true;
      }
      const { values, size } = readRow(chunk, row);
      rows++;
      characters += size;
      partCharacters += size;
      part.push(values);
      if (part.length === ROWS_MAX || partCharacters > PART_CHARACTERS_MAX) await hand();
    }
  }
  await hand();
  if (!isEnded()) await throwIfFailed(connection, sql);
  return false;
}

/**
 * A stream that fails behind its first mebibyte ends as if there were no more rows, and the driver does not say so. But an error leaves its
 * transaction in ruins; which error it was says the same query once more, not as a stream.
 */
async function throwIfFailed(connection: DuckDBConnection, sql: string): Promise<void> {
  try {
    await connection.run('SELECT 1');
  } catch {
    await connection.run('ROLLBACK');
    await connection.run(sql);
    throw new OperatingError('the query failed after some rows, and not when it ran again', {
      code: 'SQL_FAILED',
      hint: 'ask again',
    });
  }
}

/** Puts an answer together. */
export function collected(): { readonly taker: RowTaker; readonly result: Omit<SqlResult, 'truncated'> } {
  const result = { columns: [] as SqlResult['columns'], rows: [] as SqlResult['rows'][number][] };
  const taker: RowTaker = {
    columns: (columns) => void (result.columns = columns),
    rows: (rows) => {
      for (const row of rows) result.rows.push(row);
      return Promise.resolve();
    },
  };
  return { taker, result };
}

/** Value by value: a chunk of 2048 rows that share one large string would be as many large strings here. */
function readRow(chunk: DuckDBDataChunk, row: number): { readonly values: JsonValue[]; readonly size: number } {
  const values: JsonValue[] = [];
  let size = 0;
  for (let column = 0; column < chunk.columnCount; column++) {
    const value = jsonValue(chunk.getColumnVector(column).getItem(row));
    size += typeof value === 'string' ? value.length : typeof value === 'object' ? JSON.stringify(value).length : 8;
    values.push(value);
  }
  return { values, size };
}
