import { Worker } from 'node:worker_threads';
import type { Clock } from '../../lib/clock.ts';
import { type Judgement, QueryJournal, type RunningQuery } from './query-journal.ts';
import type { FromThread, ThreadOptions, ToThread } from './watchdog-thread.ts';
import type { WatchLimits } from './watchdog.ts';

/** A query while it runs. */
export interface WatchedQuery {
  /** Its time begins again. */
  progressed(): void;
  interrupted(): void;
  ended(): void;
}

export interface WatchedRun {
  readonly judged: Judgement;
  /** It is this program's own. */
  readonly isOwn: boolean;
  /** It is to be interrupted, now. */
  readonly onMemoryShort: () => void;
}

/** Who ends what a query does to its process. */
export interface QueryWatch {
  timeoutMs(judged: Judgement): number;
  judge(sql: string): Judgement;
  /** Resolves when it watches: a query that began before would take what it likes meanwhile. */
  ready(): Promise<void>;
  began(sql: string, run: WatchedRun): WatchedQuery;
  close(): Promise<void>;
}

export interface ProcessWatchOptions {
  readonly databasePath: string;
  readonly limits: WatchLimits;
  readonly saysWhy?: boolean;
}

/** Longer than any rollup query takes; short enough that a runaway one gives the cores back. */
export const QUERY_TIMEOUT_MS = 10_000;
/** Short, since nothing else is answered meanwhile; one that ends for it is forgiven, and has the whole time when it is asked again. */
export const SUSPECT_TIMEOUT_MS = 2000;
/** An interrupt takes effect within one vector of rows, some milliseconds, where DuckDB looks for it at all. */
export const GRACE_MS = 2000;

const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './watchdog-thread.ts' : './watchdog-thread.js',
  import.meta.url,
);

/**
 * Ends the process, without closing anything, when a query cannot be interrupted or takes too much memory. DuckDB looks for an interrupt
 * between two vectors of rows, and counts the memory of its buffers only: no limit of its own holds for what one function does with one
 * row, nor for its planner. The database is safe in a crash at any time, and open again within half a second.
 */
export class ProcessWatch implements QueryWatch {
  readonly #journal: QueryJournal;
  readonly #options: ThreadOptions;
  readonly #interrupts = new Map<number, () => void>();
  #thread: { readonly worker: Worker; readonly isReady: Promise<void> } | undefined;

  constructor({ databasePath, limits, saysWhy = false }: ProcessWatchOptions, clock: Pick<Clock, 'nowMs'>) {
    this.#journal = new QueryJournal(databasePath, clock);
    this.#options = { limits, journalPath: this.#journal.runningPath, saysWhy };
  }

  timeoutMs(judged: Judgement): number {
    const { timeoutMs, suspectTimeoutMs } = this.#options.limits;
    return judged === 'fine' ? timeoutMs : suspectTimeoutMs;
  }

  /** What ran when the process before this one died. */
  get died(): readonly RunningQuery[] {
    return this.#journal.died;
  }

  judge(sql: string): Judgement {
    return this.#journal.judge(sql);
  }

  ready(): Promise<void> {
    this.#thread ??= this.#start();
    return this.#thread.isReady;
  }

  began(sql: string, { judged, isOwn, onMemoryShort }: WatchedRun): WatchedQuery {
    const { id, query } = this.#journal.began(sql);
    this.#interrupts.set(id, onMemoryShort);
    // What the process has before the query takes anything.
    const rssBytes = process.memoryUsage.rss();
    this.#tell({ type: 'began', id, query, isSuspect: judged !== 'fine', isOwn, rssBytes });
    return {
      progressed: () => this.#tell({ type: 'progressed', id }),
      interrupted: () => this.#tell({ type: 'interrupted', id }),
      ended: () => {
        this.#interrupts.delete(id);
        this.#tell({ type: 'ended', id });
        this.#journal.ended(id);
      },
    };
  }

  async close(): Promise<void> {
    await this.#thread?.worker.terminate();
    this.#thread = undefined;
  }

  /** The thread comes with the first query: a process that is never asked does without. */
  #tell(message: ToThread): void {
    this.#thread ??= this.#start();
    this.#thread.worker.postMessage(message);
  }

  #start(): { readonly worker: Worker; readonly isReady: Promise<void> } {
    const worker = new Worker(THREAD, { workerData: this.#options });
    const ready = Promise.withResolvers<void>();
    // Nobody may wait for it.
    ready.promise.catch(() => undefined);
    worker.on('message', (message: FromThread) => {
      if (message.type === 'interrupt') return this.#interrupts.get(message.id)?.();
      worker.unref();
      isWatching = true;
      ready.resolve();
    });
    const over = (error: unknown): void => {
      ready.reject(error);
      if (this.#thread?.worker === worker) this.#thread = undefined;
    };
    let isWatching = false;
    worker.once('error', (error) => {
      over(error);
      // A query may run that nobody watches now: the process ends, as for any bug.
      if (isWatching) throw error;
    });
    worker.once('exit', () => over(new Error('the thread that watches queries has ended')));
    return { worker, isReady: ready.promise };
  }
}
