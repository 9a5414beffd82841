import { z } from 'zod';
import { isFinal, windowStart } from '../epoch/finality.ts';
import type { RollupSpec, WindowSpec } from '../epoch/pipeline.ts';
import { type RowSchema, type RowSet, numbersIn } from '../epoch/table.ts';
import { duration, formatDuration } from '../lib/units.ts';
import { restoredCell } from './key-cells.ts';
import { KeyedFates } from './keyed-fates.ts';
import { type KeyedSpec, type RolledUp, initialOf, keyedSpecOf, loopsOf, sketchesOf } from './keyed-loop.ts';
import type { Batch } from '../record/batch.ts';
import type {
  AdmittedBatch,
  EpochDraft,
  Operator,
  OperatorContext,
  OperatorDefinition,
  OperatorOutput,
} from './operator.ts';
import { ROLLUP_AT, rollupSchema } from './rollup-schema.ts';
import { FinalRows, RowCollector } from './row-collector.ts';
import { zoneName } from '../lib/zone-clock.ts';
import { type Loop, type LoopHost, type LoopSpec, compileLoop } from './tumbling-source.ts';
import { WindowTable } from './window-table.ts';
import { type WindowEdges, ZoneWindows } from './zone-windows.ts';

export type TumblingSpec = WindowSpec & {
  readonly sizeMs: number;
  readonly offsetMs: number;
  /** Windows by the clocks of this zone. */
  readonly timeZone?: string;
};

/** Windows from a tenth of a second, so that a window holds more than its own bookkeeping, to a month. */
const WINDOW_RANGE = { min: '100ms', max: '31d' };
const DAY_MS = 86_400_000;

export const tumbling: OperatorDefinition<TumblingSpec> = {
  type: 'tumbling',
  needsKeyInOnePartition: false,
  ownColumns: [],
  summary: 'Windows of one size, side by side: [start, end).',
  options: z.strictObject({
    size: duration(WINDOW_RANGE).describe('Length of a window.'),
    offset: duration({ min: '0ms', max: WINDOW_RANGE.max })
      .prefault('0ms')
      .describe('Moves every window: an offset of 8h begins days of `1d` at 08:00. Less than `size`.'),
    time_zone: zoneName.describe(
      'Days and hours by the clocks of a place, as `Europe/Berlin`: a day has 23, 24 or 25 hours, an hour that comes twice is one window of two, but shorter windows in it come twice. A day must be a multiple of `size`.',
    ),
  }),
  resolve(options) {
    const { size, offset, time_zone: timeZone } = options as unknown as TumblingOptions;
    if (offset >= size) {
      const message = 'the offset of a window must be less than its size';
      return { problem: { option: 'offset', message } };
    }
    if (timeZone === 'UTC') return { window: { type: 'tumbling', sizeMs: size, offsetMs: offset } };
    if (DAY_MS % size !== 0) {
      const message = `with a time_zone a day must be a multiple of the window's size, and ${formatDuration(size)} does not divide it`;
      return { problem: { option: 'size', message, hint: 'write 1h, 6h or 1d' } };
    }
    return { window: { type: 'tumbling', sizeMs: size, offsetMs: offset, timeZone } };
  },
  tables: (name, spec, aggregates) => [rollupSchema(name, spec, aggregates)],
  sinceMs: (window, eventTimeMsMax) => edgesOf(window)(eventTimeMsMax).endMs,
  lastMissingMs: (_window, sinceMs) => sinceMs - 1,
  describe: ({ sizeMs, timeZone }) =>
    `windows of ${formatDuration(sizeMs)}${timeZone === undefined ? '' : ` by the clocks of ${timeZone}`}`,
  create: (context) => new TumblingWindow(context),
};

interface TumblingOptions {
  readonly size: number;
  readonly offset: number;
  readonly time_zone: string;
}

/** The window of a moment. */
function edgesOf({ sizeMs, offsetMs, timeZone }: TumblingSpec): (timeMs: number) => WindowEdges {
  if (timeZone !== undefined) {
    const windows = new ZoneWindows({ timeZone, sizeMs, offsetMs });
    return (timeMs) => windows.at(timeMs);
  }
  return (timeMs) => {
    const startMs = windowStart(timeMs, sizeMs, offsetMs);
    return { startMs, endMs: startMs + sizeMs };
  };
}

/**
 * Measures by key over windows [start, end) that touch one another: of equal size, or days and hours of a time zone. A line belongs to one window; it is
 * late if that window is closed (epoch/finality.ts) by the watermark just before it, and then touches no row.
 */
export class TumblingWindow implements Operator, LoopHost {
  readonly name: string;
  readonly tables: readonly string[];
  readonly rolledUp: RolledUp = { lines: 0, a: 0, b: 0 };
  readonly #spec: RollupSpec;
  readonly #edgesOf: (timeMs: number) => WindowEdges;
  readonly #schema: RowSchema;
  /** Filled again for every row that is collected. */
  readonly #fixed: number[] = Array.from({ length: ROLLUP_AT.keys }, () => 0);
  readonly #loopOf: (batch: Batch) => Loop;
  readonly #keyed: KeyedSpec;
  readonly #initial: readonly number[];
  readonly #tables = new Map<number, WindowTable>();
  /** Rows of windows that closed since the last checkpoint. */
  #closed: RowCollector;
  /** All rows of those that closed since another table read them; undefined where none does. */
  readonly #final: FinalRows | undefined;
  readonly #fates: KeyedFates;
  /** Rows of the window that closed last: what the next table is made for. */
  #expectedRows = 0;
  /** What a row takes in an epoch, about, but for the text of its key. */
  readonly #rowBytes: number;

  constructor(context: OperatorContext) {
    const { name, spec, aggregates, sinceMs } = context;
    this.name = name;
    this.tables = [name];
    this.#spec = spec;
    const window = spec.window as TumblingSpec;
    this.#edgesOf = edgesOf(window);
    this.#schema = rollupSchema(name, spec, aggregates);
    const keyed = keyedSpecOf(context);
    this.#keyed = keyed;
    this.#initial = initialOf(keyed);
    this.#fates = new KeyedFates(name, keyed.keys, spec.rowsMax);
    const loop: LoopSpec = {
      sizeMs: window.timeZone === undefined ? window.sizeMs : null,
      allowedLatenessMs: spec.allowedLatenessMs,
      sinceMs,
      ...keyed,
    };
    this.#loopOf = loopsOf((hasLarge) => compileLoop(loop, hasLarge));
    this.#rowBytes = 40 + this.#keyed.keys.length * 8 + this.#initial.length * 8;
    this.#closed = new RowCollector(this.#schema);
    this.#final = context.isRead === true ? new FinalRows(this.#schema) : undefined;
  }

  process(admitted: AdmittedBatch, out: OperatorOutput): void {
    this.#fates.begin(out);
    this.#loopOf(admitted.batch)(this, admitted);
    this.#fates.end(this.rolledUp);
  }

  onWatermark(watermarkMs: number): boolean {
    let hasFired = false;
    for (const [startMs, table] of this.#tables) {
      if (!isFinal(table.endMs, this.#spec.allowedLatenessMs, watermarkMs)) continue;
      for (let i = 0; i < table.changedCount; i++) this.#collect(this.#closed, table, table.changed[i]!);
      if (this.#final !== undefined)
        for (let row = 0; row < table.size; row++) this.#collect(this.#final.rows, table, row);
      this.#tables.delete(startMs);
      this.#expectedRows = table.size;
      hasFired = true;
    }
    return hasFired;
  }

  lastTimerMs(): number {
    let last = -Infinity;
    for (const table of this.#tables.values()) last = Math.max(last, table.endMs - 1 + this.#spec.allowedLatenessMs);
    return last;
  }

  changedBytes(): number {
    let bytes = this.#closed.length * this.#rowBytes + this.#closed.textBytes;
    for (const { changedCount, arenaLength, size, changedSketchBytes } of this.#tables.values()) {
      if (changedCount > 0) bytes += changedCount * (this.#rowBytes + arenaLength / size) + changedSketchBytes;
    }
    return bytes;
  }

  take(isSnapshot: boolean, draft: EpochDraft): void {
    const collector = this.#closed;
    for (const table of this.#tables.values()) {
      if (isSnapshot) for (let row = 0; row < table.size; row++) this.#collect(collector, table, row);
      else for (let i = 0; i < table.changedCount; i++) this.#collect(collector, table, table.changed[i]!);
      table.clearChanged();
    }
    this.#closed = new RowCollector(this.#schema);
    if (collector.length > 0) draft.upsert(collector.finish());
  }

  takeFinal(): RowSet | undefined {
    return this.#final?.take();
  }

  restore(upserts: readonly RowSet[]): void {
    for (const rows of upserts) this.#restore(rows);
  }

  #restore({ columns, length }: RowSet): void {
    const keys = columns.slice(ROLLUP_AT.keys, ROLLUP_AT.keys + this.#keyed.keys.length);
    const [start, end, revision, lines, sumA, sumB, isOther] = columns.map(numbersIn);
    const state = columns.slice(ROLLUP_AT.keys + this.#keyed.keys.length);
    for (let i = 0; i < length; i++) {
      const table = this.tableAt(start![i]!, end![i]!);
      const row = isOther![i] === 1 ? table.other() : table.upsert(keys.map((key) => restoredCell(key, i)));
      table.lines[row] = lines![i]!;
      table.sumA[row] = sumA![i]!;
      table.sumB[row] = sumB![i]!;
      table.revision[row] = revision![i]!;
      table.restoreState(row, state, i);
    }
  }

  // What the generated loop calls.

  get dropped(): RolledUp {
    return this.#fates.dropped;
  }

  startOf(eventTimeMs: number): number {
    return this.#edgesOf(eventTimeMs).startMs;
  }

  endOf(startMs: number): number {
    return this.#edgesOf(startMs).endMs;
  }

  tableAt(startMs: number, endMs: number): WindowTable {
    let table = this.#tables.get(startMs);
    if (table === undefined) {
      table = new WindowTable({
        startMs,
        endMs,
        keyKinds: this.#keyed.keys.map((key) => key.kind),
        initial: this.#initial,
        sketches: sketchesOf(this.#keyed),
        rowsMax: this.#spec.rowsMax,
        expectedRows: this.#expectedRows,
      });
      this.#tables.set(startMs, table);
    }
    return table;
  }

  insert(table: WindowTable, admitted: AdmittedBatch, line: number, hash: number): number {
    const columns = this.#keyed.keys.map((key) => admitted.batch.columns[key.column]!);
    const row = table.insert(admitted.batch, columns, line, hash);
    if (row === table.otherRow) this.#fates.other(admitted, line, table.startMs);
    return row;
  }

  late(admitted: AdmittedBatch, line: number, startMs: number, endMs: number): void {
    this.#fates.late(admitted, line, startMs, endMs);
  }

  beforeRollup(admitted: AdmittedBatch, line: number): void {
    this.#fates.beforeRollup(admitted, line);
  }

  #collect(collector: RowCollector, table: WindowTable, row: number): void {
    const fixed = this.#fixed;
    fixed[ROLLUP_AT.start] = table.startMs;
    fixed[ROLLUP_AT.end] = table.endMs;
    fixed[ROLLUP_AT.revision] = table.revision[row]!;
    fixed[ROLLUP_AT.lines] = table.lines[row]!;
    fixed[ROLLUP_AT.sumA] = table.sumA[row]!;
    fixed[ROLLUP_AT.sumB] = table.sumB[row]!;
    fixed[ROLLUP_AT.isOther] = row === table.otherRow ? 1 : 0;
    collector.add(table, row, fixed);
  }
}
