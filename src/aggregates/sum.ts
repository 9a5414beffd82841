import { safe } from '../lib/exact-integer.ts';
import type { FieldType } from '../record/batch.ts';
import type { AggregateDefinition } from './aggregate.ts';

/**
 * Integer sums are kept in two lanes, `high` × 2^53 + `low`, both whole numbers within ±2^53: exact to 2^106, more than 2^43 lines of 64-bit
 * numbers can come to. A value that no `long` can hold (±Infinity) makes the sum unknown: `low` is that then, and NaN after one of either sign.
 */
const LANE = 2 ** 53;
const MAX = Number.MAX_SAFE_INTEGER;

/** Adds a whole number within ±(2^53 − 1). */
function addToLanes(acc: number[], value: number): void {
  const low = acc[0]! + value;
  if ((low <= MAX && low >= -MAX) || !Number.isFinite(low)) acc[0] = low;
  else {
    // Both have its sign, so one of them takes the step back without loss.
    const step = low > 0 ? 1 : -1;
    acc[2]! += step;
    acc[0] = acc[0]! - step * LANE + value;
  }
}

function addToLanesSource([low, , high]: readonly string[], value: string): string {
  return `{ const s = ${low} + ${value}; if (s <= ${MAX} && s >= -${MAX}) ${low} = s; else if (s - s !== 0) ${low} = s; else { const c = s > 0 ? 1 : -1; ${high} += c; ${low} = ${low} - c * ${LANE} + ${value}; } }`;
}

/** The text of adding `value` to a sum and a count of values: shared by `sum` and `avg`, whose state is the same. */
export function addToSumSource(
  acc: readonly string[],
  value: string,
  type: FieldType | undefined,
  rest?: string,
): string {
  const [sum, n, high] = acc;
  // Of what has no sign `rest` is NaN.
  const whole = rest === undefined ? value : `${value} + ${rest}`;
  if (type === 'double') return `if (${value} === ${value}) { ${sum} += ${whole}; ${n} += 1; }`;
  if (rest === undefined) return `if (${value} === ${value}) { ${n} += 1; ${addToLanesSource(acc, value)} }`;
  return `if (${value} === ${value}) { ${n} += 1;
    if (${value} - ${value} !== 0) ${sum} += ${whole};
    else { const steps = Math.trunc(${value} / ${LANE}), left = ${value} - steps * ${LANE}; ${high} += steps; ${addToLanesSource(acc, 'left')} ${addToLanesSource(acc, rest)} }
  }`;
}

export function addToSum(acc: number[], value: number, type: FieldType | undefined, rest = 0): void {
  if (Number.isNaN(value)) return;
  acc[1]! += 1;
  if (type === 'double' || !Number.isFinite(value)) acc[0]! += value + rest;
  else {
    const steps = Math.trunc(value / LANE);
    acc[2]! += steps;
    addToLanes(acc, value - steps * LANE);
    addToLanes(acc, rest);
  }
}

export function mergeSums(into: number[], other: readonly number[], type: FieldType | undefined): void {
  into[1]! += other[1]!;
  if (type === 'double') into[0]! += other[0]!;
  else {
    into[2]! += other[2]!;
    addToLanes(into, other[0]!);
  }
}

export function mergeSumsSql([sum, n, high]: readonly string[], type: FieldType | undefined): readonly string[] {
  if (type === 'double') return [`sum(${sum})`, `sum(${n})`];
  // Summed as integers, which are exact; what is beyond all numbers is none and must not be skipped.
  const total = `(sum(CAST(${high} AS HUGEINT)) * ${LANE} + sum(TRY_CAST(${sum} AS HUGEINT)))`;
  return [
    `CASE WHEN bool_or(NOT isfinite(${sum})) THEN 'NaN'::DOUBLE ELSE CAST(${total} % ${LANE} AS DOUBLE) END`,
    `sum(${n})`,
    `coalesce(CAST(${total} // ${LANE} AS DOUBLE), 0)`,
  ];
}

/** In doubles: rounded once. */
export function roundedSum([sum, , high]: readonly number[], type: FieldType | undefined): number {
  return type === 'double' ? sum! : high! * LANE + sum!;
}

export function roundedSumSql([sum, , high]: readonly string[], type: FieldType | undefined): string {
  return type === 'double' ? sum! : `(${high} * ${LANE}.0::DOUBLE + ${sum})`;
}

export function hasSumOverflown([sum, n]: readonly number[]): boolean {
  return n! > 0 && !Number.isFinite(sum);
}

export function sumOverflowSql([sum, n]: readonly string[]): string {
  return `(${n} > 0 AND NOT isfinite(${sum}))`;
}

export const SUM_STATE = (type: FieldType | undefined): readonly { suffix: string; initial: number }[] => [
  { suffix: '_sum', initial: 0 },
  { suffix: '_n', initial: 0 },
  ...(type === 'double' ? [] : [{ suffix: '_high', initial: 0 }]),
];

/** Sum of a numeric field. Integer sums are exact; what is beyond all numbers is NULL, and `overflow` is true. */
export const sum: AggregateDefinition = {
  name: 'sum',
  summary: 'Sum of a numeric field, of integers exact; NULL where no line had a value.',
  argument: 'number',
  combines: ['count', 'sum'],
  accumulators: SUM_STATE,
  sqlType: (type) => (type === 'double' ? 'DOUBLE' : 'HUGEINT'),
  updateSource: addToSumSource,
  add: addToSum,
  merge: mergeSums,
  mergeSql: mergeSumsSql,
  resultSql: ([total, n, high], type) =>
    type === 'double'
      ? `CASE WHEN ${n} > 0 AND isfinite(${total}) THEN ${total} END`
      : `CASE WHEN ${n} > 0 AND isfinite(${total}) THEN CAST(${high} AS HUGEINT) * ${LANE} + TRY_CAST(${total} AS HUGEINT) END`,
  result: ([total, n, high], _lines, type) => {
    if (!(n! > 0) || !Number.isFinite(total)) return null;
    return type === 'double' || high === 0 ? total! : safe(BigInt(high!) * BigInt(LANE) + BigInt(total!));
  },
  hasOverflown: hasSumOverflown,
  overflowSql: sumOverflowSql,
  examples: [
    { values: [1, null, 3], result: 4 },
    { values: [null], result: null },
  ],
};
