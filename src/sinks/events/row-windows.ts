import { type FoldedRow, RowFold, deadlineOf } from '../row-fold.ts';
import type { IncomingEpoch } from '../epoch-reader.ts';

/** Rows of one stream that are not written yet: what the engine's tasks hold, and what has just become final. */
export class RowWindows {
  readonly #fold: RowFold;

  /** Rows of tables that are not `wanted` are passed over. */
  constructor(wanted: Iterable<string>) {
    this.#fold = new RowFold(wanted);
  }

  /** Takes in a counted epoch. A row that was removed was not final, so nobody was told of it. */
  apply(incoming: IncomingEpoch): void {
    this.#fold.apply(incoming);
  }

  /** Rows whose deadline a watermark has reached, in no order. */
  *upTo(watermarkMs: number): Generator<FoldedRow> {
    for (const row of this.#fold.due) if (deadlineOf(row) <= watermarkMs) yield row;
  }

  /** Of these rows: each part that its partition has closed, as a row of its own. */
  *closedParts(watermarkMs: number): Generator<FoldedRow> {
    for (const row of this.upTo(watermarkMs)) {
      for (const [partition, part] of row.parts) {
        if (this.#fold.isClosed(row, partition)) yield { ...row, parts: new Map([[partition, part]]) };
      }
    }
  }

  /** Whether every partition that has a part of it will say no more of it. */
  isClosed(row: FoldedRow): boolean {
    for (const partition of row.parts.keys()) if (!this.#fold.isClosed(row, partition)) return false;
    return true;
  }

  /** These parts of the row are written: what comes of it later, of other partitions, is another row. */
  forget(row: FoldedRow): void {
    this.#fold.forgetParts(row, [...row.parts.keys()]);
  }

  /** The least deadline of the rows that a partition has closed, and that wait for others; undefined where none waits. */
  waitingSince(partition: number): number | undefined {
    let least: number | undefined;
    for (const row of this.upTo(this.#fold.watermarkOf(partition))) {
      if (row.parts.has(partition)) least = Math.min(least ?? Infinity, deadlineOf(row));
    }
    return least;
  }
}
