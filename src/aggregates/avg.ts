import type { AggregateDefinition } from './aggregate.ts';
import {
  SUM_STATE,
  addToSum,
  addToSumSource,
  hasSumOverflown,
  mergeSums,
  mergeSumsSql,
  roundedSum,
  roundedSumSql,
  sumOverflowSql,
} from './sum.ts';

/** Arithmetic mean of a numeric field: kept as sum and count, so that it merges. */
export const avg: AggregateDefinition = {
  name: 'avg',
  summary: 'Arithmetic mean of a numeric field; NULL where no line had a value.',
  argument: 'number',
  accumulators: SUM_STATE,
  sqlType: () => 'DOUBLE',
  updateSource: addToSumSource,
  add: addToSum,
  merge: mergeSums,
  mergeSql: mergeSumsSql,
  resultSql: (columns, type) =>
    `CASE WHEN ${columns[1]} > 0 AND isfinite(${columns[0]}) THEN ${roundedSumSql(columns, type)} / ${columns[1]} END`,
  result: (acc, _lines, type) => (acc[1]! > 0 && Number.isFinite(acc[0]) ? roundedSum(acc, type) / acc[1]! : null),
  hasOverflown: hasSumOverflown,
  overflowSql: sumOverflowSql,
  examples: [
    { values: [1, null, 4], result: 2.5 },
    { values: [null], result: null },
  ],
};
