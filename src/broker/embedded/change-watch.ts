import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Clock } from '../../lib/clock.ts';

const PAUSE_MS_MIN = 5;
/** A timer alone, at 50 ms, was measured at a third of a percent of a core; at 200 ms all of an idle follower is below 0.2 %. */
const PAUSE_MS_MAX = 200;
/** A pause is a fifth of how long nothing came: what follows something soon is seen soon. */
const PAUSE_GROWTH = 1.25;

interface Waiter {
  readonly deadlineMs: number;
  readonly wake: () => void;
}

/**
 * Wakes those who wait for a commit: at once for one of this process, and by polling `PRAGMA data_version` for those of others,
 * with pauses that grow while nothing comes. All waiters share one poll; without waiters there is none.
 */
export class ChangeWatch {
  readonly #clock: Clock;
  readonly #version: StatementSync;
  readonly #waiters = new Set<Waiter>();
  readonly #closing = new AbortController();
  #seenVersion: unknown;
  #isPolling = false;

  constructor(database: DatabaseSync, clock: Clock) {
    this.#clock = clock;
    this.#version = database.prepare('PRAGMA data_version');
  }

  /** Resolves at the next commit, after `waitMs`, when `signal` aborts, or at `close`. Spurious wakes are allowed, missed commits are not. */
  wait(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true || this.#closing.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const waiter: Waiter = {
        deadlineMs: this.#clock.monotonicMs() + waitMs,
        wake: () => {
          this.#waiters.delete(waiter);
          signal?.removeEventListener('abort', waiter.wake);
          resolve();
        },
      };
      this.#waiters.add(waiter);
      signal?.addEventListener('abort', waiter.wake, { once: true });
      if (!this.#isPolling) void this.#poll();
    });
  }

  /** A commit of this process: `data_version` does not show those. */
  wakeAll(): void {
    for (const waiter of this.#waiters) waiter.wake();
  }

  close(): void {
    this.#closing.abort();
    this.wakeAll();
  }

  async #poll(): Promise<void> {
    this.#isPolling = true;
    let pauseMs = PAUSE_MS_MIN;
    while (this.#waiters.size > 0) {
      // The version is compared first: what was committed before the poll began must not wait for another commit.
      if (this.#hasChanged()) {
        pauseMs = PAUSE_MS_MIN;
        this.wakeAll();
      }
      const nowMs = this.#clock.monotonicMs();
      let nextMs = nowMs + pauseMs;
      for (const waiter of this.#waiters) {
        if (waiter.deadlineMs <= nowMs) waiter.wake();
        else nextMs = Math.min(nextMs, waiter.deadlineMs);
      }
      await this.#clock.sleep(nextMs - nowMs, this.#closing.signal);
      pauseMs = Math.min(PAUSE_MS_MAX, pauseMs * PAUSE_GROWTH);
    }
    this.#isPolling = false;
  }

  #hasChanged(): boolean {
    const version = this.#version.get()?.['data_version'];
    const hasChanged = version !== this.#seenVersion;
    this.#seenVersion = version;
    return hasChanged;
  }
}
