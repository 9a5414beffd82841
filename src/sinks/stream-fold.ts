import type { SourceMark } from '../epoch/epoch.ts';
import type { IncomingEpoch } from './epoch-reader.ts';
import { type FoldedRow, RowFold, type StoredFoldedRow } from './row-fold.ts';

/** `superseded`: the row was taken into another one; what was said of it stays, marked. */
export type RowStatus = 'open' | 'final' | 'revised' | 'superseded';

const HOLDING: ReadonlySet<SourceMark['state']> = new Set(['announced', 'reading', 'gap', 'unreadable']);

/**
 * The rows of one stream as documents have them: what changed is handed out, and a row that is final is forgotten when the sink says that it
 * is stored. So this holds what the engine's tasks hold, and no more.
 */
export class StreamFold {
  readonly #fold: RowFold;
  /** Sources that have something to read yet, by partition: they hold the windows open. */
  readonly #holding = new Map<number, Set<string>>();
  readonly #changed = new Set<FoldedRow>();
  /** Stored rows of tables whose definition has not been read yet. */
  readonly #stored = new Map<string, readonly StoredFoldedRow[]>();

  /** Rows of tables that are not `wanted` are passed over. */
  constructor(wanted: Iterable<string>) {
    this.#fold = new RowFold(wanted);
  }

  /**
   * For a reader that begins in the middle of the log: rows that its store calls open. One whose own partitions have closed it, and that was
   * held open by another, is in no snapshot any more, and must still become final.
   */
  seed(table: string, rows: readonly StoredFoldedRow[]): void {
    this.#stored.set(table, rows);
  }

  get changedRows(): number {
    return this.#changed.size;
  }

  apply(incoming: IncomingEpoch): void {
    const { from, epoch } = incoming;
    this.#hold(from.partition, epoch.body.sources, epoch.envelope.isSnapshot);
    // What is stored comes before what an epoch says of the same row, whose definition that epoch brings.
    const { changed, removed } = this.#fold.apply(incoming, () => this.#placeStored());
    // What was to be said of a row before it was removed is not said any more.
    for (const row of this.#changed) if (row.parts.size === 0) this.#changed.delete(row);
    for (const row of removed) this.#changed.add(row);
    for (const row of changed) this.#changed.add(row);
    for (const row of this.#fold.due) if (this.statusOf(row) !== 'open') this.#changed.add(row);
  }

  /** The rows that changed since the last call. */
  takeChanged(): FoldedRow[] {
    const rows = [...this.#changed];
    this.#changed.clear();
    return rows;
  }

  /** The row is stored as it is: one that is final is forgotten. */
  settle(row: FoldedRow): void {
    const status = this.statusOf(row);
    if (this.#changed.has(row) || status === 'open' || status === 'superseded') return;
    this.#fold.forget(row);
  }

  /**
   * Open while one of its parts is, or while a partition that still has something to read has not passed the window; as DuckDB's view has
   * it over several partitions.
   */
  statusOf(row: FoldedRow): RowStatus {
    for (const { isRemoved } of row.parts.values()) if (isRemoved === true) return 'superseded';
    for (const [partition, sources] of this.#holding) {
      if (sources.size > 0 && !this.#fold.isClosed(row, partition)) return 'open';
    }
    let revision = 0;
    for (const [partition, part] of row.parts) {
      if (!this.#fold.isClosed(row, partition)) return 'open';
      revision += part.revision;
    }
    return revision > 0 ? 'revised' : 'final';
  }

  /** The raw log a partition's epochs are about; undefined before the first epoch. */
  logOf(partition: number): string | undefined {
    return this.#fold.logOf(partition);
  }

  #hold(partition: number, sources: readonly SourceMark[], isSnapshot: boolean): void {
    const holding = this.#holding.get(partition) ?? new Set();
    this.#holding.set(partition, holding);
    if (isSnapshot) holding.clear();
    for (const { source, state } of sources) {
      if (HOLDING.has(state)) holding.add(source);
      else holding.delete(source);
    }
  }

  #placeStored(): void {
    for (const [table, rows] of this.#stored) {
      if (!this.#fold.knows(table)) continue;
      for (const stored of rows) {
        const row = this.#fold.place(stored);
        if (row !== undefined) this.#changed.add(row);
      }
      this.#stored.delete(table);
    }
  }
}
