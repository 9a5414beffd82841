import type { AggregateDefinition } from './aggregate.ts';

/**
 * Sample standard deviation: `stddev_samp` of SQL. Number of values, their mean and the sum of squared distances from it, one value at a time
 * (Welford, "Note on a Method for Calculating Corrected Sums of Squares and Products", 1962) and merged by Chan, Golub, LeVeque, "Updating
 * Formulae and a Pairwise Algorithm for Computing Sample Variances" (1979): no difference of two large sums.
 */
export const stddev: AggregateDefinition = {
  name: 'stddev',
  summary: 'Sample standard deviation of a numeric field; NULL where fewer than two lines had a value.',
  argument: 'number',
  accumulators: () => ['_n', '_mean', '_squares'].map((suffix) => ({ suffix, initial: 0 })),
  sqlType: () => 'DOUBLE',
  updateSource: ([n, mean, squares], value) =>
    `if (${value} === ${value}) { const d = ${value} - ${mean}; ${mean} += d / ++${n}; ${squares} += d * (${value} - ${mean}); }`,
  add(acc, value) {
    if (Number.isNaN(value)) return;
    const distance = value - acc[1]!;
    acc[0]! += 1;
    acc[1]! += distance / acc[0]!;
    acc[2]! += distance * (value - acc[1]!);
  },
  merge(into, [n, mean, squares]) {
    const [ownN, ownMean] = into as [number, number];
    if (n === 0) return;
    const total = ownN + n!;
    const distance = mean! - ownMean;
    into[0] = total;
    // Of two that are empty or alike nothing may come but what they are.
    into[1] = ownN === 0 ? mean! : ownMean + (distance * n!) / total;
    into[2] = into[2]! + squares! + (ownN === 0 ? 0 : (distance * distance * ownN * n!) / total);
  },
  mergeSql([n, mean, squares], _type, partition) {
    const parts = `list({ 'n': ${n}, 'm': ${mean}, 's': ${squares} } ORDER BY ${partition}) FILTER (WHERE ${n} > 0)`;
    const join = `lambda ".a", ".b": { 'n': ".a".n + ".b".n, 'm': ".a".m + (".b".m - ".a".m) * ".b".n / (".a".n + ".b".n),
      's': ".a".s + ".b".s + (".b".m - ".a".m) * (".b".m - ".a".m) * ".a".n * ".b".n / (".a".n + ".b".n) }`;
    // Nothing reduces an empty list.
    const merged = `list_reduce(coalesce(${parts}, [{ 'n': 0::DOUBLE, 'm': 0::DOUBLE, 's': 0::DOUBLE }]), ${join})`;
    return ['n', 'm', 's'].map((lane) => `(${merged}).${lane}`);
  },
  resultSql: ([n, , squares]) => `CASE WHEN ${n} > 1 AND isfinite(${squares}) THEN sqrt(${squares} / (${n} - 1)) END`,
  result: ([n, , squares]) => (n! > 1 && Number.isFinite(squares) ? Math.sqrt(squares! / (n! - 1)) : null),
  hasOverflown: ([n, , squares]) => n! > 0 && !Number.isFinite(squares),
  overflowSql: ([n, , squares]) => `(${n} > 0 AND NOT isfinite(${squares}))`,
  examples: [
    { values: [2, null, 4, 6], result: 2 },
    { values: [3], result: null },
  ],
};
