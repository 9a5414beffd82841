import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../src/lib/clock.ts';

interface Sleeper {
  readonly wakeMs: number;
  readonly wake: () => void;
}

/** How often the event loop turns after each step, so that what woke can do its work and sleep again. */
const TURNS = 6;

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  #nowMs: number;
  readonly #sleepers = new Set<Sleeper>();

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const wake = (): void => {
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      const sleeper = { wakeMs: this.#nowMs + ms, wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', wake, { once: true });
    });
  }

  /** Moves time on, waking every sleeper at its moment, and lets them work in between. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      for (let turn = 0; turn < TURNS; turn++) await setImmediate();
      const next = Math.min(...[...this.#sleepers].map((sleeper) => sleeper.wakeMs));
      if (next > endMs) break;
      this.#nowMs = Math.max(this.#nowMs, next);
      for (const sleeper of this.#sleepers) if (sleeper.wakeMs <= this.#nowMs) sleeper.wake();
    }
    this.#nowMs = endMs;
  }
}
