// Rows of a rollup's table by the names of their columns, for tests that look at one of them.
import type { ColumnData, RowSet } from '../../src/epoch/table.ts';

export interface RollupRows {
  readonly table: string;
  readonly length: number;
  readonly windowStartMs: Float64Array;
  readonly windowEndMs: Float64Array;
  readonly revision: Uint32Array;
  readonly lines: Float64Array;
  readonly sumA: Uint32Array;
  readonly sumB: Uint32Array;
  readonly isOther: Uint8Array;
  readonly keys: readonly ColumnData[];
  readonly accumulators: readonly Float64Array[];
}

/** `keys` of the columns behind those that every rollup has are its keys. */
export function rollupRows({ table, length, columns }: RowSet, keys: number): RollupRows {
  const [windowStartMs, windowEndMs, revision, lines, sumA, sumB, isOther, ...more] = columns;
  const values = (column: ColumnData | undefined): any => (column as Exclude<ColumnData, { kind: 'string' }>).values;
  return {
    table,
    length,
    windowStartMs: values(windowStartMs),
    windowEndMs: values(windowEndMs),
    revision: values(revision),
    lines: values(lines),
    sumA: values(sumA),
    sumB: values(sumB),
    isOther: values(isOther),
    keys: more.slice(0, keys),
    accumulators: more.slice(keys).map(values),
  };
}

export function rowSetOf(rows: RollupRows): RowSet {
  const { table, length, windowStartMs, windowEndMs, revision, lines, sumA, sumB, isOther, keys, accumulators } = rows;
  const number = (values: Float64Array): ColumnData => ({ kind: 'number', values });
  const word = (values: Uint32Array): ColumnData => ({ kind: 'word', values });
  const [begin, sums] = [
    [number(windowStartMs), number(windowEndMs), word(revision), number(lines)],
    [word(sumA), word(sumB), { kind: 'flag', values: isOther } as const],
  ];
  return { table, length, columns: [...begin, ...sums, ...keys, ...accumulators.map(number)] };
}
