import type { Clock } from '../../lib/clock.ts';
import { describeError } from '../../lib/errors.ts';
import type { Random } from '../../lib/random.ts';
import { asOperatingError, closedError, isTransient } from './kafka-error.ts';

/** What an operator should see of the cluster: that it is away, once, and that it is back. */
export type KafkaEvent =
  | { readonly type: 'away'; readonly reason: string }
  | { readonly type: 'back'; readonly awayMs: number };

const PAUSE_MS = 100;
const PAUSE_MS_MAX = 2_000;
/** A leader that moves takes about a second, and is nobody's business. */
const AWAY_AFTER_MS = 3_000;

export interface PatienceOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Aborts when the log is closed. */
  readonly signal: AbortSignal;
  /** Aborts when the process is to end: what works goes on, and nothing is waited for any more. */
  readonly stop: AbortSignal;
  readonly notify: (event: KafkaEvent) => void;
}

/** Waits until the cluster answers: pauses that grow from a tenth of a second to two, each with jitter, and one line for all who wait. */
export class Patience {
  readonly #options: PatienceOptions;
  /** Since when a place does not answer. Bound: the partitions that are read or written, and the topics that are asked about. */
  readonly #failedAtMs = new Map<string, number>();
  #saidSinceMs: number | undefined;

  constructor(options: PatienceOptions) {
    this.#options = options;
  }

  /** Repeats what does not harm when it is done twice. Gives up on what waiting cannot mend, and after `limitMs`. */
  async retry<T>(
    where: string,
    work: () => Promise<T>,
    options: { limitMs?: number; signal?: AbortSignal } = {},
  ): Promise<T> {
    const { clock, signal, stop } = this.#options;
    const { limitMs = Infinity } = options;
    const startMs = clock.monotonicMs();
    const isOver = (): boolean => signal.aborted || options.signal?.aborted === true;
    for (let attempt = 0; ; attempt++) {
      if (isOver()) throw closedError();
      try {
        const result = await work();
        this.succeeded(where);
        return result;
      } catch (error) {
        if (!isTransient(error)) {
          this.#failedAtMs.delete(where);
          throw asOperatingError(error, where);
        }
        this.failed(where, error);
        if (isOver() || stop.aborted || clock.monotonicMs() - startMs >= limitMs) throw asOperatingError(error, where);
      }
      await this.pause(attempt, options.signal);
    }
  }

  /** Nobody should wait any more. */
  get isStopping(): boolean {
    return this.#options.stop.aborted;
  }

  /** The pause before attempt `attempt` + 1. */
  async pause(attempt: number, other?: AbortSignal): Promise<void> {
    const { clock, random, signal, stop } = this.#options;
    const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** Math.min(attempt, 10));
    const signals = other === undefined ? [signal, stop] : [signal, stop, other];
    await clock.sleep(pauseMs * (0.5 + random.next()), AbortSignal.any(signals));
  }

  failed(where: string, error: unknown): void {
    const { clock, notify, signal } = this.#options;
    const sinceMs = this.#failedAtMs.get(where) ?? clock.monotonicMs();
    this.#failedAtMs.set(where, sinceMs);
    if (this.#saidSinceMs !== undefined || signal.aborted || clock.monotonicMs() - sinceMs < AWAY_AFTER_MS) return;
    this.#saidSinceMs = sinceMs;
    notify({ type: 'away', reason: `${where}: ${describeError(error)}` });
  }

  /** It is back when it answers everywhere: a partition without a leader is away even if others have one. */
  succeeded(where: string): void {
    this.#failedAtMs.delete(where);
    if (this.#saidSinceMs === undefined || this.#failedAtMs.size > 0) return;
    const awayMs = this.#options.clock.monotonicMs() - this.#saidSinceMs;
    this.#saidSinceMs = undefined;
    this.#options.notify({ type: 'back', awayMs });
  }

  /** Nobody asks there any more; the next answer from anywhere else may say that the cluster is back. */
  givenUp(where: string): void {
    this.#failedAtMs.delete(where);
  }
}
