import type { EpochBody, EpochEnvelope, KeyColumn, RollupRows } from '../../epoch/epoch.ts';
import { isFinal } from '../../epoch/finality.ts';
import type { RowPart } from '../../epoch/merge.ts';
import type { RollupSpec } from '../../epoch/pipeline.ts';
import { exactInteger } from '../../lib/exact-integer.ts';
import { OperatingError } from '../../lib/errors.ts';
import { textOf } from '../../lib/text.ts';

/** What one partition says of a row, as of its epoch `n`. */
export interface EventPart extends RowPart {
  readonly n: number;
}

/** A row that is not written yet, over the partitions that have said something of it. */
export interface EventRow {
  readonly rollup: string;
  readonly spec: RollupSpec;
  readonly windowStartMs: number;
  readonly windowEndMs: number;
  /** One value a key field. Numbers, dates and booleans are numbers, a whole number beyond 2^53 its digits, NULL is null. */
  readonly key: readonly (string | number | null)[];
  /** The row of all keys that have none of their own; its own key is NULL. */
  readonly isOther: boolean;
  readonly parts: Map<number, EventPart>;
}

interface KnownRollup {
  readonly spec: RollupSpec;
  /** Window end → key → row. */
  readonly windows: Map<number, Map<string, EventRow>>;
  /** Partitions whose pipeline has left it out: their rows are final as they are. */
  readonly closedIn: Set<number>;
}

/** The watermark of a partition. */
export type WatermarkOf = (partition: number) => number;

/** The moment of event time at which a row's window is closed: the watermark that closes it (epoch/finality.ts). */
export function deadlineOf({ windowEndMs, spec }: EventRow): number {
  return windowEndMs - 1 + spec.allowedLatenessMs;
}

/** Rows of one stream that are not written yet, by window: what the engine's tasks hold, and what has just closed. */
export class RowWindows {
  readonly #rollups = new Map<string, KnownRollup>();
  readonly #wanted: ReadonlySet<string>;
  readonly #watermarkOf: WatermarkOf;

  /** Rows of rollups that are not `wanted` are passed over. */
  constructor(wanted: Iterable<string>, watermarkOf: WatermarkOf) {
    this.#wanted = new Set(wanted);
    this.#watermarkOf = watermarkOf;
  }

  /** Takes in the rows of a counted epoch, and the rollups of a snapshot. */
  apply(partition: number, stream: string, { n }: EpochEnvelope, { pipeline, rows }: EpochBody): void {
    for (const [name, spec] of Object.entries(pipeline?.rollups ?? {})) {
      if (spec.from !== stream || !this.#wanted.has(name)) continue;
      if (!this.#rollups.has(name)) this.#rollups.set(name, { spec, windows: new Map(), closedIn: new Set() });
    }
    for (const [name, { closedIn }] of this.#rollups) {
      if (pipeline === null) break;
      if (name in pipeline.rollups) closedIn.delete(partition);
      else closedIn.add(partition);
    }
    for (const changed of rows) if (this.#wanted.has(changed.rollup)) this.#add(changed, partition, n);
  }

  /** Rows whose window a watermark closes, in no order. */
  *upTo(watermarkMs: number): Generator<EventRow> {
    for (const { spec, windows } of this.#rollups.values()) {
      for (const [windowEndMs, rows] of windows) {
        if (isFinal(windowEndMs, spec.allowedLatenessMs, watermarkMs)) yield* rows.values();
      }
    }
  }

  /** Of the rows whose window a watermark closes: each part that its partition has closed, as a row of its own. */
  *closedParts(watermarkMs: number): Generator<EventRow> {
    for (const row of this.upTo(watermarkMs)) {
      for (const [partition, part] of row.parts) {
        if (this.#isPartClosed(row, partition)) yield { ...row, parts: new Map([[partition, part]]) };
      }
    }
  }

  /** Whether every partition that has a part of it will say no more of it. */
  isClosed(row: EventRow): boolean {
    for (const partition of row.parts.keys()) if (!this.#isPartClosed(row, partition)) return false;
    return true;
  }

  /** These parts of the row are written: what comes of it later, of other partitions, is another row. */
  forget(row: EventRow): void {
    const { rollup, windowEndMs, parts } = row;
    const { windows } = this.#rollups.get(rollup)!;
    const rows = windows.get(windowEndMs)!;
    const stored = rows.get(keyText(row))!;
    for (const partition of parts.keys()) stored.parts.delete(partition);
    if (stored.parts.size === 0) rows.delete(keyText(row));
    if (rows.size === 0) windows.delete(windowEndMs);
  }

  /** The least deadline of the rows that a partition has closed, and that wait for others; undefined where none waits. */
  waitingSince(partition: number): number | undefined {
    let least: number | undefined;
    for (const row of this.upTo(this.#watermarkOf(partition))) {
      if (row.parts.has(partition)) least = Math.min(least ?? Infinity, deadlineOf(row));
    }
    return least;
  }

  #isPartClosed({ rollup, spec, windowEndMs }: EventRow, partition: number): boolean {
    const { closedIn } = this.#rollups.get(rollup)!;
    return closedIn.has(partition) || isFinal(windowEndMs, spec.allowedLatenessMs, this.#watermarkOf(partition));
  }

  #add(changed: RollupRows, partition: number, n: number): void {
    const rollup = this.#rollups.get(changed.rollup);
    if (rollup === undefined) {
      const message = `partition ${partition}: epoch ${n} has rows of ${changed.rollup}, which no snapshot defined`;
      throw new OperatingError(message, { code: 'ROLLUP_UNKNOWN' });
    }
    for (let at = 0; at < changed.length; at++) {
      this.#row(rollup, changed, at).parts.set(partition, {
        n,
        revision: changed.revision[at]!,
        lines: changed.lines[at]!,
        accumulators: changed.accumulators.map((values) => values[at]!),
      });
    }
  }

  #row({ spec, windows }: KnownRollup, changed: RollupRows, at: number): EventRow {
    const windowEndMs = changed.windowEndMs[at]!;
    const key = changed.keys.map((column) => cellOf(column, at));
    let rows = windows.get(windowEndMs);
    if (rows === undefined) windows.set(windowEndMs, (rows = new Map()));
    const isOther = changed.isOther[at] === 1;
    const text = keyText({ key, isOther });
    let row = rows.get(text);
    if (row === undefined) {
      row = {
        rollup: changed.rollup,
        spec,
        windowStartMs: changed.windowStartMs[at]!,
        windowEndMs,
        key,
        isOther,
        parts: new Map(),
      };
      rows.set(text, row);
    }
    return row;
  }
}

function keyText({ key, isOther }: Pick<EventRow, 'key' | 'isOther'>): string {
  return isOther ? 'other' : JSON.stringify(key);
}

function cellOf(column: KeyColumn, at: number): string | number | null {
  if (column.kind === 'number') {
    const value = column.rest === undefined ? column.values[at]! : exactInteger(column.values[at]!, column.rest[at]!);
    if (typeof value === 'bigint') return String(value);
    return Number.isNaN(value) ? null : value;
  }
  if (column.nulls[at] === 1) return null;
  return textOf(column.bytes.subarray(column.offsets[at], column.offsets[at + 1]));
}
