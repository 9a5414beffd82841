import type { RollupSpec } from '../epoch/pipeline.ts';
import { type ColumnType, type RowColumn, type RowSchema, columnTypeOf, stateColumn } from '../epoch/table.ts';
import { present } from '../lib/assert.ts';
import type { Aggregates } from '../aggregates/aggregate.ts';

/** Where the columns stand that every rollup has; its keys follow, then what its measures keep. */
export const ROLLUP_AT = { start: 0, end: 1, revision: 2, lines: 3, sumA: 4, sumB: 5, isOther: 6, keys: 7 } as const;

const ROLLUP_COLUMNS: readonly RowColumn[] = [
  { name: 'window_start', type: 'time', role: 'window', merge: 'same' },
  { name: 'window_end', type: 'time', role: 'window', merge: 'same' },
  { name: 'revision', type: 'word', role: 'info', merge: 'sum' },
  { name: 'lines', type: 'long', role: 'lines', merge: 'sum' },
  { name: 'sum_a', type: 'word', role: 'hash', merge: 'sum' },
  { name: 'sum_b', type: 'word', role: 'hash', merge: 'sum' },
  { name: 'is_other', type: 'flag', role: 'key', merge: 'same' },
];

/** What a kind of window adds to the table: columns behind the common ones, and what names a row beside its key. */
export interface WindowColumns {
  readonly columns: readonly RowColumn[];
  readonly identity: readonly string[];
}

const BY_WINDOW: WindowColumns = { columns: [], identity: ['window_start', 'window_end'] };

/** The table of a rollup; by default its rows are named by window and key. */
export function rollupSchema(
  table: string,
  spec: RollupSpec,
  aggregates: Aggregates,
  { columns, identity }: WindowColumns = BY_WINDOW,
): RowSchema {
  const keys = spec.by.map(({ column, type }): RowColumn => ({
    name: column,
    type: columnTypeOf(type),
    role: 'key',
    merge: 'same',
  }));
  const state = (name: string, suffix: string, type: ColumnType): RowColumn => ({
    name: stateColumn(name, suffix),
    type,
    role: 'state',
    merge: 'aggregate',
  });
  const numbers = spec.measures.flatMap(({ name, aggregate, fieldType }) =>
    present(aggregates[aggregate], `aggregate ${aggregate} is known`)
      .accumulators(fieldType)
      .map(({ suffix }) => state(name, suffix, 'double')),
  );
  const sketches = spec.measures
    .filter(({ aggregate, sketchOf }) => aggregates[aggregate]?.sketch !== undefined && sketchOf === undefined)
    .map(({ name }) => state(name, '_sketch', 'bytes'));
  return {
    table,
    stream: spec.from,
    columns: [...ROLLUP_COLUMNS, ...columns, ...keys, ...numbers, ...sketches],
    identity: [...identity, 'is_other', ...keys.map(({ name }) => name)],
    closesBy: 'window_end',
    allowedLatenessMs: spec.allowedLatenessMs,
    whenFinal: 'keep',
    isVisible: true,
    keys: spec.by,
    measures: spec.measures,
    ...(spec.derived === undefined ? {} : { derived: spec.derived }),
  };
}
