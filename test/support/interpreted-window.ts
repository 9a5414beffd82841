import type { AggregateDefinition } from '../../src/aggregates/aggregate.ts';
import type {
  AdmittedBatch,
  EpochDraft,
  Operator,
  OperatorContext,
  OperatorOutput,
  OtherKey,
} from '../../src/operators/operator.ts';
import type { ColumnData, RowSet } from '../../src/epoch/table.ts';
import type { TumblingSpec } from '../../src/operators/tumbling-window.ts';
import { nameOfTree } from '../../src/expressions/made-columns.ts';
import { type Batch, type FieldType, isStringType } from '../../src/record/batch.ts';
import { type LineSum, addSum, emptySum } from '../../src/record/line-id.ts';
import { textOf } from '../../src/lib/text.ts';
import { rollupRows, rowSetOf } from './rollup-rows.ts';

type Key = readonly (string | number | null)[];

interface Row {
  readonly startMs: number;
  /** Null for the row of all keys that have none of their own. */
  readonly key: Key | null;
  readonly sum: LineSum;
  revision: number;
  isChanged: boolean;
  readonly accumulators: number[][];
}

/**
 * A tumbling-window rollup in plain code: a Map of rows, the aggregates' `add`, one line after the other, and the rules as
 * they are written down. The oracle of the generated loop; it shares nothing with it but the aggregates and the escaping of text.
 */
export class InterpretedWindow implements Operator {
  readonly name: string;
  readonly tables: readonly string[];
  readonly #options: OperatorContext;
  readonly #rows = new Map<string, Row>();
  #closed: Row[] = [];

  constructor(options: OperatorContext) {
    this.name = options.name;
    this.tables = [options.name];
    this.#options = options;
  }

  process(admitted: AdmittedBatch, out: OperatorOutput): void {
    const { spec, sinceMs } = this.#options;
    const sums = { rolled_up: emptySum(), late: emptySum(), filtered: emptySum(), where: emptySum() };
    const others: OtherKey[] = [];
    const { batch, hashA, hashB, watermarkBeforeMs } = admitted;
    for (let line = 0; line < batch.length; line++) {
      if (batch.verdict[line] !== 0) continue;
      const sum = { lines: 1, a: hashA[line]!, b: hashB[line]! };
      if (!this.#isTaken(batch, line)) {
        addSum(sums.where, sum);
        continue;
      }
      const startMs = this.#startOf(batch.eventTimeMs[line]!);
      const lastMs = startMs + (spec.window as TumblingSpec).sizeMs - 1;
      const isLate = lastMs + spec.allowedLatenessMs <= watermarkBeforeMs[line]!;
      const fate = startMs < sinceMs ? 'filtered' : isLate ? 'late' : 'rolled_up';
      addSum(sums[fate], sum);
      if (fate === 'late') this.#late(admitted, line, startMs, out);
      if (fate !== 'rolled_up') continue;
      const isRevision = lastMs <= watermarkBeforeMs[line]!;
      if (this.#take(admitted, line, startMs, sum, isRevision).key !== null) continue;
      const key = this.#keyOf(batch, line);
      const isFull = !key.some((cell) => cell === Infinity || cell === -Infinity);
      others.push({ windowStartMs: startMs, key: this.#keyText(batch, line), rowsMax: spec.rowsMax, isFull });
    }
    for (const fate of ['rolled_up', 'late', 'where', 'filtered'] as const) {
      const { lines, a, b } = sums[fate];
      if (lines > 0 && fate === 'where') out.fate(this.name, 'filtered', 'where', lines, a, b);
      if (fate === 'where') continue;
      if (lines > 0) out.fate(this.name, fate, fate === 'filtered' ? 'before_rollup' : '', lines, a, b);
      if (lines > 0 && fate === 'rolled_up') out.fate(this.name, 'placed', '', lines, a, b);
    }
    if (others.length > 0) out.others(this.name, others.length, others[0]!);
  }

  #isTaken(batch: Batch, line: number): boolean {
    const { spec, fields } = this.#options;
    if (spec.where === undefined) return true;
    const column = batch.columns[fields.findIndex(({ name }) => name === nameOfTree(spec.where!.tree))]!;
    return column.kind === 'number' && column.values[line] === 1;
  }

  onWatermark(watermarkMs: number): boolean {
    const due = [...this.#rows].filter(([, row]) => this.#timerOf(row) <= watermarkMs);
    for (const [id, row] of due) {
      this.#rows.delete(id);
      if (row.isChanged) this.#closed.push(row);
    }
    return due.length > 0;
  }

  lastTimerMs(): number {
    return Math.max(-Infinity, ...[...this.#rows.values()].map((row) => this.#timerOf(row)));
  }

  changedBytes(): number {
    return this.#closed.length + [...this.#rows.values()].filter((row) => row.isChanged).length;
  }

  take(isSnapshot: boolean, draft: EpochDraft): void {
    const open = [...this.#rows.values()].filter((row) => isSnapshot || row.isChanged);
    const rows = [...this.#closed, ...open];
    this.#closed = [];
    for (const row of open) row.isChanged = false;
    if (rows.length > 0) draft.upsert(this.#columns(rows));
  }

  restore(upserts: readonly RowSet[]): void {
    for (const rows of upserts) this.#restore(rows);
  }

  #restore(set: RowSet): void {
    const rows = rollupRows(set, this.#options.spec.by.length);
    for (let i = 0; i < rows.length; i++) {
      const key = rows.keys.map((column) => cellOf(column, i));
      const row = this.#rowOf(rows.windowStartMs[i]!, rows.isOther[i] === 1 ? null : key);
      Object.assign(row.sum, { lines: rows.lines[i]!, a: rows.sumA[i]!, b: rows.sumB[i]! });
      row.revision = rows.revision[i]!;
      let next = 0;
      for (const acc of row.accumulators) for (let a = 0; a < acc.length; a++) acc[a] = rows.accumulators[next++]![i]!;
    }
  }

  #take({ batch }: AdmittedBatch, line: number, startMs: number, sum: LineSum, isRevision: boolean): Row {
    const row = this.#rowOrOther(startMs, this.#keyOf(batch, line));
    addSum(row.sum, sum);
    row.isChanged = true;
    if (isRevision) row.revision += 1;
    for (const [m, measure] of this.#options.spec.measures.entries()) {
      if (measure.field === undefined) continue;
      const cell = this.#cell(batch, measure.field, line);
      const value = cell === null ? Number.NaN : typeof cell === 'string' ? 1 : cell;
      const rest = typeof value === 'bigint' ? Number(value - BigInt(Number(value))) : 0;
      this.#aggregate(measure.aggregate).add(row.accumulators[m]!, Number(value), measure.fieldType, rest);
    }
    return row;
  }

  #late({ batch, source, watermarkBeforeMs }: AdmittedBatch, line: number, startMs: number, out: OperatorOutput): void {
    out.late({
      source,
      offset: batch.lineOffset[line]!,
      eventTimeMs: batch.eventTimeMs[line]!,
      rollup: this.name,
      windowStartMs: startMs,
      windowEndMs: startMs + (this.#options.spec.window as TumblingSpec).sizeMs,
      watermarkMs: watermarkBeforeMs[line]!,
      key: this.#keyText(batch, line),
    });
  }

  /** The row of a key that has one, or may have one. */
  #rowOrOther(startMs: number, key: Key): Row {
    if (key.some((cell) => Math.abs(Number(cell)) === Infinity && typeof cell === 'number'))
      return this.#rowOf(startMs, null);
    const isThere = this.#rows.has(JSON.stringify([startMs, key]));
    return this.#rowOf(startMs, isThere || this.#keysOf(startMs) < this.#options.spec.rowsMax ? key : null);
  }

  #keysOf(startMs: number): number {
    let keys = 0;
    for (const row of this.#rows.values()) if (row.startMs === startMs && row.key !== null) keys++;
    return keys;
  }

  #rowOf(startMs: number, key: Key | null): Row {
    const id = JSON.stringify([startMs, key]);
    let row = this.#rows.get(id);
    if (row === undefined) {
      const accumulators = this.#options.spec.measures.map((measure) =>
        this.#aggregate(measure.aggregate)
          .accumulators(measure.fieldType)
          .map(({ initial }) => initial),
      );
      row = { startMs, key, sum: emptySum(), revision: 0, isChanged: false, accumulators };
      this.#rows.set(id, row);
    }
    return row;
  }

  #keyText(batch: AdmittedBatch['batch'], line: number): (string | null)[] {
    return this.#keyOf(batch, line).map((cell) => (cell === null ? null : String(cell)));
  }

  #keyOf(batch: AdmittedBatch['batch'], line: number): Key {
    return this.#options.spec.by.map(({ field }) => {
      const cell = this.#cell(batch, field, line);
      return typeof cell === 'bigint' ? String(cell) : cell;
    });
  }

  #cell(batch: AdmittedBatch['batch'], field: string, line: number): string | number | bigint | null {
    const column = batch.columns[this.#options.fields.findIndex(({ name }) => name === field)]!;
    if (column.kind === 'number') return numberAt(column, line);
    const bytes = batch.stringBytes(column, line);
    return bytes === undefined ? null : textOf(bytes);
  }

  /** Counted down from the event time by hand, so that the arithmetic of negative times is not taken from what it tests. */
  #startOf(eventTimeMs: number): number {
    const { sizeMs, offsetMs } = this.#options.spec.window as TumblingSpec;
    return offsetMs + Math.floor((eventTimeMs - offsetMs) / sizeMs) * sizeMs;
  }

  #timerOf(row: Row): number {
    const { window, allowedLatenessMs } = this.#options.spec;
    return row.startMs + (window as TumblingSpec).sizeMs - 1 + allowedLatenessMs;
  }

  #aggregate(name: string): AggregateDefinition {
    return this.#options.aggregates[name]!;
  }

  #columns(rows: readonly Row[]): RowSet {
    const { spec } = this.#options;
    const accumulators = rows.map((row) => row.accumulators.flat());
    return rowSetOf({
      table: this.name,
      length: rows.length,
      windowStartMs: Float64Array.from(rows, (row) => row.startMs),
      windowEndMs: Float64Array.from(rows, (row) => row.startMs + (spec.window as TumblingSpec).sizeMs),
      lines: Float64Array.from(rows, (row) => row.sum.lines),
      revision: Uint32Array.from(rows, (row) => row.revision),
      sumA: Uint32Array.from(rows, (row) => row.sum.a),
      sumB: Uint32Array.from(rows, (row) => row.sum.b),
      isOther: Uint8Array.from(rows, (row) => (row.key === null ? 1 : 0)),
      keys: spec.by.map(({ type }, k) =>
        keyColumn(
          rows.map((row) => row.key?.[k] ?? null),
          type,
        ),
      ),
      accumulators: (accumulators[0] ?? []).map((_, a) => Float64Array.from(accumulators, (values) => values[a]!)),
    });
  }
}

/** A number of a column: NULL as null, without negative zero, beyond 2^53 exact. */
function numberAt(
  { values, rest }: { values: Float64Array; rest?: Float64Array | undefined },
  at: number,
): number | bigint | null {
  const value = values[at]!;
  if (Number.isNaN(value)) return null;
  return Math.abs(value) < 2 ** 53 || !Number.isInteger(value) ? value + 0 : BigInt(value) + BigInt(rest?.[at] ?? 0);
}

/** A cell of a key column: NULL as null, numbers without negative zero, beyond 2^53 their digits, text as a string. */
export function cellOf(column: ColumnData, row: number): string | number | null {
  if (column.kind === 'number') {
    const number = numberAt(column, row);
    return typeof number === 'bigint' ? String(number) : number;
  }
  if (column.kind !== 'string') return column.values[row]!;
  return column.nulls[row] === 1 ? null : textOf(column.bytes.subarray(column.offsets[row], column.offsets[row + 1]));
}

function keyColumn(cells: readonly (string | number | null)[], type: FieldType): ColumnData {
  if (!isStringType(type))
    return {
      kind: 'number',
      values: Float64Array.from(cells, (cell) => Number(cell ?? Number.NaN)),
      ...(cells.some((cell) => typeof cell === 'string')
        ? {
            rest: Float64Array.from(cells, (cell) =>
              typeof cell === 'string' ? Number(BigInt(cell) - BigInt(Number(cell))) : 0,
            ),
          }
        : {}),
    };
  const texts = cells.map((cell) => Buffer.from((cell ?? '') as string));
  const offsets = new Uint32Array(cells.length + 1);
  for (const [i, text] of texts.entries()) offsets[i + 1] = offsets[i]! + text.length;
  return {
    kind: 'string',
    offsets,
    bytes: new Uint8Array(Buffer.concat(texts)),
    nulls: Uint8Array.from(cells, (cell) => (cell === null ? 1 : 0)),
  };
}
