import type { AggregateDefinition } from './aggregate.ts';
import { addToSum, addToSumSource, hasSumOverflown, mergeSums, mergeSumsSql, sumOverflowSql } from './sum.ts';

/** Arithmetic mean of a numeric field: kept as sum and count, so that it merges. */
export const avg: AggregateDefinition = {
  name: 'avg',
  summary: 'Arithmetic mean of a numeric field; NULL where no line had a value.',
  argument: 'number',
  accumulators: () => [
    { suffix: '_sum', initial: 0 },
    { suffix: '_n', initial: 0 },
  ],
  updateSource: addToSumSource,
  add: addToSum,
  merge: mergeSums,
  mergeSql: mergeSumsSql,
  resultSql: ([total, n]) => `CASE WHEN ${n} > 0 AND NOT isnan(${total}) THEN ${total} / ${n} END`,
  result: ([total, n]) => (n! > 0 && !Number.isNaN(total) ? total! / n! : null),
  hasOverflown: hasSumOverflown,
  overflowSql: sumOverflowSql,
  examples: [
    { values: [1, null, 4], result: 2.5 },
    { values: [null], result: null },
  ],
};
