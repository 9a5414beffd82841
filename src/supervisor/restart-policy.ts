import { Backoff } from '../lib/backoff.ts';
import { EXIT } from '../lib/errors.ts';
import { type Exit, describeExit, isOutside } from './service.ts';

export interface RestartOptions {
  /** Pause before the first restart after healthy time: recovery must not wait. */
  readonly firstPauseMs: number;
  /** Pauses after that: doubling from here … */
  readonly pauseMsMin: number;
  /** … to here. */
  readonly pauseMsMax: number;
  /** A process that ran this long was healthy: the pauses begin again. */
  readonly healthyMs: number;
  /** More failures than this within `failureWindowMs` end everything: something is wrong that a restart does not mend. */
  readonly failuresMax: number;
  readonly failureWindowMs: number;
}

export const RESTART_DEFAULTS: RestartOptions = {
  firstPauseMs: 100,
  pauseMsMin: 1000,
  pauseMsMax: 60_000,
  healthyMs: 60_000,
  failuresMax: 12,
  failureWindowMs: 600_000,
};

/** A log that has just changed its leader may look shorter than it is, for a moment; what is still so at the third look is so. */
const MISMATCHES_MAX = 3;
/** From this fence in a row on, somebody should look: another process holds the task for good. */
const FENCED_ALARM_AT = 3;

export interface Restart {
  readonly kind: 'restart';
  readonly pauseMs: number;
  readonly reason: string;
  readonly isAlarm: boolean;
  /** It ended again for the same trouble outside: known, and said once. */
  readonly isEcho: boolean;
}

export type Decision =
  | { readonly kind: 'done' }
  | Restart
  | { readonly kind: 'stop'; readonly exitCode: number; readonly reason: string };

/**
 * What to do when a role ends. Failure rate as in Flink's failure-rate strategy: refused when the last `failuresMax` + 1
 * failures lie within the window. Being fenced is not a failure, nor is a death in the middle of somebody's query, and a server that cannot be reached is not at ours to give up on.
 */
export class RestartPolicy {
  readonly #options: RestartOptions;
  readonly #failures: number[] = [];
  readonly #pauses: Backoff;
  readonly #fencedPauses: Backoff;
  #isFirst = true;
  #wasHealthy = false;
  #fencedInARow = 0;
  #isWaiting = false;
  #mismatchesInARow = 0;

  constructor(options: RestartOptions) {
    this.#options = options;
    const growing = { initialMs: options.pauseMsMin, maxMs: options.pauseMsMax, multiplier: 2 };
    this.#pauses = new Backoff(growing);
    this.#fencedPauses = new Backoff(growing);
  }

  /** `ranMs`: how long the process lived. `nowMs`: any clock that does not go back. `wasAsked`: see `Service`. */
  decide(exit: Exit, canFinish: boolean, ranMs: number, nowMs: number, wasAsked = false): Decision {
    if (exit.code === 0 && canFinish) return { kind: 'done' };
    if (exit.signal !== null && wasAsked) return this.#asked(exit);
    if (exit.code === EXIT.superseded) {
      return {
        kind: 'stop',
        exitCode: EXIT.superseded,
        reason: 'the log carries a newer pipeline than this run was started with',
      };
    }
    if (ranMs >= this.#options.healthyMs) this.#recovered();
    this.#mismatchesInARow = exit.code === EXIT.mismatch ? this.#mismatchesInARow + 1 : 0;
    if (this.#mismatchesInARow >= MISMATCHES_MAX) {
      return { kind: 'stop', exitCode: EXIT.mismatch, reason: `${describeExit(exit)}: see what it said` };
    }
    // What a role has run with was right: then something outside has changed, and the other roles must not end for it.
    if (exit.code === EXIT.usage || (exit.code === EXIT.config && !this.#wasHealthy)) {
      return { kind: 'stop', exitCode: exit.code, reason: `${describeExit(exit)}: a restart would not help` };
    }
    return exit.code === EXIT.fenced ? this.#fenced() : this.#failed(exit, nowMs);
  }

  #recovered(): void {
    this.#isFirst = true;
    this.#wasHealthy = true;
    this.#isWaiting = false;
    this.#mismatchesInARow = 0;
    this.#fencedInARow = 0;
    this.#pauses.reset();
    this.#fencedPauses.reset();
  }

  /** A client can ask again and again, and must neither end everything nor make the pauses grow. The process itself says which question it was. */
  #asked(exit: Exit): Decision {
    const reason = `${describeExit(exit)}, for a query`;
    return { kind: 'restart', pauseMs: this.#options.firstPauseMs, reason, isAlarm: false, isEcho: false };
  }

  #fenced(): Decision {
    this.#fencedInARow += 1;
    this.#isWaiting = false;
    const isAlarm = this.#fencedInARow >= FENCED_ALARM_AT;
    const reason = isAlarm
      ? `fenced ${this.#fencedInARow} times in a row: another process does its work`
      : 'fenced: another process did its work';
    return { kind: 'restart', pauseMs: this.#fencedPauses.next(), reason, isAlarm, isEcho: false };
  }

  #failed(exit: Exit, nowMs: number): Decision {
    const { failuresMax, failureWindowMs, firstPauseMs } = this.#options;
    this.#fencedInARow = 0;
    const reason = describeExit(exit);
    if (!isOutside(exit) && exit.code !== EXIT.config) {
      this.#failures.push(nowMs);
      if (this.#failures.length > failuresMax + 1) this.#failures.shift();
      if (this.#failures.length > failuresMax && nowMs - this.#failures[0]! <= failureWindowMs) {
        const minutes = Math.round(failureWindowMs / 60_000);
        return {
          kind: 'stop',
          exitCode: EXIT.failed,
          reason: `${reason}: ${failuresMax + 1} failures within ${minutes} minutes`,
        };
      }
    }
    const pauseMs = this.#isFirst ? firstPauseMs : this.#pauses.next();
    this.#isFirst = false;
    const isSameTrouble = isOutside(exit);
    const isEcho = isSameTrouble && this.#isWaiting;
    this.#isWaiting = isSameTrouble;
    return { kind: 'restart', pauseMs, reason, isAlarm: false, isEcho };
  }
}
