import { exactInteger } from '../lib/exact-integer.ts';
import type { AggregateDefinition } from './aggregate.ts';

/**
 * `min` and `max`. The first accumulator is NaN until the first value: every comparison with NaN is false. Of a `long` the second holds what
 * the first, a double, lacks beyond 2^53. A value that no number can hold is ±Infinity: where it is the result, that is NULL and an overflow.
 */
export function extreme(
  name: 'min' | 'max',
  word: string,
  examples: AggregateDefinition['examples'],
): AggregateDefinition {
  const is = name === 'max' ? '>' : '<';
  // What stands for a value of which not even the sign is known: no other one is the result.
  const unknown = name === 'max' ? Infinity : -Infinity;
  const isBetter = (value: number, rest: number, [best, bestRest]: readonly number[]): boolean =>
    name === 'max'
      ? value > best! || (value === best && rest > bestRest!)
      : value < best! || (value === best && rest < bestRest!);
  return {
    name,
    summary: `The ${word} value of a numeric field; NULL where no line had a value.`,
    argument: 'number',
    combines: [name],
    accumulators: (type) => [
      { suffix: '', initial: Number.NaN },
      ...(type === 'double' ? [] : [{ suffix: '_rest', initial: 0 }]),
    ],
    sqlType: (type) => (type === 'double' ? 'DOUBLE' : 'BIGINT'),
    updateSource: ([best, bestRest], value, type, rest) => {
      const first = rest === undefined ? '' : `if (${rest} !== ${rest}) ${best} = ${unknown}; else `;
      if (type === 'double') return `${first}if (${value} ${is} ${best} || ${best} !== ${best}) ${best} = ${value};`;
      // Equal doubles: without a `rest` both are within 2^53, and so the same number.
      const isNearer = rest === undefined ? '' : ` || (${value} === ${best} && ${rest} ${is} ${bestRest})`;
      return `${first}if (${value} ${is} ${best} || ${best} !== ${best}${isNearer}) { ${best} = ${value}; ${bestRest} = ${rest ?? 0}; }`;
    },
    add(acc, value, type, rest = 0) {
      if (Number.isNaN(rest)) acc[0] = unknown;
      if (Number.isNaN(rest + value) || !(Number.isNaN(acc[0]!) || isBetter(value, rest, acc))) return;
      acc[0] = value;
      if (type !== 'double') acc[1] = rest;
    },
    merge(into, other, type) {
      this.add(into, other[0]!, type, other[1]);
    },
    // To DuckDB NaN is the largest number of all; here it means that there is none yet.
    mergeSql([best, rest], type) {
      const there = `FILTER (WHERE NOT isnan(${best}))`;
      const value = `coalesce(${name}(${best}) ${there}, 'NaN'::DOUBLE)`;
      return type === 'double' ? [value] : [value, `coalesce((${name}({ 'v': ${best}, 'r': ${rest} }) ${there}).r, 0)`];
    },
    resultSql: ([best, rest], type) =>
      type === 'double'
        ? `CASE WHEN isfinite(${best}) THEN ${best} END`
        : `CASE WHEN isfinite(${best}) THEN CAST(TRY_CAST(${best} AS HUGEINT) + CAST(${rest} AS HUGEINT) AS BIGINT) END`,
    result: ([best, rest], _lines, type) => {
      if (!Number.isFinite(best)) return null;
      return type === 'double' ? best! : exactInteger(best! + 0, rest!);
    },
    hasOverflown: ([best]) => Math.abs(best!) === Infinity,
    overflowSql: ([best]) => `isinf(${best})`,
    examples,
  };
}
