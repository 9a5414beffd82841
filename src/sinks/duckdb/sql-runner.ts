import type { DuckDBConnection, DuckDBDataChunk, DuckDBInstance } from '@duckdb/node-api';
import { onceAborted } from '../../lib/abort.ts';
import { present } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import type { OperatingError } from '../../lib/errors.ts';
import type { Judgement } from './query-journal.ts';
import { type Lane, QueryTurns, type Turn } from './query-turns.ts';
import type { QueryWatch, WatchedQuery } from './query-watch.ts';
import { type EndReason, endedError, endedProcess, queryError, refusedForHarm } from './sql-errors.ts';
import { SqlGuard } from './sql-guard.ts';
import { type JsonValue, jsonValue } from './sql-values.ts';

export interface SqlResult {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly JsonValue[])[];
  /** There were more rows than the answer may hold. */
  readonly truncated: boolean;
}

export interface SqlQuestion {
  readonly sql: string;
  readonly lane?: Lane;
  /** It was asked before, of a process that died: then it does not run again if it was the cause. */
  readonly isAgain?: boolean;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal?: AbortSignal;
  /** Hands the answer over; the query keeps its turn until this resolves, so that few answers are in memory at a time. */
  readonly deliver?: (result: SqlResult) => Promise<void>;
}

/** An answer is for a person or a chart; bulk export is another way out. */
const ROWS_MAX = 10_000;
/** Text of the values in an answer, roughly: as rows, as JSON and as bytes it is held three times, for two queries at once. */
const ANSWER_CHARACTERS_MAX = 8 * 1024 * 1024;
/** An interrupt may fall between two steps of a query and be lost: it is repeated so often until the query is over. */
const INTERRUPT_AGAIN_MS = 50;

interface Running extends Turn {
  readonly judged: Judgement;
  connection: DuckDBConnection | undefined;
  watched: WatchedQuery | undefined;
  reason: EndReason | undefined;
  readonly done: AbortController;
}

/** Runs users' queries, a few at a time, each on a connection of its own, within limits. */
export class SqlRunner {
  readonly #clock: Clock;
  readonly #instance: DuckDBInstance;
  readonly #watch: QueryWatch;
  readonly #turns = new QueryTurns();
  readonly #running = new Set<Running>();
  #guard: SqlGuard | undefined;
  #isClosed = false;

  constructor(parts: { readonly clock: Clock; readonly instance: DuckDBInstance; readonly watch: QueryWatch }) {
    this.#clock = parts.clock;
    this.#instance = parts.instance;
    this.#watch = parts.watch;
  }

  /**
   * OperatingErrors: SQL_REFUSED, SQL_INVALID, SQL_FAILED, SQL_TIMEOUT, SQL_MEMORY, SQL_INTERRUPTED, SQL_BUSY, SQL_HARMFUL. One that can
   * be interrupted no more ends the process.
   */
  async query(question: SqlQuestion): Promise<SqlResult> {
    const { sql, lane = 'people', signal: given, deliver } = question;
    this.#throwIfClosed();
    const judged = this.#watch.judge(sql);
    if (judged === 'refused') throw refusedForHarm();
    if (judged === 'blamed' && question.isAgain === true) throw endedProcess();
    const gone = new AbortController();
    const onGone = (): void => gone.abort(this.#error('client'));
    given?.addEventListener('abort', onGone, { once: true });
    if (given?.aborted === true) onGone();
    gone.signal.throwIfAborted();
    const done = new AbortController();
    const running: Running = {
      lane,
      isAlone: judged !== 'fine',
      judged,
      connection: undefined,
      watched: undefined,
      reason: undefined,
      done,
    };
    await this.#turns.enter(running, gone.signal);
    this.#running.add(running);
    const onGoneMeanwhile = (): void => this.#end(running, 'client');
    given?.addEventListener('abort', onGoneMeanwhile, { once: true });
    try {
      this.#throwIfClosed();
      const result = await this.#run(sql, running);
      this.#over(running);
      await deliver?.(result);
      return result;
    } finally {
      this.#over(running);
      given?.removeEventListener('abort', onGone);
      given?.removeEventListener('abort', onGoneMeanwhile);
      this.#turns.leave(running);
    }
  }

  /** Ends the queries that run and waits until they have given up what they held: as long as the watch lets an interrupt be without effect. */
  async interrupt(reason: EndReason): Promise<void> {
    const all = [...this.#running];
    for (const running of all) this.#end(running, reason);
    await Promise.all(all.map(({ done }) => onceAborted(done.signal)));
  }

  /** Does something that needs the file without readers: they are ended, and who waits goes on waiting. */
  async withoutQueries<T>(work: () => Promise<T>): Promise<T> {
    const release = this.#turns.hold();
    try {
      await this.interrupt('writer');
      return await work();
    } finally {
      release();
    }
  }

  /** From here on queries wait, until the returned function is called. */
  hold(): () => void {
    return this.#turns.hold();
  }

  /** Ends what runs and turns away what waits: the file is about to be closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#turns.refuseAll(this.#error('stopping'));
    await this.interrupt('stopping');
    await this.#watch.close();
  }

  async #run(sql: string, running: Running): Promise<SqlResult> {
    await this.#watch.ready();
    running.watched = this.#watch.began(sql, {
      judged: running.judged,
      isOwn: running.lane === 'own',
      onMemoryShort: () => this.#end(running, 'memory'),
    });
    void this.#endLate(running);
    try {
      running.connection = await this.#instance.connect();
      this.#guard ??= await SqlGuard.create(running.connection);
      await this.#guard.check(running.connection, sql);
      if (running.reason === undefined) {
        const result = await read(running.connection, sql);
        // A stream that is interrupted ends as if there were no more rows.
        if (!this.#wasEnded(running)) return result;
      }
    } catch (error) {
      if (running.reason === undefined) throw queryError(error);
    } finally {
      running.connection?.closeSync();
      running.connection = undefined;
    }
    throw this.#error(present(running.reason, 'it was ended'), running.judged);
  }

  #over(running: Running): void {
    if (!this.#running.delete(running)) return;
    running.watched?.ended();
    running.done.abort();
  }

  async #endLate(running: Running): Promise<void> {
    await this.#clock.sleep(this.#watch.timeoutMs(running.judged), running.done.signal);
    this.#end(running, 'timeout');
  }

  #end(running: Running, reason: EndReason): void {
    if (running.reason !== undefined || running.done.signal.aborted) return;
    running.reason = reason;
    running.watched?.interrupted();
    void this.#interruptUntilDone(running);
  }

  async #interruptUntilDone(running: Running): Promise<void> {
    while (!running.done.signal.aborted) {
      running.connection?.interrupt();
      await this.#clock.sleep(INTERRUPT_AGAIN_MS, running.done.signal);
    }
  }

  #wasEnded({ reason }: Running): boolean {
    return reason !== undefined;
  }

  #throwIfClosed(): void {
    if (this.#isClosed) throw this.#error('stopping');
  }

  #error(reason: EndReason, judged: Judgement = 'fine'): OperatingError {
    return endedError(reason, this.#watch.timeoutMs(judged));
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
    for (let row = 0; row < chunk.rowCount; row++) {
      if (rows.length === ROWS_MAX || characters > ANSWER_CHARACTERS_MAX) return { columns, rows, truncated: true };
      const { values, size } = readRow(chunk, row);
      characters += size;
      rows.push(values);
    }
  }
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
