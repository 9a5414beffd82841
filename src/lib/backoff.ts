export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
  readonly multiplier: number;
}

/** Growing pauses between attempts: initial, initial × multiplier, … up to the maximum, until `reset`. */
export class Backoff {
  readonly #options: BackoffOptions;
  #nextMs: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#nextMs = options.initialMs;
  }

  /** The pause before the next attempt, in milliseconds. */
  next(): number {
    const pauseMs = this.#nextMs;
    this.#nextMs = Math.min(this.#options.maxMs, pauseMs * this.#options.multiplier);
    return pauseMs;
  }

  reset(): void {
    this.#nextMs = this.#options.initialMs;
  }
}
