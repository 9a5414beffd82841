import { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type AggregateDefinition, SUM_MAX } from '../../src/aggregates/aggregate.ts';
import { AGGREGATES, AGGREGATES_BY_NAME } from '../../src/components.ts';
import type { FieldType } from '../../src/record/batch.ts';

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

function added(aggregate: AggregateDefinition, values: readonly (number | null)[], type: FieldType): number[] {
  const acc = initial(aggregate, type);
  for (const value of values) aggregate.add(acc, value ?? Number.NaN, type);
  return acc;
}

/** The same by the text that is generated into the hot loop. */
function generated(aggregate: AggregateDefinition, values: readonly (number | null)[], type: FieldType): number[] {
  const names = initial(aggregate, type).map((_, i) => `acc[${i}]`);
  // oxlint-disable-next-line typescript/no-implied-eval -- the text under test, made of numbers and these names
  const update = new Function('acc', 'v', aggregate.updateSource(names, 'v', type)) as (
    acc: number[],
    v: number,
  ) => void;
  const acc = initial(aggregate, type);
  for (const value of values) update(acc, value ?? Number.NaN);
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
  const cells = reader.getRows()[0]!.map((cell) => (typeof cell === 'bigint' ? Number(cell) : cell));
  // What documents and events say is what tables say.
  expect([aggregate.result(acc, 7, type), aggregate.hasOverflown?.(acc, type) ?? false]).toEqual(cells);
  return cells;
}

describe.each(AGGREGATES.map((aggregate) => [aggregate.name, aggregate] as const))('%s', (_name, aggregate) => {
  test.each(aggregate.examples.map((example) => [JSON.stringify(example.values), example] as const))(
    'of %s',
    async (_text, { values, result }) => {
      for (const type of ['long', 'double'] as const) {
        expect(await shown(aggregate, added(aggregate, values, type), type)).toEqual([result, false]);
      }
    },
  );

  const wholes = fc.array(fc.oneof(fc.constant(null), fc.integer(), fc.constantFrom(0, -0, SUM_MAX, -SUM_MAX)));

  test('generated does what it does in plain code', () => {
    fc.assert(
      fc.property(
        fc.oneof(wholes, fc.array(fc.option(fc.double({ noNaN: true })))),
        fc.constantFrom<FieldType>('long', 'double'),
        (values, type) => {
          expect(generated(aggregate, values, type)).toEqual(added(aggregate, values, type));
        },
      ),
      { seed: 15, numRuns: 300 },
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
          expect(merged.map((value) => value + 0)).toEqual(whole.map((value) => value + 0));
        }
      }),
      { seed: 16, numRuns: 200 },
    );
  });

  test('merged in SQL is what it is merged in plain code', async () => {
    const values = fc.oneof(wholes, fc.array(fc.option(fc.double({ noNaN: true, min: -1e300, max: 1e300 }))));
    await fc.assert(
      fc.asyncProperty(values, values, fc.constantFrom<FieldType>('long', 'double'), async (left, right, type) => {
        const [whole, other] = [left, right].map((part) =>
          added(aggregate, type === 'long' ? part.map((value) => value && Math.trunc(value % SUM_MAX)) : part, type),
        ) as [number[], number[]];
        const parts = [whole.slice(), other];
        aggregate.merge(whole, other, type);
        const names = whole.map((_, i) => `a${i}`);
        const rows = parts.map((acc) => `(${['0', ...acc.map((value) => `'${value}'::DOUBLE`)].join(', ')})`);
        const merged = ['count(*)', ...aggregate.mergeSql(names, type)].map((sql) => `CAST(${sql} AS DOUBLE)`);
        const reader = await connection.runAndReadAll(
          `SELECT ${merged.join(', ')} FROM (VALUES ${rows.join(', ')}) AS t(${['row', ...names].join(', ')})`,
        );
        expect(reader.getRows()[0]!.map((cell) => Number(cell) + 0)).toEqual([2, ...whole.map((value) => value + 0)]);
      }),
      { seed: 17, numRuns: 200 },
    );
  });
});

describe.each(['sum', 'avg'])('a %s of integers beyond 2^53 − 1', (name) => {
  const aggregate = AGGREGATES_BY_NAME[name]!;

  test('is NULL and flagged, for good', async () => {
    expect(await shown(aggregate, added(aggregate, [SUM_MAX, 0], 'long'), 'long')).toEqual([
      name === 'sum' ? SUM_MAX : SUM_MAX / 2,
      false,
    ]);
    for (const values of [
      [SUM_MAX, 1, -10],
      [-SUM_MAX, -1, 10],
    ]) {
      expect(await shown(aggregate, added(aggregate, values, 'long'), 'long')).toEqual([null, true]);
    }
  });

  test('is flagged when parts reach it together, and stays so', async () => {
    const merged = added(aggregate, [SUM_MAX], 'long');
    aggregate.merge(merged, added(aggregate, [1], 'long'), 'long');
    aggregate.merge(merged, added(aggregate, [-100], 'long'), 'long');
    expect(await shown(aggregate, merged, 'long')).toEqual([null, true]);
  });

  test('is no overflow of doubles', async () => {
    const [value, hasOverflown] = await shown(aggregate, added(aggregate, [SUM_MAX, SUM_MAX], 'double'), 'double');
    expect([value, hasOverflown]).toEqual([name === 'sum' ? 2 * SUM_MAX : SUM_MAX, false]);
  });
});

test('count without a field is the row’s own lines', async () => {
  const count = AGGREGATES_BY_NAME['count']!;
  expect([count.accumulators(undefined), count.resultSql([], undefined)]).toEqual([[], 'CAST(lines AS BIGINT)']);
});
