import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { Clock } from '../../lib/clock.ts';
import { OperatingError, describeError } from '../../lib/errors.ts';
import { SqlGuard } from './sql-guard.ts';
import { type JsonValue, jsonValue } from './sql-values.ts';

export interface SqlResult {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly JsonValue[])[];
  /** There were more rows than the answer may hold. */
  readonly truncated: boolean;
}

/** An answer is for a person or a chart; bulk export is another way out. */
const ROWS_MAX = 10_000;
/** Text of the values in an answer, roughly: many wide rows would otherwise be held twice in memory. */
const ANSWER_CHARACTERS_MAX = 16 * 1024 * 1024;
/** Longer than any rollup query takes; short enough that a runaway one gives the cores back. */
const TIMEOUT_MS = 10_000;
/** Queries run one after the other; more than this many waiting are turned away. */
const WAITING_MAX = 16;

/** Runs users' queries one at a time, each on a connection of its own, within limits. */
export class SqlRunner {
  readonly #clock: Clock;
  readonly #instance: DuckDBInstance;
  readonly #timeoutMs: number;
  #guard: SqlGuard | undefined;
  #running: { readonly connection: DuckDBConnection; reason: string | undefined } | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #closed: string | undefined;

  constructor(parts: { readonly clock: Clock; readonly instance: DuckDBInstance; readonly timeoutMs?: number }) {
    this.#clock = parts.clock;
    this.#instance = parts.instance;
    this.#timeoutMs = parts.timeoutMs ?? TIMEOUT_MS;
  }

  /** OperatingErrors: SQL_REFUSED, SQL_INVALID, SQL_FAILED, SQL_TIMEOUT, SQL_INTERRUPTED, SQL_BUSY. */
  async query(sql: string): Promise<SqlResult> {
    if (this.#waiting >= WAITING_MAX) {
      throw new OperatingError(`${WAITING_MAX} queries are waiting already`, {
        code: 'SQL_BUSY',
        isRetryable: true,
        hint: 'try again',
      });
    }
    this.#waiting++;
    const turn = this.#last.then(() => this.#run(sql));
    this.#last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#waiting--;
    }
  }

  /** Ends the query that runs, if one does, and waits until it has given up what it held. */
  async interrupt(reason: string): Promise<void> {
    const { running } = { running: this.#running };
    if (running === undefined) return;
    running.reason = reason;
    running.connection.interrupt();
    while (this.#running === running) {
      await this.#clock.sleep(5);
      if (this.#running === running) running.connection.interrupt();
    }
  }

  /** Ends what runs and turns away what waits: the file is about to be closed. */
  async close(reason: string): Promise<void> {
    this.#closed = reason;
    await this.interrupt(reason);
  }

  async #run(sql: string): Promise<SqlResult> {
    if (this.#closed !== undefined) throw interrupted(this.#closed);
    const connection = await this.#instance.connect();
    const running = { connection, reason: undefined as string | undefined };
    this.#running = running;
    const done = new AbortController();
    void this.#endLate(running, done.signal);
    try {
      this.#guard ??= await SqlGuard.create(connection);
      await this.#guard.check(connection, sql);
      return await read(connection, sql);
    } catch (error) {
      throw running.reason === undefined ? queryError(error) : interrupted(running.reason);
    } finally {
      done.abort();
      connection.closeSync();
      this.#running = undefined;
    }
  }

  async #endLate(
    running: { readonly connection: DuckDBConnection; reason: string | undefined },
    done: AbortSignal,
  ): Promise<void> {
    await this.#clock.sleep(this.#timeoutMs, done);
    // An interrupt may fall between two steps of a query and be lost: it is repeated until the query is over.
    while (!done.aborted) {
      running.reason ??= `it took more than ${this.#timeoutMs / 1000} s`;
      running.connection.interrupt();
      await this.#clock.sleep(50, done);
    }
  }
}

async function read(connection: DuckDBConnection, sql: string): Promise<SqlResult> {
  const result = await connection.stream(sql);
  const columns = result.columnNames().map((name, index) => ({ name, type: String(result.columnType(index)) }));
  const rows: JsonValue[][] = [];
  let characters = 0;
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return { columns, rows, truncated: false };
    for (const values of chunk.getRows()) {
      if (rows.length === ROWS_MAX || characters > ANSWER_CHARACTERS_MAX) return { columns, rows, truncated: true };
      const row = values.map(jsonValue);
      for (const value of row)
        characters +=
          typeof value === 'string' ? value.length : typeof value === 'object' ? JSON.stringify(value).length : 8;
      rows.push(row);
    }
  }
}

/** DuckDB's message on one line, without the picture of the query behind it. */
function queryError(error: unknown): unknown {
  if (error instanceof OperatingError) return error;
  const text = describeError(error);
  const message = text
    .replace(/\n\s*LINE \d+:[^]*$/, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();
  const isUnknownTable = /^(Error: )?Catalog Error: Table with name/.test(message);
  const shown = isUnknownTable ? message.replace(/ ?Did you mean .*$/, '') : message;
  return new OperatingError(shown, {
    code: 'SQL_FAILED',
    ...(isUnknownTable ? { hint: 'SHOW TABLES lists the rollups, SHOW ALL TABLES everything' } : {}),
    cause: error,
  });
}

function interrupted(reason: string): OperatingError {
  const isTimeout = reason.startsWith('it took');
  return new OperatingError(`the query was interrupted: ${reason}`, {
    code: isTimeout ? 'SQL_TIMEOUT' : 'SQL_INTERRUPTED',
    hint: 'ask for less: a shorter time, fewer columns',
  });
}
