import { assert } from '../lib/assert.ts';
import { exactInteger } from '../lib/exact-integer.ts';
import { textOf } from '../lib/text.ts';
import { Batch, type Column } from '../record/batch.ts';
import { interpreter } from './interpret.ts';
import { type Tree, type Value, type ValueType, fieldsOf } from './tree.ts';

/** An expression at work: fills a column of a batch, for the lines whose verdict is 0. */
export interface ColumnProgram {
  /** `into` may be one of the batch's columns. Of lines with another verdict it says nothing. Gives the lines on which a value was lost. */
  run(batch: Batch, into: Column): number;
}

/** The value of a cell, of a field of that type. A number beyond its type is NULL: nobody knows what it was. */
export function cellAt(batch: Batch, column: Column, row: number, type: ValueType): Value {
  if (column.kind === 'string') {
    const bytes = batch.stringBytes(column, row);
    return bytes === undefined ? null : textOf(bytes);
  }
  const value = column.values[row]!;
  if (!Number.isFinite(value)) return null;
  if (type === 'boolean') return value !== 0;
  if (type === 'long') return BigInt(exactInteger(value, column.rest?.[row] ?? 0));
  return type === 'time' ? Math.floor(value) : value;
}

/** False where a text has no room in the batch: it is NULL then. */
export function setCell(batch: Batch, column: Column, row: number, value: Value): boolean {
  if (column.kind === 'string') {
    assert(value === null || typeof value === 'string', 'a text is in a column of texts');
    const bytes = value === null ? undefined : Buffer.from(value);
    const isStored = bytes === undefined || batch.hasRoom(bytes.length);
    const stored = isStored ? bytes : undefined;
    column.length[row] = stored?.length ?? -1;
    column.start[row] = stored === undefined ? 0 : -1 - batch.appendScratch(stored);
    return isStored;
  }
  assert(typeof value !== 'string', 'a number is in a column of numbers');
  if (typeof value === 'bigint' && !Number.isSafeInteger(Number(value))) Batch.setLarge(column, row, value);
  else {
    column.values[row] = value === null ? Number.NaN : Number(value);
    if (column.rest !== undefined) column.rest[row] = 0;
  }
  return true;
}

/** Evaluates one line of a batch into a column, node by node; gives whether a value was lost. */
export type LineStep = (batch: Batch, into: Column, row: number) => boolean;

/** The plain meaning of an expression. `columnOf` knows the fields of the tree. */
export function interpretedLine(tree: Tree, columnOf: (field: string) => number): LineStep {
  let isLost = false;
  const lost = (): null => {
    isLost = true;
    return null;
  };
  const interpret = interpreter(tree, { lost });
  const fields = new Map(fieldsOf(tree).map(({ name, type }) => [name, { column: columnOf(name), type }]));
  return (batch, into, row) => {
    isLost = false;
    const value = interpret((name) => {
      const { column, type } = fields.get(name)!;
      return cellAt(batch, batch.columns[column]!, row, type);
    });
    const isStored = setCell(batch, into, row, value);
    return isLost || !isStored;
  };
}

/** Evaluates line by line: what compiled columns (compile.ts) are held against. */
export function interpretedColumn(tree: Tree, columnOf: (field: string) => number): ColumnProgram {
  const line = interpretedLine(tree, columnOf);
  return {
    run(batch, into) {
      let lines = 0;
      for (let row = 0; row < batch.length; row++) if (batch.verdict[row] === 0 && line(batch, into, row)) lines++;
      return lines;
    },
  };
}
