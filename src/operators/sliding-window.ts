import { z } from 'zod';
import type { Aggregates } from '../aggregates/aggregate.ts';
import { deadlineMs, windowStart } from '../epoch/finality.ts';
import type { RollupSpec, WindowSpec } from '../epoch/pipeline.ts';
import { type RowSchema, type RowSet, numbersIn } from '../epoch/table.ts';
import { isMutant } from '../lib/mutant.ts';
import { duration, formatDuration } from '../lib/units.ts';
import type { Batch } from '../record/batch.ts';
import { restoredCell } from './key-cells.ts';
import { KeyedFates } from './keyed-fates.ts';
import { type KeyedSpec, type RolledUp, initialOf, keyedSpecOf, loopsOf, sketchesOf } from './keyed-loop.ts';
import type {
  AdmittedBatch,
  EpochDraft,
  Operator,
  OperatorContext,
  OperatorDefinition,
  OperatorOutput,
} from './operator.ts';
import { PaneTable } from './pane-table.ts';
import { ROLLUP_AT, rollupSchema } from './rollup-schema.ts';
import { FinalRows, RowCollector } from './row-collector.ts';
import { type SlidingHost, type SlidingLoop, compileSlidingLoop } from './sliding-source.ts';
import { SlidingTotals } from './sliding-totals.ts';
import { EMPTY } from './window-table.ts';

export type SlidingSpec = WindowSpec & { readonly sizeMs: number; readonly slideMs: number };

const WINDOW_RANGE = { min: '100ms', max: '31d' };
/** Every window goes through so many panes, and a key may have a row in each. */
const PANES_MAX = 1000;
/** Sketches of all panes: while they have more, no key gets a row that has none. */
const SKETCH_BYTES_MAX = 512 * 1024 * 1024;

export const sliding: OperatorDefinition<SlidingSpec> = {
  type: 'sliding',
  needsKeyInOnePartition: false,
  ownColumns: ['first_window', 'closes_at'],
  summary:
    'Windows of one size that overlap, one each `slide`: a line is in all that are open. ' +
    'In the warehouse `distinct`, `quantile`, `top`, `first` and `last` of an open window are NULL until it is final.',
  options: z.strictObject({
    size: duration(WINDOW_RANGE).describe('Length of a window.'),
    slide: duration(WINDOW_RANGE).describe(
      `From the start of a window to that of the next, at most \`size\`. A pane is their greatest common divisor: a window has at most ${PANES_MAX}, and a key keeps up to 130 bytes, its text, and 16 more a measure and accumulator in each.`,
    ),
  }),
  resolve(options) {
    const { size, slide } = options as { readonly size: number; readonly slide: number };
    if (slide > size) {
      const hint = 'with slide: size it is a tumbling window; lines between windows would be in none';
      return { problem: { option: 'slide', message: 'the slide of a window must not be more than its size', hint } };
    }
    const panes = size / gcd(size, slide);
    if (panes <= PANES_MAX) return { window: { type: 'sliding', sizeMs: size, slideMs: slide } };
    const message = `a window would have ${panes} panes of ${formatDuration(gcd(size, slide))}, and may have ${PANES_MAX}`;
    return {
      problem: { option: 'slide', message, hint: 'choose a longer slide, best one that the size is a multiple of' },
    };
  },
  tables: (name, spec, aggregates) => [windowSchema(name, spec, aggregates), paneSchema(name, spec, aggregates)],
  sinceMs: ({ slideMs }, eventTimeMsMax) => windowStart(eventTimeMsMax, slideMs, 0) + slideMs,
  lastMissingMs: ({ sizeMs, slideMs }, sinceMs) => sinceMs - slideMs + sizeMs - 1,
  rowsOfKey: ({ sizeMs, slideMs }) => Math.ceil(sizeMs / slideMs),
  describe: ({ sizeMs, slideMs }) => `windows of ${formatDuration(sizeMs)} every ${formatDuration(slideMs)}`,
  create: (context) => new SlidingWindow(context),
};

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** No rollup can be called so. */
function panesOf(name: string): string {
  return `${name}.panes`;
}

function windowSchema(name: string, spec: RollupSpec, aggregates: Aggregates): RowSchema {
  const { sizeMs, slideMs } = spec.window as SlidingSpec;
  return { ...rollupSchema(name, spec, aggregates), openFrom: { table: panesOf(name), sizeMs, slideMs } };
}

/** Behind the common columns of panes: where they stand. */
const PANE_AT = { firstWindow: 7, closesAt: 8, keys: 9 } as const;

function paneSchema(name: string, spec: RollupSpec, aggregates: Aggregates): RowSchema {
  const schema = rollupSchema(panesOf(name), spec, aggregates, {
    columns: [
      // Start of the first of its windows, end of the last.
      { name: 'first_window', type: 'time', role: 'info', merge: 'same' },
      { name: 'closes_at', type: 'time', role: 'info', merge: 'same' },
    ],
    identity: ['window_start', 'window_end'],
  });
  return { ...schema, closesBy: 'closes_at', whenFinal: 'drop', isVisible: false };
}

/**
 * Windows [start, end) of one size, one each slide. A line goes into the one pane that it belongs to, and so into all windows of that pane that
 * have not ended; it is late if all have. A window ends just before the first line whose clock has reached its end and the lateness, and gives one
 * row for each key with lines in it, which nothing revises. What ended is known from the watermark alone: panes are the whole state.
 */
export class SlidingWindow implements Operator, SlidingHost {
  readonly name: string;
  readonly tables: readonly string[];
  readonly rolledUp: RolledUp = { lines: 0, a: 0, b: 0 };
  readonly placed: RolledUp = { lines: 0, a: 0, b: 0 };
  nextMs = Infinity;
  readonly #sizeMs: number;
  readonly #slideMs: number;
  readonly #paneMs: number;
  readonly #latenessMs: number;
  readonly #sinceMs: number;
  readonly #keyed: KeyedSpec;
  readonly #schema: RowSchema;
  readonly #paneSchema: RowSchema;
  readonly #loopOf: (batch: Batch) => SlidingLoop;
  readonly #fates: KeyedFates;
  readonly #totals: SlidingTotals;
  readonly #panes = new Map<number, PaneTable>();
  /** Windows that end by then have given their rows. */
  #clockMs = -Infinity;
  /** What was restored has given its rows in the epochs that it comes from, as far as the next watermark reaches. */
  #isRestored = false;
  #expectedRows = 0;
  readonly #rowBytes: number;
  #closed: RowCollector;
  /** Rows since another table read them; undefined where none does. */
  readonly #final: FinalRows | undefined;
  #hasFired = false;

  constructor(context: OperatorContext, sketchBytesMax = SKETCH_BYTES_MAX) {
    const { name, spec, aggregates, sinceMs } = context;
    const { sizeMs, slideMs } = spec.window as SlidingSpec;
    const keyed = keyedSpecOf(context);
    this.name = name;
    this.tables = [name, panesOf(name)];
    this.#sizeMs = sizeMs;
    this.#slideMs = slideMs;
    this.#paneMs = gcd(sizeMs, slideMs);
    this.#latenessMs = spec.allowedLatenessMs;
    this.#sinceMs = sinceMs;
    this.#keyed = keyed;
    this.#schema = windowSchema(name, spec, aggregates);
    this.#paneSchema = paneSchema(name, spec, aggregates);
    this.#fates = new KeyedFates(name, keyed.keys, spec.rowsMax);
    this.#totals = new SlidingTotals(keyed, sizeMs, spec.rowsMax, () => this.#sketchBytes() > sketchBytesMax);
    const { allowedLatenessMs } = spec;
    const loop = { ...keyed, paneMs: this.#paneMs, sizeMs, slideMs, allowedLatenessMs, sinceMs };
    this.#loopOf = loopsOf((hasLarge) => compileSlidingLoop(loop, hasLarge));
    this.#rowBytes = 40 + keyed.keys.length * 8 + initialOf(keyed).length * 8;
    this.#closed = new RowCollector(this.#schema);
    this.#final = context.isRead === true ? new FinalRows(this.#schema) : undefined;
  }

  process(admitted: AdmittedBatch, out: OperatorOutput): void {
    this.#fates.begin(out);
    this.#loopOf(admitted.batch)(this, admitted);
    this.#fates.end(this.rolledUp, this.placed);
  }

  onWatermark(watermarkMs: number): boolean {
    if (this.#isRestored) this.#forget(watermarkMs);
    else if (watermarkMs >= this.nextMs) this.fire(watermarkMs);
    const hasFired = this.#hasFired;
    this.#hasFired = false;
    return hasFired;
  }

  lastTimerMs(): number {
    let last = -Infinity;
    for (const startMs of this.#panes.keys()) last = Math.max(last, this.#lastDeadlineMs(startMs));
    return last;
  }

  changedBytes(): number {
    let bytes = this.#closed.length * this.#rowBytes + this.#closed.textBytes;
    for (const { changedCount, arenaLength, size, changedSketchBytes } of this.#panes.values())
      if (changedCount > 0) bytes += changedCount * (this.#rowBytes + 16 + arenaLength / size) + changedSketchBytes;
    return bytes;
  }

  take(isSnapshot: boolean, draft: EpochDraft): void {
    const panes = new RowCollector(this.#paneSchema);
    for (const pane of this.#panes.values()) {
      if (isSnapshot) for (let row = 0; row < pane.size; row++) this.#collectPane(panes, pane, row);
      else for (let i = 0; i < pane.changedCount; i++) this.#collectPane(panes, pane, pane.changed[i]!);
      pane.clearChanged();
    }
    const closed = this.#closed;
    this.#closed = new RowCollector(this.#schema);
    if (closed.length > 0) draft.upsert(closed.finish());
    if (panes.length > 0) draft.upsert(panes.finish());
  }

  takeFinal(): RowSet | undefined {
    return this.#final?.take();
  }

  /** The open windows as they are. */
  close(draft: EpochDraft): void {
    this.fire(Infinity);
    if (this.#closed.length > 0) draft.upsert(this.#closed.finish());
  }

  restore(upserts: readonly RowSet[]): void {
    this.#isRestored = true;
    for (const rows of upserts) if (rows.table === this.#paneSchema.table) this.#restore(rows);
  }

  #restore({ columns, length }: RowSet): void {
    const keys = columns.slice(PANE_AT.keys, PANE_AT.keys + this.#keyed.keys.length);
    const [start, , , lines, sumA, sumB, isOther] = columns.map(numbersIn);
    const state = columns.slice(PANE_AT.keys + this.#keyed.keys.length);
    for (let i = 0; i < length; i++) {
      const pane = this.#pane(start![i]!);
      const cells = isOther![i] === 1 ? null : keys.map((key) => restoredCell(key, i));
      const row = cells === null ? pane.other() : pane.upsert(cells);
      if (pane.key[row] === EMPTY) this.#totals.link(pane, row, this.#totals.restored(cells));
      pane.lines[row] = lines![i]!;
      pane.sumA[row] = sumA![i]!;
      pane.sumB[row] = sumB![i]!;
      pane.restoreState(row, state, i);
    }
  }

  #forget(watermarkMs: number): void {
    this.#isRestored = false;
    this.#clockMs = Math.max(this.#clockMs, watermarkMs);
    for (const startMs of this.#panes.keys()) if (this.#lastDeadlineMs(startMs) <= watermarkMs) this.#drop(startMs);
    this.nextMs = this.#deadlineMs(this.#nextStartMs());
  }

  // What the generated loop calls.

  get dropped(): RolledUp {
    return this.#fates.dropped;
  }

  fire(watermarkMs: number): void {
    while (this.nextMs <= watermarkMs && this.#panes.size > 0) {
      const startMs = this.#nextStartMs();
      const panes = [...this.#panes.values()].toSorted((left, right) => left.startMs - right.startMs);
      this.#totals.slide(panes, startMs, (key) => this.#give(startMs, key));
      for (const pane of panes) if (pane.startMs < startMs + this.#slideMs) this.#drop(pane.startMs);
      this.#clockMs = this.#deadlineMs(startMs);
      this.nextMs = this.#deadlineMs(this.#nextStartMs());
      this.#hasFired = true;
    }
    this.#clockMs = Math.max(this.#clockMs, watermarkMs);
  }

  startOf(eventTimeMs: number): number {
    return windowStart(eventTimeMs, this.#paneMs, 0);
  }

  paneAt(startMs: number, watermarkMs: number): PaneTable {
    this.#clockMs = Math.max(this.#clockMs, watermarkMs);
    const pane = this.#pane(startMs);
    this.nextMs = Math.min(this.nextMs, this.#deadlineMs(this.#firstOpenMs(startMs)));
    return pane;
  }

  firstDeadlineMs(startMs: number): number {
    return this.#deadlineMs(this.#firstWindowMs(startMs));
  }

  windowsOf(startMs: number): number {
    return (this.#lastWindowMs(startMs) - this.#firstWindowMs(startMs)) / this.#slideMs + 1;
  }

  late(admitted: AdmittedBatch, line: number, startMs: number): void {
    this.#fates.late(admitted, line, this.#firstWindowMs(startMs), this.#lastWindowMs(startMs) + this.#sizeMs);
  }

  missed(admitted: AdmittedBatch, line: number, startMs: number): number {
    if (isMutant('sliding.late_in_closed')) return this.windowsOf(startMs);
    const firstMs = this.#firstWindowMs(startMs);
    const closed = Math.floor((admitted.clockBeforeMs[line]! - this.#deadlineMs(firstMs)) / this.#slideMs) + 1;
    const endMs = firstMs + (closed - 1) * this.#slideMs + this.#sizeMs;
    this.#fates.late(admitted, line, firstMs, endMs, true);
    return this.windowsOf(startMs) - closed;
  }

  beforeRollup(admitted: AdmittedBatch, line: number): void {
    this.#fates.beforeRollup(admitted, line);
  }

  insert(pane: PaneTable, admitted: AdmittedBatch, line: number, hash: number): number {
    const { batch } = admitted;
    const columns = this.#keyed.keys.map(({ column }) => batch.columns[column]!);
    const key = this.#totals.keyOf(batch, columns, line, hash);
    const isOther = this.#totals.isOther(key);
    const row = isOther ? pane.other() : pane.insert(batch, columns, line, hash);
    if (pane.key[row] === EMPTY) this.#totals.link(pane, row, key);
    if (isOther) this.#fates.other(admitted, line, pane.startMs);
    return row;
  }

  touch(pane: PaneTable, row: number): void {
    this.#totals.touch(pane, row);
  }

  // Windows of panes: starts are multiples of the slide.

  #firstWindowMs(paneMs: number): number {
    const firstMs = Math.ceil((paneMs + this.#paneMs - this.#sizeMs) / this.#slideMs) * this.#slideMs;
    // One zero.
    return Math.max(firstMs, this.#sinceMs) + 0;
  }

  #lastWindowMs(paneMs: number): number {
    return windowStart(paneMs, this.#slideMs, 0);
  }

  /** Start of the first window of a pane that has not ended. */
  #firstOpenMs(paneMs: number): number {
    const passedMs = this.#clockMs - this.#latenessMs - this.#sizeMs + 1;
    return Math.max(this.#firstWindowMs(paneMs), (Math.floor(passedMs / this.#slideMs) + 1) * this.#slideMs);
  }

  /** Start of the next window with a pane in it, Infinity without panes. */
  #nextStartMs(): number {
    let next = Infinity;
    for (const startMs of this.#panes.keys()) next = Math.min(next, this.#firstOpenMs(startMs));
    return next;
  }

  #deadlineMs(windowMs: number): number {
    return deadlineMs(windowMs + this.#sizeMs, this.#latenessMs);
  }

  #lastDeadlineMs(paneMs: number): number {
    return this.#deadlineMs(this.#lastWindowMs(paneMs));
  }

  #pane(startMs: number): PaneTable {
    let pane = this.#panes.get(startMs);
    if (pane === undefined) {
      pane = new PaneTable({
        startMs,
        endMs: startMs + this.#paneMs,
        keyKinds: this.#keyed.keys.map(({ kind }) => kind),
        initial: initialOf(this.#keyed),
        sketches: sketchesOf(this.#keyed),
        expectedRows: this.#expectedRows,
      });
      this.#panes.set(startMs, pane);
    }
    return pane;
  }

  #sketchBytes(): number {
    let bytes = 0;
    if (this.#totals.keys.sketches.length > 0)
      for (const { sketches } of this.#panes.values()) for (const { roomBytes } of sketches) bytes += roomBytes;
    return bytes;
  }

  #drop(startMs: number): void {
    const pane = this.#panes.get(startMs)!;
    this.#totals.leave(pane);
    this.#expectedRows = pane.size;
    this.#panes.delete(startMs);
  }

  #give(startMs: number, key: number): void {
    const { keys } = this.#totals;
    const fixed = [startMs, startMs + this.#sizeMs, 0, keys.lines[key]!, keys.sumA[key]!, keys.sumB[key]!];
    fixed.push(this.#totals.isOther(key) ? 1 : 0);
    this.#closed.add(keys, key, fixed);
    this.#final?.rows.add(keys, key, fixed);
  }

  #collectPane(collector: RowCollector, pane: PaneTable, row: number): void {
    const fixed: number[] = [];
    fixed[ROLLUP_AT.start] = pane.startMs;
    fixed[ROLLUP_AT.end] = pane.endMs;
    fixed[ROLLUP_AT.revision] = 0;
    fixed[ROLLUP_AT.lines] = pane.lines[row]!;
    fixed[ROLLUP_AT.sumA] = pane.sumA[row]!;
    fixed[ROLLUP_AT.sumB] = pane.sumB[row]!;
    fixed[ROLLUP_AT.isOther] = row === pane.otherRow ? 1 : 0;
    fixed[PANE_AT.firstWindow] = this.#firstWindowMs(pane.startMs);
    fixed[PANE_AT.closesAt] = this.#lastWindowMs(pane.startMs) + this.#sizeMs;
    collector.add(pane, row, fixed);
  }
}
