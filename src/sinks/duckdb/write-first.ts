import type { Clock } from '../../lib/clock.ts';

/** Queries wait so long when nothing is written, and … */
const NOTHING_WRITTEN_MS = 10_000;
/** … so long after the first transaction. */
const BACKLOG_MS = 3000;

/**
 * Keeps queries waiting at the start of a process whose predecessor died in one: it writes what is in the log first, so that each life brings
 * the tables on, however soon the next query ends it.
 */
export class WriteFirst {
  readonly #clock: Clock;
  readonly #release: () => void;
  readonly #released = new AbortController();
  #hasWritten = false;

  constructor(clock: Clock, release: () => void) {
    this.#clock = clock;
    this.#release = release;
    this.#releaseAfter(NOTHING_WRITTEN_MS);
  }

  /** After a transaction. */
  wrote(isAtEnd: boolean): void {
    if (isAtEnd) this.letIn();
    else if (!this.#hasWritten) this.#releaseAfter(BACKLOG_MS);
    this.#hasWritten = true;
  }

  letIn(): void {
    if (this.#released.signal.aborted) return;
    this.#released.abort();
    this.#release();
  }

  #releaseAfter(ms: number): void {
    void this.#clock.sleep(ms, this.#released.signal).then(() => this.letIn());
  }
}
