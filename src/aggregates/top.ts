import { isStringType } from '../record/batch.ts';
import { type AggregateDefinition, NO_NUMBERS } from './aggregate.ts';
import { FrequentRows, frequentColumns, mergedFrequentSql, mostFrequent } from './frequent.ts';

const TOP_MAX = 100;

/** The most frequent values of a field with their counts. */
export const top: AggregateDefinition = {
  ...NO_NUMBERS,
  name: 'top',
  summary:
    'The most frequent values of a field with their counts, as JSON. Exact up to 1,000 values a row; beyond that each is at least `count` and at most `count_max`. Of texts the first 256 bytes count. At most 300 KiB a row.',
  argument: 'any',
  sketch: {
    rows: (type) => new FrequentRows(isStringType(type)),
    result: (state, type, k) => mostFrequent(state, type, k!),
    valueType: () => 'keyword',
    isJson: true,
    sqlColumns: frequentColumns,
    mergedSql: (names, k) => mergedFrequentSql(names, k!),
    parameter: {
      default: 10,
      what: `a whole number up to ${TOP_MAX}, such as 10`,
      isValid: (k) => Number.isInteger(k) && k >= 1 && k <= TOP_MAX,
      examples: [10, 1, 3],
    },
  },
  examples: [
    { values: [1, null, 3, 1], result: '[{"value":1,"count":2},{"value":3,"count":1}]' },
    { values: [null], result: '[]' },
  ],
};
