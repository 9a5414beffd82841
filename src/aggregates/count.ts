import type { AggregateDefinition } from './aggregate.ts';

/** `count` counts lines, `count(field)` those where the field is not NULL. */
export const count: AggregateDefinition = {
  name: 'count',
  summary: 'Number of lines; with a field, number of lines where it is not NULL.',
  argument: 'optional',
  accumulators: (type) => (type === undefined ? [] : [{ suffix: '', initial: 0 }]),
  sqlType: () => 'BIGINT',
  updateSource: ([n], value) => (n === undefined ? '' : `if (${value} === ${value}) ${n} += 1;`),
  add(acc, value, type) {
    if (type !== undefined && !Number.isNaN(value)) acc[0]! += 1;
  },
  merge(into, other, type) {
    if (type !== undefined) into[0]! += other[0]!;
  },
  mergeSql: (columns) => columns.map((n) => `sum(${n})`),
  resultSql: ([n]) => `CAST(${n ?? 'lines'} AS BIGINT)`,
  result: ([n], lines) => n ?? lines,
  examples: [{ values: [1, null, 3], result: 2 }],
};
