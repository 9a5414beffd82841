import { z } from 'zod';
import { isFinal, windowStart } from '../epoch/finality.ts';
import type { RollupSpec, WindowSpec } from '../epoch/pipeline.ts';
import type { ColumnData, RowSet } from '../epoch/table.ts';
import { assert, present } from '../lib/assert.ts';
import { textOf } from '../lib/text.ts';
import { duration, formatDuration } from '../lib/units.ts';
import { type Batch, isStringType } from '../record/batch.ts';
import type {
  AdmittedBatch,
  EpochDraft,
  Operator,
  OperatorContext,
  OperatorDefinition,
  OperatorOutput,
  OtherKey,
} from './operator.ts';
import { ROLLUP_AT, rollupSchema } from './rollup-schema.ts';
import { RowCollector } from './row-collector.ts';
import { type KeyCell, WindowTable, numberCell } from './window-table.ts';
import { type Loop, type LoopHost, type LoopSpec, compileLoop } from './tumbling-source.ts';

export type TumblingSpec = WindowSpec & { readonly sizeMs: number; readonly offsetMs: number };

/** Windows from a tenth of a second, so that a window holds more than its own bookkeeping, to a month. */
const WINDOW_RANGE = { min: '100ms', max: '31d' };

export const tumbling: OperatorDefinition<TumblingSpec> = {
  type: 'tumbling',
  summary: 'Windows of one size, side by side: [start, end).',
  options: z.strictObject({
    size: duration(WINDOW_RANGE).describe('Length of a window.'),
    offset: duration({ min: '0ms', max: WINDOW_RANGE.max })
      .prefault('0ms')
      .describe('Moves every window: an offset of 8h begins days of `1d` at 08:00 UTC. Less than `size`.'),
  }),
  resolve(options) {
    const { size, offset } = options as { readonly size: number; readonly offset: number };
    if (offset >= size) {
      const message = 'the offset of a window must be less than its size';
      return { problem: { option: 'offset', message } };
    }
    return { type: 'tumbling', sizeMs: size, offsetMs: offset };
  },
  tables: (name, spec, aggregates) => [rollupSchema(name, spec, aggregates)],
  sinceMs: ({ sizeMs, offsetMs }, eventTimeMsMax) => windowStart(eventTimeMsMax, sizeMs, offsetMs) + sizeMs,
  describe: ({ sizeMs }) => `windows of ${formatDuration(sizeMs)}`,
  create: (context) => new TumblingWindow(context),
};

interface BatchCounts {
  lines: number;
  a: number;
  b: number;
}

/**
 * Count, sum, min, max, avg by key over windows [start, end) of equal size that touch one another. A line belongs to one window; it is
 * late if that window is closed (epoch/finality.ts) by the watermark just before it, and then touches no row.
 */
export class TumblingWindow implements Operator, LoopHost {
  readonly name: string;
  readonly tables: readonly string[];
  readonly rolledUp: BatchCounts = { lines: 0, a: 0, b: 0 };
  readonly #spec: RollupSpec;
  readonly #window: TumblingSpec;
  readonly #loop: Loop;
  /** The loop for batches with whole numbers beyond 2^53, made for the first of them. */
  readonly #largeLoop: () => Loop;
  #compiledLarge: Loop | undefined;
  readonly #keys: LoopSpec['keys'];
  readonly #initial: readonly number[];
  readonly #tables = new Map<number, WindowTable>();
  /** Rows of windows that closed since the last checkpoint. */
  #closed: RowCollector;
  #late: BatchCounts = { lines: 0, a: 0, b: 0 };
  #before: BatchCounts = { lines: 0, a: 0, b: 0 };
  #otherLines = 0;
  #firstOther: OtherKey | undefined;
  /** Rows of the window that closed last: what the next table is made for. */
  #expectedRows = 0;
  #out: OperatorOutput | undefined;
  /** What a row takes in an epoch, about, but for the text of its key. */
  readonly #rowBytes: number;

  constructor({ name, spec, fields, aggregates, sinceMs }: OperatorContext) {
    const column = (field: string): number => {
      const index = fields.findIndex((candidate) => candidate.name === field);
      assert(index >= 0, `rollup ${name}: field ${field} is not projected`);
      return index;
    };
    this.name = name;
    this.tables = [name];
    this.#spec = spec;
    this.#window = spec.window as TumblingSpec;
    this.#keys = spec.by.map((key) => ({
      column: column(key.field),
      kind: isStringType(key.type) ? 'string' : 'number',
    }));
    const measures = spec.measures.map((measure) => ({
      aggregate: present(aggregates[measure.aggregate], `no aggregate ${measure.aggregate}`),
      fieldType: measure.fieldType,
      column: measure.field === undefined ? undefined : column(measure.field),
    }));
    this.#initial = measures.flatMap((m) =>
      m.aggregate.accumulators(m.fieldType).map((accumulator) => accumulator.initial),
    );
    const { sizeMs } = this.#window;
    const loop: LoopSpec = {
      sizeMs,
      allowedLatenessMs: spec.allowedLatenessMs,
      sinceMs,
      keys: this.#keys,
      measures,
    };
    this.#loop = compileLoop(loop);
    this.#largeLoop = () => (this.#compiledLarge ??= compileLoop(loop, true));
    this.#rowBytes = 40 + this.#keys.length * 8 + this.#initial.length * 8;
    this.#closed = this.#collector();
  }

  process(admitted: AdmittedBatch, out: OperatorOutput): void {
    this.#out = out;
    const loop = this.#hasLarge(admitted.batch) ? this.#largeLoop() : this.#loop;
    loop(this, admitted);
    this.#report(out, 'rolled_up', '', this.rolledUp);
    this.#report(out, 'late', '', this.#late);
    this.#report(out, 'filtered', 'before_rollup', this.#before);
    if (this.#firstOther !== undefined) out.others(this.name, this.#otherLines, this.#firstOther);
    this.#otherLines = 0;
    this.#firstOther = undefined;
    this.#out = undefined;
  }

  onWatermark(watermarkMs: number): boolean {
    let hasFired = false;
    for (const [startMs, table] of this.#tables) {
      if (!isFinal(table.endMs, this.#spec.allowedLatenessMs, watermarkMs)) continue;
      for (let i = 0; i < table.changedCount; i++) this.#closed.add(table, table.changed[i]!);
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
    for (const { changedCount, arenaLength, size } of this.#tables.values()) {
      if (changedCount > 0) bytes += changedCount * (this.#rowBytes + arenaLength / size);
    }
    return bytes;
  }

  take(isSnapshot: boolean, draft: EpochDraft): void {
    const collector = this.#closed;
    for (const table of this.#tables.values()) {
      if (isSnapshot) for (let row = 0; row < table.size; row++) collector.add(table, row);
      else for (let i = 0; i < table.changedCount; i++) collector.add(table, table.changed[i]!);
      table.clearChanged();
    }
    this.#closed = this.#collector();
    if (collector.length > 0) draft.upsert(collector.finish());
  }

  restore(upserts: readonly RowSet[]): void {
    for (const rows of upserts) this.#restore(rows);
  }

  #restore({ columns, length }: RowSet): void {
    const keys = columns.slice(ROLLUP_AT.keys, ROLLUP_AT.keys + this.#keys.length);
    const [start, , revision, lines, sumA, sumB, isOther] = columns.map(numbersIn);
    const accumulators = columns.slice(ROLLUP_AT.keys + this.#keys.length).map(numbersIn);
    for (let i = 0; i < length; i++) {
      const table = this.tableAt(start![i]!);
      const row = isOther![i] === 1 ? table.other() : table.upsert(keys.map((key) => restoredCell(key, i)));
      table.lines[row] = lines![i]!;
      table.sumA[row] = sumA![i]!;
      table.sumB[row] = sumB![i]!;
      table.revision[row] = revision![i]!;
      accumulators.forEach((values, a) => (table.accumulators[a]![row] = values![i]!));
    }
  }

  // What the generated loop calls.

  startOf(eventTimeMs: number): number {
    return windowStart(eventTimeMs, this.#window.sizeMs, this.#window.offsetMs);
  }

  tableAt(startMs: number): WindowTable {
    let table = this.#tables.get(startMs);
    if (table === undefined) {
      table = new WindowTable({
        startMs,
        endMs: startMs + this.#window.sizeMs,
        keyKinds: this.#keys.map((key) => key.kind),
        initial: this.#initial,
        rowsMax: this.#spec.rowsMax,
        expectedRows: this.#expectedRows,
      });
      this.#tables.set(startMs, table);
    }
    return table;
  }

  insert(table: WindowTable, { batch }: AdmittedBatch, line: number, hash: number): number {
    const columns = this.#keys.map((key) => batch.columns[key.column]!);
    const row = table.insert(batch, columns, line, hash);
    if (row === table.otherRow) {
      this.#otherLines++;
      this.#firstOther ??= {
        windowStartMs: table.startMs,
        key: this.#keyText(batch, line),
        rowsMax: this.#spec.rowsMax,
        isFull: !columns.some((column) => column.kind === 'number' && Math.abs(column.values[line]!) === Infinity),
      };
    }
    return row;
  }

  late(admitted: AdmittedBatch, line: number, startMs: number): void {
    const { batch } = admitted;
    countLine(this.#late, admitted, line);
    this.#out!.late({
      source: admitted.source,
      offset: batch.lineOffset[line]!,
      eventTimeMs: batch.eventTimeMs[line]!,
      rollup: this.name,
      windowStartMs: startMs,
      windowEndMs: startMs + this.#window.sizeMs,
      watermarkMs: admitted.watermarkBeforeMs[line]!,
      key: this.#keyText(batch, line),
    });
  }

  beforeRollup(admitted: AdmittedBatch, line: number): void {
    countLine(this.#before, admitted, line);
  }

  #hasLarge({ columns }: Batch): boolean {
    return columns.some((column) => column.kind === 'number' && column.rest !== undefined);
  }

  #keyText(batch: Batch, line: number): (string | null)[] {
    return this.#keys.map(({ column }) => {
      const cells = batch.columns[column]!;
      if (cells.kind === 'number') {
        const number = numberCell(cells, line);
        return Number.isNaN(number) ? null : String(number === 0 ? 0 : number);
      }
      const bytes = batch.stringBytes(cells, line);
      return bytes === undefined ? null : textOf(bytes);
    });
  }

  #report(out: OperatorOutput, fate: 'rolled_up' | 'late' | 'filtered', reason: string, counts: BatchCounts): void {
    if (counts.lines > 0) out.fate(this.name, fate, reason, counts.lines, counts.a, counts.b);
    counts.lines = counts.a = counts.b = 0;
  }

  #collector(): RowCollector {
    return new RowCollector(
      this.name,
      this.#keys.map((key) => key.kind),
      this.#initial.length,
    );
  }
}

function numbersIn(column: ColumnData): Float64Array | Uint32Array | Uint8Array | undefined {
  return column.kind === 'string' ? undefined : column.values;
}

function restoredCell(key: ColumnData, at: number): KeyCell {
  if (key.kind === 'number') return numberCell(key, at);
  assert(key.kind === 'string', 'keys are texts or numbers');
  return key.nulls[at] === 1 ? null : key.bytes.subarray(key.offsets[at], key.offsets[at + 1]);
}

function countLine(counts: BatchCounts, admitted: AdmittedBatch, line: number): void {
  counts.lines += 1;
  counts.a = (counts.a + admitted.hashA[line]!) >>> 0;
  counts.b = (counts.b + admitted.hashB[line]!) >>> 0;
}
