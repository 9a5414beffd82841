import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Clock } from '../../lib/clock.ts';
import { pragma } from './database.ts';

/** Under load: one checkpoint (two fsyncs) for this much of the write-ahead log. */
const WAL_BYTES = 16 * 1024 * 1024;
/** With few appends: small enough that an idle log's folder stays small, and at most once in `IDLE_MS`. */
const IDLE_WAL_BYTES = 256 * 1024;
const IDLE_MS = 10_000;
/** Readers that follow each other without a gap keep the write-ahead log from starting again: past this, wait for them. */
const WAL_BYTES_MAX = 64 * 1024 * 1024;

/** Moves the write-ahead log into the database file, rarely: each commit is already safe in the write-ahead log. */
export class Checkpointer {
  readonly #clock: Clock;
  readonly #pageBytes: number;
  readonly #look: StatementSync;
  readonly #passive: StatementSync;
  readonly #restart: StatementSync;
  #lastMs: number;

  constructor(database: DatabaseSync, clock: Clock) {
    this.#clock = clock;
    this.#pageBytes = pragma(database, 'page_size');
    this.#look = database.prepare('PRAGMA wal_checkpoint(NOOP)');
    this.#passive = database.prepare('PRAGMA wal_checkpoint(PASSIVE)');
    this.#restart = database.prepare('PRAGMA wal_checkpoint(RESTART)');
    this.#lastMs = clock.monotonicMs();
  }

  afterCommit(): void {
    const { log: frames, checkpointed } = this.#look.get() as { log: number; checkpointed: number };
    const totalBytes = frames * this.#pageBytes;
    const newBytes = (frames - checkpointed) * this.#pageBytes;
    const nowMs = this.#clock.monotonicMs();
    const isDue = newBytes >= WAL_BYTES || (newBytes >= IDLE_WAL_BYTES && nowMs - this.#lastMs >= IDLE_MS);
    if (!isDue) return;
    this.#lastMs = nowMs;
    (totalBytes >= WAL_BYTES_MAX ? this.#restart : this.#passive).get();
  }
}
