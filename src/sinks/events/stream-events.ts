import type { Cursor } from '../../broker/broker.ts';
import type { StreamSpec } from '../../epoch/pipeline.ts';
import type { IncomingEpoch } from '../epoch-reader.ts';
import { Frontier } from './frontier.ts';
import { type FoldedRow, deadlineOf, keyOf } from '../row-fold.ts';
import { RowWindows } from './row-windows.ts';

/** Rows that became final together, and where everything stood: it travels with each of them (see written.ts). */
export interface Step {
  readonly stream: string;
  /** What was written up to this step, and with it: windows that these watermarks close. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Last epoch of each partition. */
  readonly position: readonly number[];
  /** The partition whose epoch came last, and made it. */
  readonly by: number;
  /** By deadline, rollup and key. */
  readonly rows: readonly FoldedRow[];
}

export interface StreamEventsOptions {
  readonly stream: string;
  readonly spec: StreamSpec;
  /** Rollups that are written. */
  readonly rollups: readonly string[];
  /** Where the raw partitions end now. */
  readonly rawEnds: () => Promise<readonly number[]>;
}

/** An epoch that moved a partition's watermark, and the cursor just before it. */
interface Closing {
  readonly watermarkMs: number;
  readonly before: Cursor | undefined;
}

/**
 * Makes of the epochs of a stream the rows that are final, in the order of event time, each once. What is written is a function of the epochs
 * alone: whoever folds them again finds the same steps.
 */
export class StreamEvents {
  readonly #options: StreamEventsOptions;
  readonly #frontier: Frontier;
  readonly #windows: RowWindows;
  readonly #cursors: (Cursor | undefined)[];
  /** Bound: epochs since the oldest one that closed a row which still waits for another partition. */
  readonly #closings: Closing[][];
  #reachedMs = -Infinity;
  #by = 0;
  #gate: { readonly watermarkMs: number; readonly rawEnds: readonly number[] } | undefined;

  constructor(options: StreamEventsOptions) {
    const { partitions, eventTime } = options.spec;
    this.#options = options;
    this.#frontier = new Frontier({ partitions, ...eventTime });
    this.#windows = new RowWindows(options.rollups);
    this.#cursors = Array.from({ length: partitions });
    this.#closings = Array.from({ length: partitions }, () => []);
  }

  apply(incoming: IncomingEpoch): void {
    const { partition } = incoming.from;
    const { envelope, body } = incoming.epoch;
    const before = this.#frontier.watermarkOf(partition);
    this.#by = partition;
    this.#frontier.apply(partition, envelope, body);
    this.#windows.apply(incoming);
    if (body.watermarkMs > before) {
      this.#closings[partition]!.push({ watermarkMs: body.watermarkMs, before: this.#cursors[partition] });
    }
    this.#cursors[partition] = { offset: incoming.nextOffset, id: envelope.id };
  }

  /** A reader begins behind this cursor. */
  startAt(partition: number, cursor: Cursor): void {
    this.#cursors[partition] = cursor;
  }

  /** Every part that is closed by now was written before, as far as its window lies below `reachedMs`: that is where to go on. */
  skipWritten(reachedMs: number): void {
    for (const row of this.#windows.closedParts(reachedMs)) this.#windows.forget(row);
    this.#reachedMs = reachedMs;
  }

  /** Everything that is closed by now was written before: the reported cursors stand behind it. */
  skipReported(): void {
    for (const row of this.#windows.closedParts(Infinity)) this.#windows.forget(row);
  }

  /** The next rows that are final; undefined until more epochs have come. To be called again until then. */
  async next(): Promise<Step | undefined> {
    for (;;) {
      const fromMs = this.#reachedMs;
      // Of a window that was written before, each partition's part is a row of its own: nobody is waited for any more.
      const late = [...this.#windows.closedParts(fromMs)];
      let toMs = Math.max(fromMs, await this.#reach());
      const inTime: FoldedRow[] = [];
      for (const row of this.#windows.upTo(toMs)) {
        if (deadlineOf(row) <= fromMs) continue;
        if (this.#windows.isClosed(row)) inTime.push(row);
        // Its partition holds nothing back and has not closed it yet: a moment, until its own next epoch.
        else toMs = Math.min(toMs, deadlineOf(row) - 1);
      }
      const rows = [...late, ...inTime.filter((row) => deadlineOf(row) <= toMs)];
      this.#reachedMs = toMs;
      if (rows.length > 0) {
        rows.sort(byDeadline);
        return { stream: this.#options.stream, fromMs, toMs, position: this.#frontier.position, by: this.#by, rows };
      }
      if (toMs === fromMs) return undefined;
    }
  }

  /** The step's rows are written. */
  settle({ rows }: Step): void {
    for (const row of rows) this.#windows.forget(row);
  }

  /**
   * How far a partition is done with: before the first epoch that closed a row which is not written yet. The log keeps what a cursor has not
   * passed, and the engine's snapshots after that epoch no longer have the row.
   */
  cursorOf(partition: number): Cursor | undefined {
    const waitingSinceMs = this.#windows.waitingSince(partition);
    const closings = this.#closings[partition]!;
    const first = closings.findIndex(
      ({ watermarkMs }) => waitingSinceMs !== undefined && watermarkMs >= waitingSinceMs,
    );
    closings.splice(0, first === -1 ? closings.length : first);
    return first === -1 ? this.#cursors[partition] : closings[0]!.before;
  }

  /**
   * The watermark of the stream, as far as it may be believed: a partition that holds nothing back must have read everything that was in the log when the
   * others came so far. Only then it knows the sources that had been announced there.
   */
  async #reach(): Promise<number> {
    const { watermarkMs, idle } = this.#frontier.reach();
    if (watermarkMs <= this.#reachedMs || idle.length === 0 || this.#options.spec.partitions === 1) return watermarkMs;
    this.#gate ??= { watermarkMs, rawEnds: await this.#options.rawEnds() };
    const { rawEnds, watermarkMs: gatedMs } = this.#gate;
    if (!idle.every((partition) => this.#frontier.hasRead(partition, rawEnds[partition]!))) return this.#reachedMs;
    this.#gate = undefined;
    return Math.min(watermarkMs, gatedMs);
  }
}

function byDeadline(left: FoldedRow, right: FoldedRow): number {
  const order = deadlineOf(left) - deadlineOf(right);
  if (order !== 0) return order;
  const [a, b] = [left, right].map((row) =>
    JSON.stringify([row.schema.table, keyOf(row), row.cells['is_other'] === 1]),
  );
  return a! < b! ? -1 : 1;
}
