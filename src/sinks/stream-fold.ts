import type { EpochBody, KeyColumn, RollupRows, SourceMark } from '../epoch/epoch.ts';
import { isFinal } from '../epoch/finality.ts';
import type { RowPart } from '../epoch/merge.ts';
import type { RollupSpec } from '../epoch/pipeline.ts';
import { exactInteger } from '../lib/exact-integer.ts';
import { OperatingError } from '../lib/errors.ts';
import { textOf } from '../lib/text.ts';
import type { IncomingEpoch } from './epoch-reader.ts';

/** `superseded`: the row's session was joined to another one; what was said of it stays, marked. */
export type RowStatus = 'open' | 'final' | 'revised' | 'superseded';

/** What one partition says of a row, and in which epoch it last did. */
export interface FoldedPart extends RowPart {
  readonly n: number;
  /** Id of the raw log that epoch is about: with another one, `n` counts from 1 again and is no measure. */
  readonly log: string;
}

/** A row of an open window, or of one that has just closed, over all partitions. */
export interface FoldedRow {
  readonly rollup: string;
  readonly spec: RollupSpec;
  readonly windowStartMs: number;
  readonly windowEndMs: number;
  /** One value a key field: text, a number (beyond 2^53 its digits), or null. */
  readonly key: readonly (string | number | null)[];
  /** The row of all keys that have none of their own; its own key is NULL. */
  readonly isOther: boolean;
  /** By partition. */
  readonly parts: Map<number, FoldedPart>;
}

/** A row as a sink's store holds it. */
export type StoredFoldedRow = Omit<FoldedRow, 'spec'>;

interface PartitionView {
  log: string;
  watermarkMs: number;
  /** Sources that have something to read yet: they hold the partition's windows open. */
  readonly holding: Set<string>;
}

interface KnownRollup {
  readonly spec: RollupSpec;
  /** Window end → id → row. */
  readonly windows: Map<number, Map<string, FoldedRow>>;
  /** Partitions whose pipeline has left it out: their rows are final as they are. */
  readonly closedIn: Set<number>;
}

const HOLDING: ReadonlySet<SourceMark['state']> = new Set(['announced', 'reading', 'gap', 'unreadable']);

/**
 * Folds the counted epochs of all partitions of one stream into the rows of its open windows, merged by window and key, for sinks that keep
 * no tables. What changed is handed out, and a row that is final is forgotten when the sink says that it is stored: so this holds what the
 * engine's tasks hold, the open windows, and no more.
 */
export class StreamFold {
  readonly #rollups = new Map<string, KnownRollup>();
  readonly #wanted: ReadonlySet<string>;
  readonly #partitions = new Map<number, PartitionView>();
  readonly #changed = new Set<FoldedRow>();
  /** Stored rows of rollups whose definition has not been read yet. */
  readonly #stored = new Map<string, readonly StoredFoldedRow[]>();

  /** Rows of rollups that are not `wanted` are passed over. */
  constructor(wanted: Iterable<string>) {
    this.#wanted = new Set(wanted);
  }

  /**
   * For a reader that begins in the middle of the log: rows that its store calls open. One whose own partitions have closed it, and that was
   * held open by another, is in no snapshot any more, and must still become final.
   */
  seed(rollup: string, rows: readonly StoredFoldedRow[]): void {
    this.#stored.set(rollup, rows);
  }

  get changedRows(): number {
    return this.#changed.size;
  }

  apply({ from, epoch: { envelope, body } }: IncomingEpoch): void {
    const { partition } = from;
    const view = this.#view(partition);
    view.log = envelope.rawLog;
    view.watermarkMs = body.watermarkMs;
    if (envelope.isSnapshot) view.holding.clear();
    for (const { source, state } of body.sources) {
      if (HOLDING.has(state)) view.holding.add(source);
      else view.holding.delete(source);
    }
    if (body.pipeline !== null) this.#adopt(body, from.stream, partition);
    for (const rows of body.rows) {
      if (this.#wanted.has(rows.rollup)) this.#addRows(rows, partition, { n: envelope.n, log: envelope.rawLog });
    }
    this.#findClosed();
  }

  /** The rows that changed since the last call. */
  takeChanged(): FoldedRow[] {
    const rows = [...this.#changed];
    this.#changed.clear();
    return rows;
  }

  /** The row is stored as it is: one that is final is forgotten. */
  settle(row: FoldedRow): void {
    if (this.#changed.has(row) || this.statusOf(row) === 'open') return;
    const windows = this.#rollups.get(row.rollup)?.windows;
    const rows = windows?.get(row.windowEndMs);
    rows?.delete(idOf(row));
    if (rows?.size === 0) windows?.delete(row.windowEndMs);
  }

  /**
   * Open while one of its parts is, or while a partition that still has something to read has not passed the window; as DuckDB's view has
   * it over several partitions.
   */
  statusOf(row: FoldedRow): RowStatus {
    const rollup = this.#rollups.get(row.rollup)!;
    if (this.#isHeld(rollup, row.windowEndMs)) return 'open';
    let revision = 0;
    for (const [partition, part] of row.parts) {
      if (!rollup.closedIn.has(partition) && !this.#hasPassed(partition, rollup, row.windowEndMs)) return 'open';
      revision += part.revision;
    }
    return revision > 0 ? 'revised' : 'final';
  }

  /** The raw log a partition's epochs are about; undefined before the first epoch. */
  logOf(partition: number): string | undefined {
    return this.#partitions.get(partition)?.log;
  }

  #view(partition: number): PartitionView {
    let view = this.#partitions.get(partition);
    if (view === undefined) {
      view = { log: '', watermarkMs: -Infinity, holding: new Set() };
      this.#partitions.set(partition, view);
    }
    return view;
  }

  #adopt({ pipeline }: EpochBody, stream: string, partition: number): void {
    for (const [name, spec] of Object.entries(pipeline!.rollups)) {
      if (spec.from !== stream || !this.#wanted.has(name) || this.#rollups.has(name)) continue;
      const rollup: KnownRollup = { spec, windows: new Map(), closedIn: new Set() };
      this.#rollups.set(name, rollup);
      for (const row of this.#stored.get(name) ?? []) this.#changed.add(rowIn(rollup, { ...row, spec }));
      this.#stored.delete(name);
    }
    for (const [name, { closedIn }] of this.#rollups) {
      if (name in pipeline!.rollups) closedIn.delete(partition);
      else closedIn.add(partition);
    }
  }

  #addRows(rows: RollupRows, partition: number, said: Pick<FoldedPart, 'n' | 'log'>): void {
    const rollup = this.#rollups.get(rows.rollup);
    if (rollup === undefined) {
      const message = `partition ${partition}: epoch ${said.n} has rows of ${rows.rollup}, which no snapshot defined`;
      throw new OperatingError(message, { code: 'ROLLUP_UNKNOWN' });
    }
    for (let at = 0; at < rows.length; at++) {
      const row = rowIn(rollup, {
        rollup: rows.rollup,
        spec: rollup.spec,
        windowStartMs: rows.windowStartMs[at]!,
        windowEndMs: rows.windowEndMs[at]!,
        key: rows.keys.map((column) => keyValue(column, at)),
        isOther: rows.isOther[at] === 1,
        parts: new Map(),
      });
      const known = row.parts.get(partition);
      // What another writer's document has told may be further on.
      if (known !== undefined && known.log === said.log && known.n >= said.n) continue;
      row.parts.set(partition, {
        ...said,
        revision: rows.revision[at]!,
        lines: rows.lines[at]!,
        accumulators: rows.accumulators.map((values) => values[at]!),
      });
      this.#changed.add(row);
    }
  }

  /** Rows that have become final by the watermark alone. */
  #findClosed(): void {
    for (const rollup of this.#rollups.values()) {
      for (const [windowEndMs, rows] of rollup.windows) {
        if (this.#isHeld(rollup, windowEndMs)) continue;
        for (const row of rows.values()) if (this.statusOf(row) !== 'open') this.#changed.add(row);
      }
    }
  }

  #isHeld(rollup: KnownRollup, windowEndMs: number): boolean {
    for (const [partition, { holding }] of this.#partitions) {
      if (holding.size > 0 && !rollup.closedIn.has(partition) && !this.#hasPassed(partition, rollup, windowEndMs))
        return true;
    }
    return false;
  }

  #hasPassed(partition: number, { spec }: KnownRollup, windowEndMs: number): boolean {
    const view = this.#partitions.get(partition);
    return view !== undefined && isFinal(windowEndMs, spec.allowedLatenessMs, view.watermarkMs);
  }
}

/** The row of that window and key: the one there is, else the given one. */
function rowIn({ windows }: KnownRollup, row: FoldedRow): FoldedRow {
  let window = windows.get(row.windowEndMs);
  if (window === undefined) windows.set(row.windowEndMs, (window = new Map()));
  const id = idOf(row);
  const known = window.get(id);
  if (known !== undefined) return known;
  window.set(id, row);
  return row;
}

function idOf({ windowStartMs, key, isOther }: FoldedRow): string {
  return `${windowStartMs} ${isOther ? 'other' : JSON.stringify(key)}`;
}

function keyValue(column: KeyColumn, at: number): string | number | null {
  if (column.kind === 'number') {
    const value = column.rest === undefined ? column.values[at]! : exactInteger(column.values[at]!, column.rest[at]!);
    if (typeof value === 'bigint') return String(value);
    return Number.isNaN(value) ? null : value;
  }
  if (column.nulls[at] === 1) return null;
  return textOf(column.bytes.subarray(column.offsets[at], column.offsets[at + 1]));
}
