import { Backoff } from '../lib/backoff.ts';
import { EXIT } from '../lib/errors.ts';
import type { Random } from '../lib/random.ts';
import { FIRST_PAUSE_MS, type RestartOptions, type RestartStrategy, restartStrategy } from './restart-strategy.ts';
import { type Exit, describeExit, isOutside } from './service.ts';

/** A process that lived this long was healthy, whatever it had to do: a stand-by has no work to show. */
const HEALTHY_MS = 60_000;
/** Pauses of a role whose work another process does: doubling from here to there. */
const FENCED_PAUSES = { initialMs: 1_000, maxMs: 60_000, multiplier: 2 };
/** Of one that waits for something outside: it is not ours to give up on. */
const OUTSIDE_PAUSES = FENCED_PAUSES;

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

/** How a process ended, and what it was doing. */
export interface Ending {
  readonly exit: Exit;
  /** How long it lived. */
  readonly ranMs: number;
  /** Any clock that does not go back. */
  readonly nowMs: number;
  /** It had done some of its work: committed something, or read all there was. */
  readonly hasWorked: boolean;
  /** See `Service`. */
  readonly wasAsked?: boolean;
}

/**
 * What to do when a role ends. A failure is the strategy's business. Being fenced is not a failure, nor is a death in the middle of somebody's query,
 * and a server that cannot be reached is not ours to give up on.
 */
export class RestartPolicy {
  readonly #strategy: RestartStrategy;
  readonly #outsidePauses = new Backoff(OUTSIDE_PAUSES);
  readonly #fencedPauses = new Backoff(FENCED_PAUSES);
  #wasHealthy = false;
  #fencedInARow = 0;
  #isWaiting = false;
  #isFirstOutside = true;
  #mismatchesInARow = 0;

  constructor(options: RestartOptions, random: Random) {
    this.#strategy = restartStrategy(options, random);
  }

  decide(ending: Ending, canFinish: boolean): Decision {
    const { exit, wasAsked = false } = ending;
    if (exit.code === 0 && canFinish) return { kind: 'done' };
    if (exit.signal !== null && wasAsked) return this.#asked(exit);
    if (exit.code === EXIT.superseded) {
      return {
        kind: 'stop',
        exitCode: EXIT.superseded,
        reason: 'the log carries a newer pipeline than this run was started with',
      };
    }
    // Work alone does not show that others, or a full disk, let it: two that fence each other both work in between.
    const wasHealthy = ending.ranMs >= HEALTHY_MS;
    if (wasHealthy) this.#recovered();
    this.#mismatchesInARow = exit.code === EXIT.mismatch ? this.#mismatchesInARow + 1 : 0;
    if (this.#mismatchesInARow >= MISMATCHES_MAX) {
      return { kind: 'stop', exitCode: EXIT.mismatch, reason: `${describeExit(exit)}: see what it said` };
    }
    // What a role has run with was right: then something outside has changed, and the other roles must not end for it.
    if (exit.code === EXIT.usage || (exit.code === EXIT.config && !this.#wasHealthy)) {
      return { kind: 'stop', exitCode: exit.code, reason: `${describeExit(exit)}: a restart would not help` };
    }
    return exit.code === EXIT.fenced ? this.#fenced() : this.#failed(ending, wasHealthy);
  }

  #recovered(): void {
    this.#wasHealthy = true;
    this.#isWaiting = false;
    this.#isFirstOutside = true;
    this.#mismatchesInARow = 0;
    this.#fencedInARow = 0;
    this.#outsidePauses.reset();
    this.#fencedPauses.reset();
  }

  /** A client can ask again and again, and must neither end everything nor make the pauses grow. The process itself says which question it was. */
  #asked(exit: Exit): Decision {
    const reason = `${describeExit(exit)}, for a query`;
    return { kind: 'restart', pauseMs: FIRST_PAUSE_MS, reason, isAlarm: false, isEcho: false };
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

  #failed({ exit, nowMs, hasWorked }: Ending, wasHealthy: boolean): Decision {
    const isEcho = isOutside(exit) && this.#isWaiting;
    this.#fencedInARow = 0;
    this.#isWaiting = isOutside(exit);
    const reason = describeExit(exit);
    if (isOutside(exit) || exit.code === EXIT.config) {
      const pauseMs = this.#isFirstOutside ? FIRST_PAUSE_MS : this.#outsidePauses.next();
      this.#isFirstOutside = false;
      return { kind: 'restart', pauseMs, reason, isAlarm: false, isEcho };
    }
    // Work excuses being killed. What a role says itself, again and again, is wrong with it.
    const isExcused = hasWorked && exit.signal !== null;
    const answer = this.#strategy.failed(nowMs, isExcused || wasHealthy);
    if ('giveUp' in answer) return { kind: 'stop', exitCode: EXIT.failed, reason: `${reason}: ${answer.giveUp}` };
    return { kind: 'restart', pauseMs: answer.pauseMs, reason, isAlarm: false, isEcho };
  }
}
