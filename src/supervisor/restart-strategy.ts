import type { Random } from '../lib/random.ts';

/**
 * When a role that failed is started again. The strategies are Flink's, with its rules and defaults (RestartStrategyOptions, 1.19), and one rule of
 * our own for the first: a role that had worked (see `Service`) fails as if for the first time.
 */
export type RestartOptions =
  | {
      readonly strategy: 'exponential_delay';
      readonly initialMs: number;
      readonly maxMs: number;
      readonly multiplier: number;
      /** The share of a pause by which it may be longer or shorter. */
      readonly jitter: number;
      /** Without a failure for this long, and the pause before, pauses begin again. */
      readonly resetMs: number;
      /** Failures in a row, none after work, behind which there is no restart. */
      readonly attemptsMax: number;
    }
  | { readonly strategy: 'fixed_delay'; readonly delayMs: number; readonly attemptsMax: number }
  /** No restart where more than `failuresMax` failures lie within `windowMs`. */
  | {
      readonly strategy: 'failure_rate';
      readonly delayMs: number;
      readonly failuresMax: number;
      readonly windowMs: number;
    }
  | { readonly strategy: 'none' };

export const RESTART_DEFAULTS: RestartOptions = {
  strategy: 'exponential_delay',
  initialMs: 1_000,
  maxMs: 60_000,
  multiplier: 1.5,
  jitter: 0.1,
  resetMs: 3_600_000,
  // Flink's has no end. A role that fails thirteen times in five minutes without any work needs a person.
  attemptsMax: 12,
};

/** Recovery must not wait: the pause where nothing is wrong with a role but that it ended. */
export const FIRST_PAUSE_MS = 100;

/** A pause, or why there is no restart. */
export type RestartAnswer = { readonly pauseMs: number } | { readonly giveUp: string };

export interface RestartStrategy {
  /** It failed. `hadWorked`: after it had done some of its work. `nowMs`: any clock that does not go back. */
  failed(nowMs: number, hadWorked: boolean): RestartAnswer;
}

export function restartStrategy(options: RestartOptions, random: Random): RestartStrategy {
  switch (options.strategy) {
    case 'exponential_delay':
      return new ExponentialDelay(options, random);
    case 'fixed_delay':
      return new FixedDelay(options);
    case 'failure_rate':
      return new FailureRate(options);
    case 'none':
      return { failed: () => ({ giveUp: 'restart.strategy is none' }) };
  }
}

type Of<Name extends RestartOptions['strategy']> = Extract<RestartOptions, { strategy: Name }>;

class ExponentialDelay implements RestartStrategy {
  readonly #options: Of<'exponential_delay'>;
  readonly #random: Random;
  #inARow = 0;
  /** Before jitter. */
  #nextMs: number;
  #lastFailureMs = -Infinity;

  constructor(options: Of<'exponential_delay'>, random: Random) {
    this.#options = options;
    this.#random = random;
    this.#nextMs = options.initialMs;
  }

  failed(nowMs: number, hadWorked: boolean): RestartAnswer {
    const { initialMs, maxMs, multiplier, jitter, resetMs, attemptsMax } = this.#options;
    const isOver = hadWorked || nowMs - this.#lastFailureMs >= resetMs + this.#nextMs;
    this.#lastFailureMs = nowMs;
    if (isOver) {
      this.#inARow = 0;
      this.#nextMs = initialMs;
    }
    if (++this.#inARow > attemptsMax) return { giveUp: `${this.#inARow} failures in a row, and no work in between` };
    if (this.#inARow === 1) return { pauseMs: Math.min(FIRST_PAUSE_MS, initialMs) };
    const pauseMs = this.#nextMs * (1 + jitter * (2 * this.#random.next() - 1));
    this.#nextMs = Math.min(maxMs, this.#nextMs * multiplier);
    return { pauseMs: Math.round(Math.min(maxMs, pauseMs)) };
  }
}

class FixedDelay implements RestartStrategy {
  readonly #options: Of<'fixed_delay'>;
  #attempts = 0;

  constructor(options: Of<'fixed_delay'>) {
    this.#options = options;
  }

  failed(): RestartAnswer {
    const { delayMs, attemptsMax } = this.#options;
    return ++this.#attempts > attemptsMax ? { giveUp: `it failed ${this.#attempts} times` } : { pauseMs: delayMs };
  }
}

class FailureRate implements RestartStrategy {
  readonly #options: Of<'failure_rate'>;
  readonly #failures: number[] = [];

  constructor(options: Of<'failure_rate'>) {
    this.#options = options;
  }

  failed(nowMs: number): RestartAnswer {
    const { delayMs, failuresMax, windowMs } = this.#options;
    this.#failures.push(nowMs);
    if (this.#failures.length > failuresMax + 1) this.#failures.shift();
    if (this.#failures.length <= failuresMax || nowMs - this.#failures[0]! > windowMs) return { pauseMs: delayMs };
    return { giveUp: `${failuresMax + 1} failures within ${Math.round(windowMs / 1000)} s` };
  }
}
