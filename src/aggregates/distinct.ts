import { type AggregateDefinition, NO_NUMBERS } from './aggregate.ts';
import { HYPERLOGLOG_COLUMNS, HyperLogLogRows, estimate, mergedEstimateSql } from './hyperloglog.ts';

/** Number of different values of a field. */
export const distinct: AggregateDefinition = {
  ...NO_NUMBERS,
  name: 'distinct',
  summary:
    'Number of different values of a field: up to 1,536 exact, beyond that within 2.4 % (three standard errors). At most 8 KiB a row.',
  argument: 'any',
  sketch: {
    rows: () => new HyperLogLogRows(),
    result: estimate,
    valueType: () => 'long',
    sqlColumns: () => HYPERLOGLOG_COLUMNS,
    mergedSql: mergedEstimateSql,
  },
  examples: [
    { values: [1, null, 3, 1], result: 2 },
    { values: [null], result: 0 },
  ],
};
