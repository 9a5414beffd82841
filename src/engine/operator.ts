import type { DeadLetter, Fate, LateLine, RollupRows } from '../epoch/epoch.ts';
import type { Batch } from '../record/batch.ts';
import type { LineSum } from '../record/line-id.ts';
import type { SourceId } from '../record/source.ts';

/** A decoded batch with what the task has found out about each of its lines. Valid until `process` returns. */
export interface AdmittedBatch {
  readonly batch: Batch;
  readonly source: SourceId;
  /** Where the source was last found, as its agent says; '' before it has. */
  readonly path: string;
  /** The agent's clock when it read the lines. */
  readonly readAtMs: number;
  /** The partition's watermark just before each line, in log order: what lateness is judged by. */
  readonly watermarkBeforeMs: Float64Array;
  /** The two lanes of each line's id hash (record/line-id.ts). */
  readonly hashA: Uint32Array;
  readonly hashB: Uint32Array;
  /** Why a line with a reason could not be read, for people; '' where nothing is known. Slow, and bounded for each batch. */
  detailOf(line: number): string;
}

/** Where an operator says what became of lines. */
export interface OperatorOutput {
  late(line: LateLine): void;
  /** `lines` lines with the hash sums `a` and `b` had this fate with this consumer. Called at most once per batch and fate. */
  fate(consumer: string, fate: Fate, reason: string, lines: number, a: number, b: number): void;
  /** Of the lines that were rolled up, so many went into the row of all keys that have none of their own. Called at most once per batch. */
  others(consumer: string, lines: number, first: OtherKey): void;
}

/** A key that has no row of its own. */
export interface OtherKey {
  readonly windowStartMs: number;
  /** Its values as text, one a key field; null is NULL. */
  readonly key: readonly (string | null)[];
  /** How many there may be that have one. */
  readonly rowsMax: number;
  /** The table is full; else a number in the key is too large for its type. */
  readonly isFull: boolean;
}

/** Where an operator says what became of lines of earlier batches, of any source. */
export interface LaterOutput {
  fateOf(source: SourceId, consumer: string, fate: Fate, reason: string, sum: Readonly<LineSum>): void;
  /** A line that its consumer could not take, with its bytes. Its fate is said beside it. */
  deadLetter(letter: DeadLetter): void;
}

/**
 * A stateful operator of one task. It is called by one thread, in log order:
 *
 * - `process` for every batch; lines with a non-zero `reason` are dead letters and not its business. Synchronous; keeps nothing of its
 *   arguments. Every other line must end in exactly one fate.
 * - `onWatermark` after every batch and beat, with a watermark that never goes back.
 * - `takeFates`, where fates are known only later, and then `takeRows` at a checkpoint.
 * - `restore` with the rows of counted epochs, in order, before the first `process`.
 *
 * The result must be the same however the same lines are cut into batches and checkpoints.
 */
export interface Operator {
  readonly name: string;
  process(admitted: AdmittedBatch, out: OperatorOutput): void;
  /** Closes what is due. True if a timer fired. */
  onWatermark(watermarkMs: number): boolean;
  /** When the last timer that waits would fire, or −Infinity. */
  lastTimerMs(): number;
  /** An estimate of what `takeRows` would hold, so that an epoch is closed before it grows too large. */
  changedBytes(): number;
  /**
   * The rows that changed since the last call, those of closed windows included; undefined if none. With `isSnapshot`, every open row
   * as well, and no row twice.
   */
  takeRows(isSnapshot: boolean): RollupRows | undefined;
  restore(rows: RollupRows): void;
  /** Says the fates that were still open when `process` returned. Behind it, every line has one. */
  takeFates?(out: LaterOutput): void;
}
