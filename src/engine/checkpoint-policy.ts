import type { EngineOptions } from './engine-parts.ts';
import { EPOCH_BYTES_MAX } from './state.ts';

export type CheckpointRules = Pick<EngineOptions, 'checkpoint' | 'snapshotBytes' | 'isOnce'>;

/** What the log says of the epochs so far. */
export interface EpochsBefore {
  /** The next epoch must be a snapshot that carries the pipeline: a new pipeline, or a changed one. */
  readonly isSwitch: boolean;
  readonly bytesSinceSnapshot: number;
  readonly snapshotBytes: number;
}

/** A task as it is when it asks. */
export interface Moment {
  /** By the monotonic clock. */
  readonly nowMs: number;
  /** The log has nothing more for the task just now. */
  readonly isAtEnd: boolean;
  /** The last epoch is not known to count yet. */
  readonly isInFlight: boolean;
  /** About how large an epoch would be. */
  readonly changedBytes: number;
  /** A line got its fate, or a window closed. */
  readonly hasFates: boolean;
  /** Something other than positions changed. */
  readonly hasDecisions: boolean;
  /** Messages were taken since the last epoch. */
  readonly hasMoved: boolean;
  /** While messages keep coming, epochs are at least this far apart. */
  readonly busyIntervalMs: number;
}

export interface ClosedEpoch {
  readonly atMs: number;
  readonly sizeBytes: number;
  readonly isSnapshot: boolean;
  /** A line's fate was in it. */
  readonly hadFates: boolean;
}

/** When a task closes an epoch, and when that is a snapshot. It knows the epochs so far and nothing else. */
export class CheckpointPolicy {
  readonly #rules: CheckpointRules;
  #isSwitch: boolean;
  #bytesSinceSnapshot: number;
  #snapshotBytes: number;
  #lastAtMs = -Infinity;
  /** Of the last epoch with a line's fate in it: a pipeline's first snapshot, or a file's announcement, must not make a row wait. */
  #lastFateAtMs = -Infinity;

  constructor(rules: CheckpointRules, { isSwitch, bytesSinceSnapshot, snapshotBytes }: EpochsBefore) {
    this.#rules = rules;
    this.#isSwitch = isSwitch;
    this.#bytesSinceSnapshot = bytesSinceSnapshot;
    this.#snapshotBytes = snapshotBytes;
  }

  /** The pipeline is not in the log yet: the next epoch is due at once. */
  get isSwitch(): boolean {
    return this.#isSwitch;
  }

  /** The next epoch is a snapshot. */
  get isSnapshot(): boolean {
    return this.#isSwitch || this.#bytesSinceSnapshot >= Math.max(this.#rules.snapshotBytes, 4 * this.#snapshotBytes);
  }

  /** An epoch is due at the interval when something was decided; positions alone wait for the longer one. */
  isDue(moment: Moment): boolean {
    const { nowMs, isAtEnd, hasFates, hasDecisions, hasMoved } = moment;
    const { checkpoint, isOnce } = this.#rules;
    if (this.#isSwitch) return true;
    const isFull = moment.changedBytes >= EPOCH_BYTES_MAX;
    if (moment.isInFlight && !isFull) return false;
    const sinceMs = nowMs - this.#lastAtMs;
    if (sinceMs < checkpoint.minPauseMs) return false;
    if (isOnce && isAtEnd) return hasDecisions || hasMoved;
    if (isFull) return true;
    const intervalMs = Math.max(checkpoint.intervalMs, isAtEnd ? 0 : moment.busyIntervalMs);
    if (hasFates && nowMs - this.#lastFateAtMs >= intervalMs) return true;
    if (hasDecisions) return sinceMs >= intervalMs;
    return hasMoved && sinceMs >= checkpoint.positionsIntervalMs;
  }

  closed({ atMs, sizeBytes, isSnapshot, hadFates }: ClosedEpoch): void {
    this.#isSwitch = false;
    this.#lastAtMs = atMs;
    if (hadFates) this.#lastFateAtMs = atMs;
    this.#bytesSinceSnapshot = isSnapshot ? 0 : this.#bytesSinceSnapshot + sizeBytes;
    if (isSnapshot) this.#snapshotBytes = sizeBytes;
  }
}
