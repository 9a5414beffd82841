import type { AggregateDefinition } from '../../aggregates/aggregate.ts';
import type { KeyColumn, RollupRows } from '../../epoch/epoch.ts';
import { isFinal, windowStart } from '../../epoch/finality.ts';
import type { RollupSpec } from '../../epoch/pipeline.ts';
import { assert, present } from '../../lib/assert.ts';
import { type Batch, type FieldType, isStringType } from '../../record/batch.ts';
import { textOf } from '../../lib/text.ts';
import type { AdmittedBatch, Operator, OperatorOutput, OtherKey } from '../operator.ts';
import { RowCollector } from '../row-collector.ts';
import { type KeyCell, WindowTable, numberCell } from '../window-table.ts';
import { type Loop, type LoopHost, type LoopSpec, compileLoop } from './tumbling-source.ts';

export interface TumblingWindowOptions {
  readonly name: string;
  readonly spec: RollupSpec;
  /** Names and types of the batch's columns, in order. */
  readonly fields: readonly { readonly name: string; readonly type: FieldType }[];
  readonly aggregates: Readonly<Record<string, AggregateDefinition>>;
  /** Windows that start before are not this rollup's (it was added later); −Infinity for one that was there from the start. */
  readonly sinceMs: number;
}

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
  readonly rolledUp: BatchCounts = { lines: 0, a: 0, b: 0 };
  readonly #spec: RollupSpec;
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

  constructor({ name, spec, fields, aggregates, sinceMs }: TumblingWindowOptions) {
    const column = (field: string): number => {
      const index = fields.findIndex((candidate) => candidate.name === field);
      assert(index >= 0, `rollup ${name}: field ${field} is not projected`);
      return index;
    };
    this.name = name;
    this.#spec = spec;
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
    const { sizeMs } = spec.window;
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

  takeRows(isSnapshot: boolean): RollupRows | undefined {
    const collector = this.#closed;
    for (const table of this.#tables.values()) {
      if (isSnapshot) for (let row = 0; row < table.size; row++) collector.add(table, row);
      else for (let i = 0; i < table.changedCount; i++) collector.add(table, table.changed[i]!);
      table.clearChanged();
    }
    this.#closed = this.#collector();
    return collector.length === 0 ? undefined : collector.finish();
  }

  restore(rows: RollupRows): void {
    for (let i = 0; i < rows.length; i++) {
      const table = this.tableAt(rows.windowStartMs[i]!);
      const row = rows.isOther[i] === 1 ? table.other() : table.upsert(rows.keys.map((key) => restoredCell(key, i)));
      table.lines[row] = rows.lines[i]!;
      table.sumA[row] = rows.sumA[i]!;
      table.sumB[row] = rows.sumB[i]!;
      table.revision[row] = rows.revision[i]!;
      rows.accumulators.forEach((values, a) => (table.accumulators[a]![row] = values[i]!));
    }
  }

  // What the generated loop calls.

  startOf(eventTimeMs: number): number {
    return windowStart(eventTimeMs, this.#spec.window.sizeMs, this.#spec.window.offsetMs);
  }

  tableAt(startMs: number): WindowTable {
    let table = this.#tables.get(startMs);
    if (table === undefined) {
      const { window, rowsMax } = this.#spec;
      table = new WindowTable({
        startMs,
        endMs: startMs + window.sizeMs,
        keyKinds: this.#keys.map((key) => key.kind),
        initial: this.#initial,
        rowsMax,
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
      windowEndMs: startMs + this.#spec.window.sizeMs,
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

function restoredCell(key: KeyColumn, at: number): KeyCell {
  if (key.kind === 'number') return numberCell(key, at);
  return key.nulls[at] === 1 ? null : key.bytes.subarray(key.offsets[at], key.offsets[at + 1]);
}

function countLine(counts: BatchCounts, admitted: AdmittedBatch, line: number): void {
  counts.lines += 1;
  counts.a = (counts.a + admitted.hashA[line]!) >>> 0;
  counts.b = (counts.b + admitted.hashB[line]!) >>> 0;
}
