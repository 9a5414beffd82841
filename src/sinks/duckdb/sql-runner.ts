import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { onceAborted } from '../../lib/abort.ts';
import { present } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import type { OperatingError } from '../../lib/errors.ts';
import type { Judgement } from './query-journal.ts';
import { type Lane, QueryTurns, type Turn } from './query-turns.ts';
import type { QueryWatch, WatchedQuery } from './query-watch.ts';
import { type EndReason, endedError, endedProcess, queryError, refusedForHarm } from './sql-errors.ts';
import {
  ANSWER_CHARACTERS_MAX,
  type Answer,
  ROWS_MAX,
  type RowTaker,
  type SqlResult,
  collected,
  readAnswer,
} from './sql-answer.ts';
import { SqlGuard } from './sql-guard.ts';

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

/** A question whose answer may have any length. */
export interface SqlStreamQuestion extends Omit<SqlQuestion, 'deliver'> {
  /** At most so many rows; 0 for all. */
  readonly rowsMax: number;
}

/** An interrupt may fall between two steps of a query and be lost: it is repeated so often until the query is over. */
const INTERRUPT_AGAIN_MS = 50;

interface Running extends Turn {
  readonly judged: Judgement;
  connection: DuckDBConnection | undefined;
  watched: WatchedQuery | undefined;
  reason: EndReason | undefined;
  /** When it began, or a part of its answer was last handed over. */
  progressMs: number;
  /** It waits for rows to be taken. */
  isHanding: boolean;
  /** Aborts when it is to end, … */
  readonly ending: AbortController;
  /** … and when it has. */
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
  query(question: SqlQuestion): Promise<SqlResult> {
    return this.#inTurn(question, async (running) => {
      const { taker, result } = collected();
      const truncated = await this.#run(question.sql, running, {
        rowsMax: ROWS_MAX,
        charactersMax: ANSWER_CHARACTERS_MAX,
        taker,
      });
      this.#over(running);
      const answer = { ...result, truncated };
      await question.deliver?.(answer);
      return answer;
    });
  }

  /**
   * Hands an answer of any length over, part by part: of each the query waits until it is taken. Its time begins again with each part, and whoever
   * takes none for so long ends it. True if there were more rows. The same errors, also when parts have been taken.
   */
  stream(question: SqlStreamQuestion, taker: RowTaker): Promise<boolean> {
    const rowsMax = question.rowsMax === 0 ? Infinity : question.rowsMax;
    return this.#inTurn(question, (running) =>
      this.#run(question.sql, running, {
        rowsMax,
        charactersMax: Infinity,
        taker: {
          columns: (columns) => taker.columns(columns),
          rows: (rows) => this.#hand(running, () => taker.rows(rows)),
        },
      }),
    );
  }

  async #inTurn<T>(question: Omit<SqlQuestion, 'deliver'>, work: (running: Running) => Promise<T>): Promise<T> {
    const { sql, lane = 'people', signal: given } = question;
    this.#throwIfClosed();
    const judged = this.#watch.judge(sql);
    if (judged === 'refused') throw refusedForHarm();
    if (judged === 'blamed' && question.isAgain === true) throw endedProcess();
    const gone = new AbortController();
    const onGone = (): void => gone.abort(this.#error('client'));
    given?.addEventListener('abort', onGone, { once: true });
    if (given?.aborted === true) onGone();
    gone.signal.throwIfAborted();
    const running: Running = {
      lane,
      isAlone: judged !== 'fine',
      judged,
      connection: undefined,
      watched: undefined,
      reason: undefined,
      progressMs: 0,
      isHanding: false,
      ending: new AbortController(),
      done: new AbortController(),
    };
    await this.#turns.enter(running, gone.signal);
    this.#running.add(running);
    const onGoneMeanwhile = (): void => this.#end(running, 'client');
    given?.addEventListener('abort', onGoneMeanwhile, { once: true });
    try {
      this.#throwIfClosed();
      return await work(running);
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

  async #run(sql: string, running: Running, answer: Omit<Answer, 'isEnded'>): Promise<boolean> {
    await this.#watch.ready();
    running.progressMs = this.#clock.monotonicMs();
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
        const isTruncated = await readAnswer(running.connection, sql, {
          ...answer,
          isEnded: () => this.#wasEnded(running),
        });
        if (!this.#wasEnded(running)) return isTruncated;
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

  /** Waits until a part is taken, or the query is to end. */
  async #hand(running: Running, take: () => Promise<void>): Promise<void> {
    if (running.ending.signal.aborted) return;
    const { signal } = running.ending;
    const ended = Promise.withResolvers<void>();
    signal.addEventListener('abort', ended.resolve as () => void, { once: true });
    this.#progressed(running, true);
    await Promise.race([take(), ended.promise]);
    this.#progressed(running, false);
    signal.removeEventListener('abort', ended.resolve as () => void);
  }

  #progressed(running: Running, isHanding: boolean): void {
    running.isHanding = isHanding;
    running.progressMs = this.#clock.monotonicMs();
    if (running.reason === undefined) running.watched?.progressed();
  }

  async #endLate(running: Running): Promise<void> {
    const timeoutMs = this.#watch.timeoutMs(running.judged);
    for (;;) {
      const leftMs = running.progressMs + timeoutMs - this.#clock.monotonicMs();
      if (leftMs <= 0 || running.done.signal.aborted) break;
      await this.#clock.sleep(leftMs, running.done.signal);
    }
    this.#end(running, running.isHanding ? 'taker' : 'timeout');
  }

  #end(running: Running, reason: EndReason): void {
    if (running.reason !== undefined || running.done.signal.aborted) return;
    running.reason = reason;
    running.ending.abort();
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
