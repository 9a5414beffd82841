import type { SketchResult } from '../aggregates/sketch.ts';
import {
  type ColumnData,
  type MeasureSpec,
  type RowSchema,
  type RowSet,
  bytesAt,
  columnIndex,
  numbersIn,
  numbersOf,
  stateColumn,
  textColumn,
} from '../epoch/table.ts';
import { type ColumnStep, MadeColumns, MadeFields, type WantedField, originIn } from '../expressions/made-columns.ts';
import { assert, present } from '../lib/assert.ts';
import { Batch, type NumberColumn, type StringColumn } from '../record/batch.ts';
import { lineHashSeeds } from '../record/source.ts';
import { OTHER_LENGTH, numberCell } from './key-cells.ts';
import { tableFields } from '../epoch/table-fields.ts';
import { rowHashes, rowOrder } from './row-identity.ts';
import type { Aggregates } from '../aggregates/aggregate.ts';

/**
 * Final rows of a table as a batch of lines: in the order of their ends, those that end together in the order of their identity (NULL first,
 * texts by their bytes). The event time of a row is its last millisecond; its id is the hash of the table's name and its identity.
 */
export class RowBatch {
  readonly batch: Batch;
  hashA: Uint32Array = new Uint32Array(0);
  hashB: Uint32Array = new Uint32Array(0);
  /** One of the rows is that of all keys without one of their own. */
  hasOthers = false;
  /** Rows on which an expression lost its value, by its column; whoever reads it empties it. */
  readonly lostValues = new Map<string, number>();
  readonly #schema: RowSchema;
  readonly #aggregates: Aggregates;
  readonly #closesBy: string;
  readonly #columns: MadeColumns;
  readonly #steps: readonly ColumnStep[];
  readonly #seeds: readonly [number, number];

  /** A field with an expression is made of those that the rows have. */
  constructor(schema: RowSchema, fields: readonly WantedField[], aggregates: Aggregates) {
    this.#schema = schema;
    this.#aggregates = aggregates;
    this.#closesBy = present(schema.closesBy, `rows of ${schema.table} end`);
    this.#seeds = lineHashSeeds(schema.table);
    const read = tableFields(schema, aggregates);
    const origins = new Map(Object.keys(read).map((name) => [name, name]));
    const made = new MadeFields();
    for (const { name, tree } of schema.derived ?? []) origins.set(name, made.add(tree, origins, name));
    const wanted = fields.map((field) => {
      const { name, expression } = field;
      return { ...field, origin: expression === undefined ? originIn(origins, name) : made.add(expression, origins) };
    });
    this.#columns = new MadeColumns(wanted, read, made);
    this.#steps = this.#columns.restSteps();
    this.batch = new Batch(this.#columns.types, 256);
  }

  load(rows: RowSet): void {
    const { batch } = this;
    const schema = this.#schema;
    const ends = numbersOf(schema, rows, this.#closesBy);
    const identity = schema.identity.map((name) => rows.columns[columnIndex(schema, name)]!);
    const order = rowOrder(ends, identity, rows.length);
    const isOther = numbersOf(schema, rows, 'is_other');
    this.hasOthers = isOther.includes(1);
    batch.reset(new Uint8Array(0), rows.length);
    batch.verdict.fill(0, 0, rows.length);
    order.forEach((row, i) => (batch.eventTimeMs[i] = ends[row]! - 1));
    for (const { place, field } of this.#columns.readPlaces) this.#fill(field.name, place, { rows, order, isOther });
    batch.length = rows.length;
    for (const step of this.#steps) {
      const lost = step.run(batch);
      if (lost > 0) this.lostValues.set(step.name, (this.lostValues.get(step.name) ?? 0) + lost);
    }
    [this.hashA, this.hashB] = rowHashes(this.#seeds, identity, order);
  }

  #fill(name: string, c: number, from: Ordered): void {
    const { keys, measures } = this.#schema;
    const column = this.batch.columns[c]!;
    const key = keys.find(({ field, as = field }) => as === name);
    const measure = measures.find((one) => one.name === name);
    if (measure !== undefined) {
      this.#fillMeasure(column, measure, from);
      return;
    }
    const cells = from.rows.columns[columnIndex(this.#schema, key?.column ?? name)]!;
    if (column.kind === 'string') this.#fillTexts(column, cells, from);
    else fillNumbers(column, cells, from, key !== undefined);
  }

  /** Texts go behind one another into the batch's bytes. */
  #fillTexts(column: StringColumn, cells: ColumnData, { order, isOther }: Ordered): void {
    assert(cells.kind === 'string', 'a text is in a column of texts');
    const { batch } = this;
    const begin = batch.bytes.length;
    const bytes = new Uint8Array(begin + cells.bytes.length);
    bytes.set(batch.bytes);
    bytes.set(cells.bytes, begin);
    batch.bytes = bytes;
    order.forEach((row, i) => {
      const start = cells.offsets[row]!;
      column.start[i] = begin + start;
      column.length[i] = cells.offsets[row + 1]! - start;
      if (cells.nulls[row] === 1) column.length[i] = isOther[row] === 1 ? OTHER_LENGTH : -1;
    });
  }

  /** What is beyond all numbers, or too large for a `long`, stays so: what is made of it is unknown, too. */
  #fillMeasure(column: NumberColumn | StringColumn, measure: MeasureSpec, from: Ordered): void {
    const { rows, order } = from;
    const { name, aggregate, fieldType, sketchOf = name } = measure;
    const definition = present(this.#aggregates[aggregate], `aggregate ${aggregate} is known`);
    if (definition.sketch !== undefined && fieldType !== undefined) {
      const { sketch } = definition;
      const states = rows.columns[columnIndex(this.#schema, stateColumn(sketchOf, '_sketch'))];
      const result = (row: number): SketchResult =>
        sketch.result(bytesAt(states, row) ?? new Uint8Array(0), fieldType, measure.parameter);
      if (column.kind === 'string') {
        this.#fillTexts(column, textColumn(Array.from({ length: rows.length }, (_, row) => result(row))), from);
      } else {
        order.forEach((row, i) => setNumber(column, i, (result(row) ?? Number.NaN) as number | bigint));
      }
      return;
    }
    assert(column.kind === 'number', `${name} is a number`);
    const state = definition
      .accumulators(fieldType)
      .map(({ suffix }) => numbersIn(rows.columns[columnIndex(this.#schema, stateColumn(measure.name, suffix))]!)!);
    const lines = numbersOf(this.#schema, rows, 'lines');
    const acc = state.map(() => 0);
    order.forEach((row, i) => {
      for (let a = 0; a < acc.length; a++) acc[a] = state[a]![row]!;
      const isBeyond = definition.hasOverflown?.(acc, fieldType) === true;
      if (!isBeyond) setNumber(column, i, definition.result(acc, lines[row]!, fieldType) ?? Number.NaN);
      else if (Math.abs(acc[0]!) === Infinity) setNumber(column, i, acc[0]!);
      // Of what lies beyond all numbers on both sides.
      else Batch.setUnknown(column, i);
    });
  }
}

interface Ordered {
  readonly rows: RowSet;
  readonly order: Uint32Array;
  readonly isOther: ArrayLike<number>;
}

function fillNumbers(column: NumberColumn, cells: ColumnData, { order, isOther }: Ordered, isKey: boolean): void {
  assert(cells.kind !== 'string', 'a number is in a column of numbers');
  order.forEach((row, i) => {
    const value = cells.kind === 'number' ? numberCell(cells, row) : cells.values[row]!;
    // No row of its own: as a number that is too large to tell which.
    setNumber(column, i, isKey && isOther[row] === 1 ? Infinity : value);
  });
}

function setNumber(column: NumberColumn, i: number, value: number | bigint): void {
  if (typeof value === 'number') column.values[i] = value;
  else if (BigInt.asIntN(64, value) === value) Batch.setLarge(column, i, value);
  else column.values[i] = value < 0n ? -Infinity : Infinity;
}
