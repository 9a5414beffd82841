import { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { AggregateDefinition } from '../../src/aggregates/aggregate.ts';
import { COMPONENTS } from '../../src/components.ts';
import { exactInteger, restOf } from '../../src/lib/exact-integer.ts';
import type { FieldType } from '../../src/record/batch.ts';

const SUM_MAX = Number.MAX_SAFE_INTEGER;
/** A value as a batch may have it: beyond 2^53 exact, ±Infinity where it is too large for its type. */
type Value = number | bigint | null;

let instance: DuckDBInstance;
let connection: DuckDBConnection;

beforeAll(async () => {
  instance = await DuckDBInstance.create(':memory:');
  connection = await instance.connect();
});

afterAll(() => {
  connection.closeSync();
  instance.closeSync();
});

function initial(aggregate: AggregateDefinition, type: FieldType): number[] {
  return aggregate.accumulators(type).map((accumulator) => accumulator.initial);
}

function added(aggregate: AggregateDefinition, values: readonly Value[], type: FieldType): number[] {
  const acc = initial(aggregate, type);
  for (const value of values) aggregate.add(acc, Number(value ?? Number.NaN), type, lacks(value));
  return acc;
}

function lacks(value: Value): number {
  return typeof value === 'bigint' ? restOf(value) : 0;
}

/** The same by the text that is generated into the hot loop: with a second lane, or without it where no value needs one. */
function generated(aggregate: AggregateDefinition, values: readonly Value[], type: FieldType): number[] {
  const names = initial(aggregate, type).map((_, i) => `acc[${i}]`);
  const hasLarge = values.some((value) => typeof value === 'bigint');
  const text = aggregate.updateSource(names, 'v', type, ...(hasLarge ? ['r'] : []));
  // oxlint-disable-next-line typescript/no-implied-eval -- the text under test, made of numbers and these names
  const update = new Function('acc', 'v', 'r', text) as (acc: number[], v: number, r: number) => void;
  const acc = initial(aggregate, type);
  for (const value of values) update(acc, Number(value ?? Number.NaN), lacks(value));
  return acc;
}

/** What a user sees: the value, and whether it is said to have overflowed. */
async function shown(aggregate: AggregateDefinition, acc: readonly number[], type: FieldType): Promise<unknown[]> {
  const columns = acc.map((_, i) => `a${i}`);
  const values = acc.map((value, i) => `'${value}'::DOUBLE AS a${i}`);
  const overflow = aggregate.overflowSql?.(columns, type) ?? 'false';
  const from = `(SELECT 7::BIGINT AS lines${values.map((value) => `, ${value}`).join('')})`;
  const reader = await connection.runAndReadAll(
    `SELECT ${aggregate.resultSql(columns, type)}, ${overflow} FROM ${from}`,
  );
  const cells = reader.getRows()[0]!.map(asExact);
  // What documents and events say is what tables say.
  expect([aggregate.result(acc, 7, type), aggregate.hasOverflown?.(acc, type) ?? false]).toEqual(cells);
  return cells;
}

/** The same of what SQL merges. */
async function shownMerged(
  aggregate: AggregateDefinition,
  parts: readonly (readonly number[])[],
  type: FieldType,
): Promise<unknown[]> {
  const names = initial(aggregate, type).map((_, i) => `a${i}`);
  const rows = parts.map((acc, row) => `(${[row, ...acc.map((value) => `'${value}'::DOUBLE`)].join(', ')})`);
  const from = `(VALUES ${rows.join(', ')}) AS t(${['row', ...names].join(', ')})`;
  const merged = ['7::BIGINT AS lines', ...aggregate.mergeSql(names, type, 'row').map((sql, i) => `${sql} AS a${i}`)];
  const result = `${aggregate.resultSql(names, type)}, ${aggregate.overflowSql?.(names, type) ?? 'false'}`;
  const reader = await connection.runAndReadAll(`SELECT ${result} FROM (SELECT ${merged.join(', ')} FROM ${from})`);
  return reader.getRows()[0]!.map(asExact);
}

/** An integer of SQL as JavaScript has it best. */
function asExact(cell: unknown): unknown {
  return typeof cell === 'bigint' ? exactInteger(Number(cell), restOf(cell)) : cell;
}

const large = fc.oneof(
  { weight: 4, arbitrary: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) },
  { weight: 1, arbitrary: fc.constantFrom(2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n) - 1n) },
);
/** Values of a `long`, all that can be. */
const longs: fc.Arbitrary<Value[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constant<Value>(null) },
    { weight: 8, arbitrary: fc.integer() },
    { weight: 4, arbitrary: fc.constantFrom<Value>(0, -0, SUM_MAX, -SUM_MAX) },
    { weight: 8, arbitrary: large.map((value): Value => exactInteger(Number(value), restOf(value))) },
  ),
);
const doubles: fc.Arbitrary<Value[]> = fc.array(fc.option(fc.double({ noNaN: true })));

/** What SQL says of whole numbers, in the arithmetic of large integers; undefined for counts and for what is rounded. */
function oracleOf(name: string, values: readonly Value[]): unknown {
  const there = values.filter((value) => value !== null).map((value) => BigInt(value));
  if (name === 'count' || name === 'stddev') return undefined;
  if (there.length === 0) return null;
  const total = there.reduce((sum, value) => sum + value, 0n);
  if (name === 'avg') return Number(total) / there.length;
  const sorted = there.toSorted((x, y) => (x < y ? -1 : 1));
  const exact = name === 'sum' ? total : name === 'min' ? sorted[0]! : sorted.at(-1)!;
  return Number.isSafeInteger(Number(exact)) ? Number(exact) : exact;
}

const OF_NUMBERS = Object.values(COMPONENTS.aggregates).filter(({ sketch }) => sketch === undefined);

describe.each(OF_NUMBERS.map((aggregate) => [aggregate.name, aggregate] as const))('%s', (_name, aggregate) => {
  test.each(aggregate.examples.map((example) => [JSON.stringify(example.values), example] as const))(
    'of %s',
    async (_text, { values, result }) => {
      for (const type of ['long', 'double'] as const) {
        expect(await shown(aggregate, added(aggregate, values, type), type)).toEqual([result, false]);
      }
    },
  );

  const values = fc.oneof(
    longs.map((all) => ({ all, type: 'long' as const })),
    longs.map((all) => ({ all: [...all, Infinity, ...all, -Infinity], type: 'long' as const })),
    doubles.map((all) => ({ all, type: 'double' as const })),
  );

  test('generated does what it does in plain code', () => {
    fc.assert(
      fc.property(values, ({ all, type }) => {
        expect(generated(aggregate, all, type)).toEqual(added(aggregate, all, type));
      }),
      { seed: 15, numRuns: 600 },
    );
  });

  test('of whole numbers of 64 bits is what the arithmetic of large integers says, whole or in two parts, here and in SQL', async () => {
    await fc.assert(
      fc.asyncProperty(longs, longs, async (left, right) => {
        const oracle = oracleOf(aggregate.name, [...left, ...right]);
        if (oracle === undefined) return;
        const whole = added(aggregate, [...left, ...right], 'long');
        const [merged, other] = [left, right].map((part) => added(aggregate, part, 'long')) as [number[], number[]];
        const parts = [merged.slice(), other];
        aggregate.merge(merged, other, 'long');
        expect(await shown(aggregate, whole, 'long')).toEqual([oracle, false]);
        expect(await shown(aggregate, merged, 'long')).toEqual([oracle, false]);
        expect(await shownMerged(aggregate, parts, 'long')).toEqual([oracle, false]);
      }),
      { seed: 19, numRuns: 200 },
    );
  });

  test('merged from parts is what it is as a whole, in any order of the parts', () => {
    const small = fc.array(fc.option(fc.integer()));
    fc.assert(
      fc.property(small, small, (left, right) => {
        const whole = added(aggregate, [...left, ...right], 'long');
        for (const [first, second] of [
          [left, right],
          [right, left],
        ] as const) {
          const merged = added(aggregate, first, 'long');
          aggregate.merge(merged, added(aggregate, second, 'long'), 'long');
          // Of one that is rounded at each step, all but the last digits.
          const digits = (value: number): number =>
            (aggregate.name === 'stddev' ? Number(value.toPrecision(12)) : value) + 0;
          expect(merged.map(digits)).toEqual(whole.map(digits));
        }
      }),
      { seed: 16, numRuns: 200 },
    );
  });

  test('merged in SQL is what it is merged in plain code', async () => {
    await fc.assert(
      fc.asyncProperty(values, fc.nat(), async ({ all, type }, cut) => {
        const at = all.length === 0 ? 0 : cut % all.length;
        const [merged, other] = [all.slice(0, at), all.slice(at)].map((part) => added(aggregate, part, type)) as [
          number[],
          number[],
        ];
        const parts = [merged.slice(), other];
        aggregate.merge(merged, other, type);
        expect(await shownMerged(aggregate, parts, type)).toEqual(await shown(aggregate, merged, type));
      }),
      { seed: 17, numRuns: 300 },
    );
  });
});

describe.each(['sum', 'avg'])('a %s of integers beyond 2^53 − 1', (name) => {
  const aggregate = COMPONENTS.aggregates[name]!;

  test('is exact', async () => {
    for (const [values, total] of [
      [[SUM_MAX, 1, -10], 2n ** 53n - 10n],
      [[-SUM_MAX, -1, -10], -(2n ** 53n) - 10n],
      [Array.from({ length: 1000 }, () => 2n ** 63n - 1n), 1000n * (2n ** 63n - 1n)],
    ] as const) {
      const expected = name === 'sum' ? asExact(total) : Number(total) / values.length;
      expect(await shown(aggregate, added(aggregate, values, 'long'), 'long')).toEqual([expected, false]);
    }
  });

  test('is no overflow of doubles', async () => {
    const [value, hasOverflown] = await shown(aggregate, added(aggregate, [SUM_MAX, SUM_MAX], 'double'), 'double');
    expect([value, hasOverflown]).toEqual([name === 'sum' ? 2 * SUM_MAX : SUM_MAX, false]);
  });
});

describe.each([
  ['sum', [1, Infinity], [null, true]],
  ['sum', [Infinity, -Infinity], [null, true]],
  ['avg', [1, -Infinity, 5], [null, true]],
  ['max', [1, Infinity], [null, true]],
  ['max', [1, -Infinity], [1, false]],
  ['min', [1, Infinity], [1, false]],
  ['min', [-Infinity], [null, true]],
  ['count', [1, Infinity], [2, false]],
] as const)('%s of %j, where a value is too large for its type', (name, values, expected) => {
  test.each(['long', 'double'] as const)('of a %s', async (type) => {
    const aggregate = COMPONENTS.aggregates[name]!;
    expect(await shown(aggregate, added(aggregate, values, type), type)).toEqual(expected);
    const parts = values.map((value) => added(aggregate, [value], type));
    expect(await shownMerged(aggregate, parts, type)).toEqual(expected);
  });
});

test.each(['sum', 'avg'])('a %s of doubles that leaves them is NULL and flagged', async (name) => {
  const aggregate = COMPONENTS.aggregates[name]!;
  const values = [1e308, 1e308, 1];
  expect(await shown(aggregate, added(aggregate, values, 'double'), 'double')).toEqual([null, true]);
  const parts = values.map((value) => added(aggregate, [value], 'double'));
  expect(await shownMerged(aggregate, parts, 'double')).toEqual([null, true]);
});

test('count without a field is the row’s own lines', async () => {
  const count = COMPONENTS.aggregates['count']!;
  expect([count.accumulators(undefined), count.resultSql([], undefined)]).toEqual([[], 'CAST(lines AS BIGINT)']);
});
