import { type ColumnData, type RowSchema, type RowSet, kindOf } from '../epoch/table.ts';
import { assert } from '../lib/assert.ts';
import { ByteWriter } from '../lib/bytes.ts';
import type { WindowTable } from './window-table.ts';

const CAPACITY_FIRST = 256;

type Numbers = Float64Array | Uint32Array | Uint8Array;
type Collected =
  | { readonly kind: 'number' | 'word' | 'flag'; values: Numbers; rest: Float64Array | undefined }
  | { readonly kind: 'string'; offsets: Uint32Array; nulls: Uint8Array; readonly bytes: ByteWriter };

/** Gathers rows out of window tables into the columns of an epoch: first `fixed` columns, then the keys, then the accumulators. */
export class RowCollector {
  readonly #table: string;
  readonly #columns: readonly Collected[];
  #capacity = CAPACITY_FIRST;
  length = 0;

  constructor({ table, columns }: Pick<RowSchema, 'table' | 'columns'>) {
    const capacity = this.#capacity;
    this.#table = table;
    this.#columns = columns.map(({ type }): Collected => {
      const kind = kindOf(type);
      if (kind !== 'string') return { kind, values: numbersOf(kind, capacity), rest: undefined };
      const bytes = new ByteWriter(capacity * 16);
      return { kind, offsets: new Uint32Array(capacity + 1), nulls: new Uint8Array(capacity), bytes };
    });
  }

  /** Bytes of the keys' text and of sketches. */
  get textBytes(): number {
    return this.#columns.reduce((sum, column) => sum + (column.kind === 'string' ? column.bytes.length : 0), 0);
  }

  /** Copies one row; `fixed` are the values of the columns before its keys. The table may have accumulators that no column is for. */
  add(table: WindowTable, row: number, fixed: readonly number[]): void {
    if (this.length === this.#capacity) this.#grow();
    const columns = this.#columns;
    const at = this.length++;
    let c = 0;
    for (const value of fixed) this.#setNumber(columns[c++]!, at, value);
    for (const key of table.keys) {
      const column = columns[c++]!;
      if (key.kind === 'number') {
        this.#setNumber(column, at, key.values[row]!, key.rest?.[row]);
        continue;
      }
      assert(column.kind === 'string', 'a text is in a column of texts');
      const text = table.text(key, row);
      if (text === undefined) column.nulls[at] = 1;
      else column.bytes.append(text);
      column.offsets[at + 1] = column.bytes.length;
    }
    for (let a = 0; c < columns.length && columns[c]!.kind !== 'string'; a++)
      this.#setNumber(columns[c++]!, at, table.accumulators[a]![row]!);
    for (let s = 0; c < columns.length; s++) {
      const column = columns[c++]!;
      assert(column.kind === 'string', 'sketches are behind the numbers');
      column.bytes.append(table.sketches[s]!.encode(row));
      column.offsets[at + 1] = column.bytes.length;
    }
  }

  #setNumber(column: Collected, at: number, value: number, rest = 0): void {
    assert(column.kind !== 'string', 'a number is in a column of numbers');
    column.values[at] = value;
    if (rest !== 0) (column.rest ??= new Float64Array(this.#capacity))[at] = rest;
  }

  /** The rows. The collector is not used after this. */
  finish(): RowSet {
    const n = this.length;
    const columns = this.#columns.map((column): ColumnData => {
      if (column.kind === 'string') {
        const { kind, offsets, bytes, nulls } = column;
        return { kind, offsets: offsets.subarray(0, n + 1), bytes: bytes.view(), nulls: nulls.subarray(0, n) };
      }
      const rest = column.rest === undefined ? {} : { rest: column.rest.subarray(0, n) };
      return { kind: column.kind, values: column.values.subarray(0, n), ...rest } as ColumnData;
    });
    return { table: this.#table, length: n, columns };
  }

  #grow(): void {
    const capacity = (this.#capacity *= 2);
    for (const column of this.#columns) {
      if (column.kind === 'string') {
        column.offsets = wider(column.offsets, new Uint32Array(capacity + 1));
        column.nulls = wider(column.nulls, new Uint8Array(capacity));
        continue;
      }
      column.values = wider(column.values, numbersOf(column.kind, capacity));
      if (column.rest !== undefined) column.rest = wider(column.rest, new Float64Array(capacity));
    }
  }
}

function numbersOf(kind: 'number' | 'word' | 'flag', length: number): Numbers {
  if (kind === 'number') return new Float64Array(length);
  return kind === 'word' ? new Uint32Array(length) : new Uint8Array(length);
}

function wider<T extends Numbers>(from: Numbers, to: T): T {
  to.set(from);
  return to;
}

/** Rows that became final, gathered until the table's readers take them. */
export class FinalRows {
  readonly #schema: Pick<RowSchema, 'table' | 'columns'>;
  #rows: RowCollector;

  constructor(schema: Pick<RowSchema, 'table' | 'columns'>) {
    this.#schema = schema;
    this.#rows = new RowCollector(schema);
  }

  /** Where they are gathered until the next `take`. */
  get rows(): RowCollector {
    return this.#rows;
  }

  take(): RowSet | undefined {
    if (this.#rows.length === 0) return undefined;
    const rows = this.#rows.finish();
    this.#rows = new RowCollector(this.#schema);
    return rows;
  }
}
