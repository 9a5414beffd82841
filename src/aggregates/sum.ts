import type { FieldType } from '../record/batch.ts';
import { type AggregateDefinition, SUM_MAX } from './aggregate.ts';

const OVERFLOW_TEXT = String(SUM_MAX);

/** Integer sums leave the exact range for good: the accumulator becomes NaN, and NaN plus anything stays NaN. */
function exact(sum: number, type: FieldType | undefined): number {
  return type !== 'double' && Math.abs(sum) > SUM_MAX ? Number.NaN : sum;
}

/** The text of adding `value` to a sum and a count of values: shared by `sum` and `avg`, whose state is the same. */
export function addToSumSource([sum, n]: readonly string[], value: string, type: FieldType | undefined): string {
  const guard = type === 'double' ? '' : ` if (${sum} > ${OVERFLOW_TEXT} || ${sum} < -${OVERFLOW_TEXT}) ${sum} = NaN;`;
  return `if (${value} === ${value}) { ${sum} += ${value}; ${n} += 1;${guard} }`;
}

export function addToSum(acc: number[], value: number, type: FieldType | undefined): void {
  if (Number.isNaN(value)) return;
  acc[0] = exact(acc[0]! + value, type);
  acc[1]! += 1;
}

export function mergeSums(into: number[], other: readonly number[], type: FieldType | undefined): void {
  into[0] = exact(into[0]! + other[0]!, type);
  into[1]! += other[1]!;
}

export function mergeSumsSql([sum, n]: readonly string[], type: FieldType | undefined): readonly string[] {
  if (type === 'double') return [`sum(${sum})`, `sum(${n})`];
  // Summed as integers, which are exact; NaN is none and must not be skipped.
  const total = `sum(TRY_CAST(${sum} AS BIGINT))`;
  return [
    `CASE WHEN bool_or(isnan(${sum})) OR abs(${total}) > ${SUM_MAX} THEN 'NaN'::DOUBLE ELSE CAST(${total} AS DOUBLE) END`,
    `sum(${n})`,
  ];
}

export function hasSumOverflown([sum]: readonly number[], type: FieldType | undefined): boolean {
  return type !== 'double' && Number.isNaN(sum);
}

export function sumOverflowSql([sum]: readonly string[], type: FieldType | undefined): string | undefined {
  return type === 'double' ? undefined : `isnan(${sum})`;
}

/** Sum of a numeric field. Integer sums are exact to 2^53 − 1; beyond it the value is NULL and `overflow` is true. */
export const sum: AggregateDefinition = {
  name: 'sum',
  summary: 'Sum of a numeric field; NULL where no line had a value.',
  argument: 'number',
  accumulators: () => [
    { suffix: '', initial: 0 },
    { suffix: '_n', initial: 0 },
  ],
  updateSource: addToSumSource,
  add: addToSum,
  merge: mergeSums,
  mergeSql: mergeSumsSql,
  resultSql: ([total, n], type) =>
    type === 'double'
      ? `CASE WHEN ${n} > 0 THEN ${total} END`
      : `CASE WHEN ${n} > 0 AND NOT isnan(${total}) THEN CAST(${total} AS BIGINT) END`,
  result: ([total, n]) => (n! > 0 && !Number.isNaN(total) ? total! : null),
  hasOverflown: hasSumOverflown,
  overflowSql: sumOverflowSql,
  examples: [
    { values: [1, null, 3], result: 4 },
    { values: [null], result: null },
  ],
};
