import type { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../../lib/clock.ts';
import { OperatingError } from '../../lib/errors.ts';
import { faultPoint } from '../../lib/fault-point.ts';
import type { Checkpointer } from './checkpointer.ts';
import { asOperatingError, isBusy, isFatal } from './sqlite-error.ts';

/** How long a call waits for the write lock of other processes before it gives up with `LOG_BUSY`. */
const LOCK_WAIT_MS_MAX = 30_000;
const LOCK_PAUSE_MS = 5;

export interface WriteOptions {
  /** An append: its commit is a fault point. */
  readonly isAppend?: boolean;
}

/**
 * One connection to the file. Transactions are synchronous, so those of one process never interleave; for the lock of another process they
 * wait without blocking the event loop. Every error that leaves is an OperatingError, or came from the work itself.
 */
export class Connection {
  readonly database: DatabaseSync;
  readonly path: string;
  readonly clock: Clock;
  readonly #checkpointer: Checkpointer;
  readonly #afterCommit: () => void;
  #failure: unknown;
  #isClosed = false;

  constructor(
    database: DatabaseSync,
    path: string,
    clock: Clock,
    parts: { checkpointer: Checkpointer; afterCommit: () => void },
  ) {
    this.database = database;
    this.path = path;
    this.clock = clock;
    this.#checkpointer = parts.checkpointer;
    this.#afterCommit = parts.afterCommit;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Runs `work` on one snapshot of the file. It may run more than once. */
  read<T>(work: () => T): Promise<T> {
    return this.#whenFree(() => this.#transaction('BEGIN', work, false));
  }

  /** Runs `work` in a write transaction, committed and on disk when this resolves. It may run more than once, each time from nothing. */
  write<T>(work: () => T, options: WriteOptions = {}): Promise<T> {
    return this.#whenFree(() => {
      if (this.#failure !== undefined) throw this.#failure;
      const result = this.#transaction('BEGIN IMMEDIATE', work, options.isAppend === true);
      this.#afterCommit();
      this.#checkpoint();
      return result;
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.database.close();
  }

  #transaction<T>(begin: string, work: () => T, isAppend: boolean): T {
    this.database.exec(begin);
    try {
      const result = work();
      if (isAppend) faultPoint('log.before_commit');
      this.database.exec('COMMIT');
      if (isAppend) faultPoint('log.after_commit');
      return result;
    } catch (error) {
      if (isFatal(error) && begin !== 'BEGIN') this.#failure = asOperatingError(error, this.path);
      if (this.database.isTransaction) this.database.exec('ROLLBACK');
      throw error;
    }
  }

  async #whenFree<T>(attempt: () => T): Promise<T> {
    const startMs = this.clock.monotonicMs();
    for (;;) {
      if (this.#isClosed) throw closedError(this.path);
      try {
        return attempt();
      } catch (error) {
        const hasTime = this.clock.monotonicMs() - startMs < LOCK_WAIT_MS_MAX;
        if (!isBusy(error) || !hasTime) throw asOperatingError(error, this.path);
      }
      await this.clock.sleep(LOCK_PAUSE_MS);
    }
  }

  /** What is committed is safe whatever becomes of the checkpoint: a busy or full disk puts it off, a failing disk ends all writing. */
  #checkpoint(): void {
    try {
      this.#checkpointer.afterCommit();
    } catch (error) {
      if (isFatal(error)) this.#failure = asOperatingError(error, this.path);
    }
  }
}

function closedError(path: string): OperatingError {
  return new OperatingError(`${path}: the log was closed`, { code: 'LOG_CLOSED' });
}
