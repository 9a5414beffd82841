import type { z } from 'zod';
import type { Aggregates } from '../aggregates/aggregate.ts';
import type { DeadLetter, Fate, LateLine } from '../epoch/epoch.ts';
import type { RollupSpec, WindowSpec } from '../epoch/pipeline.ts';
import type { OperatorState, RowSchema, RowSet } from '../epoch/table.ts';
import type { Batch, FieldType, Verdict } from '../record/batch.ts';
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
  /** What timers fire by: the same, but for lines of a leap that is not confirmed, which are judged among themselves. Never falls. */
  readonly clockBeforeMs: Float64Array;
  /** The two lanes of each line's id hash (record/line-id.ts). */
  readonly hashA: Uint32Array;
  readonly hashB: Uint32Array;
  /** The stream's table of verdicts: what each byte of `batch.verdict` says. */
  readonly verdicts: readonly Verdict[];
  /** Why a dead letter could not be read, for people; '' where nothing is known. Slow, and bounded for each batch. */
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

/** What an operator says of an interval: goes into an epoch. */
export interface EpochDraft {
  /** Rows that are new or have changed, those that became final in the interval included. */
  upsert(rows: RowSet): void;
  /** Identities of rows that an earlier epoch has and that are no more. */
  remove(identities: RowSet): void;
  state(state: OperatorState): void;
}

/**
 * A stateful operator of one task. It is called by one thread, in log order:
 *
 * - `process` for every batch; lines with a verdict other than 0 have their fate and are not its business. Synchronous; keeps nothing of its
 *   arguments. Every other line must end in exactly one fate.
 * - `onWatermark` after every batch and beat, with a watermark that never goes back.
 * - `takeFates`, where fates are known only later, and then `take` at a checkpoint.
 * - `restore` with what counted epochs hold of it, in order, before the first `process`.
 *
 * The result must be the same however the same lines are cut into batches and checkpoints.
 */
export interface Operator {
  readonly name: string;
  /** Tables whose rows it makes. */
  readonly tables: readonly string[];
  process(admitted: AdmittedBatch, out: OperatorOutput): void;
  /** Closes what is due. True if a timer fired. */
  onWatermark(watermarkMs: number): boolean;
  /** When the last timer that waits would fire, or −Infinity. */
  lastTimerMs(): number;
  /** An estimate of what `take` would hold, so that an epoch is closed before it grows too large. */
  changedBytes(): number;
  /**
   * What changed since the last call. With `isSnapshot`, every row that is not final and all private state as well, and no row twice.
   */
  take(isSnapshot: boolean, draft: EpochDraft): void;
  /** Removes come before upserts. */
  restore(upserts: readonly RowSet[], removes: readonly RowSet[], state: OperatorState | undefined): void;
  /** The rows of its visible table that became final since the last call, whole, in any order: where another table reads them. */
  takeFinal?(): RowSet | undefined;
  /** Gives rows of its visible table for what is open, as it is: the table leaves the pipeline. Absent where those rows are in epochs already. */
  close?(draft: EpochDraft): void;
  /** Says the fates that were still open when `process` returned. Behind it, every line has one. */
  takeFates?(out: LaterOutput): void;
}

export interface OperatorContext {
  readonly name: string;
  readonly spec: RollupSpec;
  /** Names and types of the batch's columns, in order. */
  readonly fields: readonly { readonly name: string; readonly type: FieldType }[];
  readonly aggregates: Aggregates;
  /** Windows that start before are not this rollup's (it was added later); −Infinity for one that was there from the start. */
  readonly sinceMs: number;
  /** Whether another table reads its rows, and so `takeFinal` is called. */
  readonly isRead?: boolean;
}

/** A kind of window: what a rollup's lines are put together by. One file with everything that is true of it alone. */
export interface OperatorDefinition<Window extends WindowSpec = WindowSpec> {
  /** As `window.type` names it. */
  readonly type: string;
  readonly summary: string;
  /** Its rows are right only where one partition has all lines of a key. */
  readonly needsKeyInOnePartition: boolean;
  /** Columns that its tables have beside those of every rollup: no key and no measure may be called so. */
  readonly ownColumns: readonly string[];
  /** Options beside `type`, as users write them. */
  readonly options: z.ZodObject;
  /** The normalised window of options that are valid one by one; or a problem with one of them. */
  resolve(
    options: Readonly<Record<string, unknown>>,
  ): { readonly window: Window } | { readonly problem: OptionProblem };
  /** What its tables look like; the first has the rollup's name. */
  tables(name: string, spec: RollupSpec, aggregates: Aggregates): readonly RowSchema[];
  /** Where a rollup begins that is added when lines up to `eventTimeMsMax` were seen: its first row is whole. */
  sinceMs(window: Window, eventTimeMsMax: number): number;
  /**
   * Of a rollup that begins at `sinceMs`: the largest event time (its end − 1) of a row that is missing, or not whole. Of sessions, of one that
   * had its last line before: one that went on has lost its beginning, and may end at any time.
   */
  lastMissingMs(window: Window, sinceMs: number): number;
  /** How many rows one key may give when the clock jumps. Absent: one. */
  rowsOfKey?(window: Window): number;
  /** In a few words: `windows of 1m`. */
  describe(window: Window): string;
  create(context: OperatorContext): Operator;
}

export interface OptionProblem {
  readonly option: string;
  readonly message: string;
  readonly hint?: string;
}
