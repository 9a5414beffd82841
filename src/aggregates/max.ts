import type { AggregateDefinition } from './aggregate.ts';

/** The largest value of a numeric field. The accumulator is NaN until the first value: every comparison with NaN is false. */
export const max: AggregateDefinition = {
  name: 'max',
  summary: 'The largest value of a numeric field; NULL where no line had a value.',
  argument: 'number',
  accumulators: () => [{ suffix: '', initial: Number.NaN }],
  updateSource: ([best], value) => `if (${value} > ${best} || ${best} !== ${best}) ${best} = ${value};`,
  add(acc, value) {
    if (value > acc[0]! || Number.isNaN(acc[0]!)) acc[0] = value;
  },
  merge(into, other) {
    if (other[0]! > into[0]! || Number.isNaN(into[0]!)) into[0] = other[0]!;
  },
  // To DuckDB NaN is the largest number of all; here it is no number yet.
  mergeSql: ([best]) => [`coalesce(max(${best}) FILTER (WHERE NOT isnan(${best})), 'NaN'::DOUBLE)`],
  resultSql: ([best], type) =>
    type === 'double'
      ? `CASE WHEN NOT isnan(${best}) THEN ${best} END`
      : `CASE WHEN NOT isnan(${best}) THEN CAST(${best} AS BIGINT) END`,
  result: ([best]) => (Number.isNaN(best) ? null : best!),
  examples: [
    { values: [4, null, 1], result: 4 },
    { values: [null], result: null },
  ],
};
