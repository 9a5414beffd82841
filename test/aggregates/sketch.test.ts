// What is true of every aggregate whose state is bytes: its rows in memory, merged parts, and SQL say the same.
import { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type SketchResult, type SketchRules, mergeStates } from '../../src/aggregates/sketch.ts';
import { COMPONENTS } from '../../src/components.ts';
import { exactInteger, restOf } from '../../src/lib/exact-integer.ts';
import type { FieldType } from '../../src/record/batch.ts';

type Value = number | bigint | string | null;
interface Timed {
  readonly value: Value;
  readonly timeMs: number;
}

const SKETCHES = Object.values(COMPONENTS.aggregates).flatMap(({ name, sketch, examples, argument }) =>
  sketch === undefined ? [] : [{ name, rules: sketch, examples, argument }],
);
const SQL_TYPES: Readonly<Record<FieldType, string>> = {
  keyword: 'VARCHAR',
  ip: 'VARCHAR',
  long: 'BIGINT',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  date: 'TIMESTAMPTZ',
};

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

function stateOf(rules: SketchRules, type: FieldType, values: readonly Timed[]): Uint8Array {
  const rows = rules.rows(type);
  rows.grow(3);
  for (const { value, timeMs } of values) {
    if (value === null) continue;
    if (typeof value !== 'string') {
      rows.addNumber(2, Number(value), typeof value === 'bigint' ? restOf(value) : 0, timeMs);
      continue;
    }
    const bytes = Buffer.from(`.${value}`);
    rows.addText(2, bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 1, bytes.length - 1, timeMs);
  }
  expect(rows.encode(2).length).toBeLessThanOrEqual(rows.sizeOf(2));
  expect(rows.grownBytes).toBeGreaterThanOrEqual(rows.encode(2).length);
  return rows.encode(2).slice();
}

/** What SQL makes of several parts, as the warehouse stores them. */
async function merged(
  rules: SketchRules,
  type: FieldType,
  states: readonly Uint8Array[],
  parameter: number | undefined,
): Promise<unknown> {
  const valueType = SQL_TYPES[rules.valueType(type)];
  const literal = (value: SketchResult, of: string): string => {
    if (value === null) return `CAST(NULL AS ${of})`;
    if (of === 'TIMESTAMPTZ') return `make_timestamptz(${String(BigInt(value) * 1000n)})`;
    const text = `'${String(value).replaceAll("'", "''")}'`;
    return typeof value === 'string' ? text : `CAST(${text} AS ${of})`;
  };
  const rows = states.map((state, partition) => {
    const value = literal(rules.result(state, type, parameter), valueType);
    const columns = rules.sqlColumns(type).map((column) => {
      const { kind } = column.of;
      const made = column.of.of(state);
      const staged =
        kind === 'text'
          ? literal(made as string | null, 'VARCHAR')
          : `[${Array.from(made as ArrayLike<number>).join(', ')}]`;
      return column.fromStage?.(staged) ?? `CAST(${staged} AS ${column.type})`;
    });
    return `(${[partition, value, ...columns].join(', ')})`;
  });
  const names = rules.sqlColumns(type).map((_, i) => `c${i}`);
  const sql = rules.mergedSql({ value: 't.v', columns: names.map((name) => `t.${name}`), partition: 't.p' }, parameter);
  const from = `(VALUES ${rows.join(', ')}) AS t(${['p', 'v', ...names].join(', ')})`;
  const reader = await connection.runAndReadAll(`SELECT CAST(${sql} AS ${valueType}) FROM ${from}`);
  const cell = reader.getRows()[0]![0];
  if (valueType === 'TIMESTAMPTZ' && cell !== null)
    return Number((cell as unknown as { micros: bigint }).micros / 1000n);
  if (valueType === 'BOOLEAN' && cell !== null) return cell === true ? 1 : 0;
  return typeof cell === 'bigint' ? exactInteger(Number(cell), restOf(cell)) : cell;
}

const shownOf = (value: unknown): unknown => (typeof value === 'number' ? Number(value.toPrecision(12)) + 0 : value);

const timed = (values: fc.Arbitrary<Value>): fc.Arbitrary<Timed[]> =>
  fc.array(fc.record({ value: fc.option(values), timeMs: fc.integer({ min: 0, max: 5 }) }), { maxLength: 40 });
/** Many, without a list of them: `i` times a step, from a start. */
const runs = fc
  .record({ from: fc.nat(5000), count: fc.constantFrom(0, 5, 1000, 1600, 6000), step: fc.constantFrom(1, 3, 1000) })
  .map(({ from, count, step }): Timed[] =>
    Array.from({ length: count }, (_, i) => ({ value: from + i * step, timeMs: i % 7 })),
  );
const BY_TYPE: Readonly<Partial<Record<FieldType, fc.Arbitrary<Timed[]>>>> = {
  keyword: timed(fc.constantFrom('a', 'b', '', 'ü', "o'c", 'a\u0001b', '{"x": [1, null]}', 'x'.repeat(300))),
  long: fc.oneof(
    timed(fc.oneof(fc.integer(), fc.constantFrom<Value>(0, -1, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n))),
    runs,
  ),
  double: fc.oneof(timed(fc.oneof(fc.double({ noNaN: true }), fc.double({ noNaN: true, min: -5, max: 5 }))), runs),
  boolean: timed(fc.constantFrom(0, 1)),
  date: timed(fc.integer({ min: -1e12, max: 4e12 })),
};

describe.each(SKETCHES.map((sketch) => [sketch.name, sketch] as const))('%s', (name, { rules, examples, argument }) => {
  test.each(examples.map((example) => [JSON.stringify(example.values), example] as const))(
    'of %s',
    (_text, { values, result }) => {
      const state = stateOf(
        rules,
        'long',
        values.map((value, timeMs) => ({ value, timeMs })),
      );
      expect(rules.result(state, 'long', rules.parameter?.default ?? 0.5)).toEqual(result);
    },
  );

  test.each(argument === 'number' ? (['long', 'double'] as const) : (Object.keys(BY_TYPE) as FieldType[]))(
    'of a %s: the parts of partitions merged in SQL and here are what the values are as a whole',
    async (type) => {
      const values = BY_TYPE[type]!;
      const parameter =
        rules.parameter === undefined ? fc.constant(undefined) : fc.constantFrom(...rules.parameter.examples);
      await fc.assert(
        fc.asyncProperty(fc.array(values, { minLength: 1, maxLength: 3 }), parameter, async (parts, given) => {
          const states = parts.map((part) => stateOf(rules, type, part));
          const whole = stateOf(rules, type, parts.flat());
          const state = mergeStates(rules, type, states);
          // The most frequent of more values than are kept depend on where they were cut; of two parts SQL says the same.
          const isExact = name !== 'top' || new Set(parts.flat().map(({ value }) => value)).size <= 1000;
          if (isExact) expect(Buffer.compare(state, whole)).toBe(0);
          else if (parts.length > 2) return;
          const result = rules.result(state, type, given);
          expect(shownOf(await merged(rules, type, states, given))).toEqual(shownOf(result));
        }),
        { seed: 44, numRuns: 60 },
      );
    },
  );

  test('damaged bytes are a result or an error that says so, never anything else', () => {
    const damaged = expect.objectContaining({ code: 'LOG_DAMAGED' });
    const isDamaged = (run: () => unknown): void => {
      try {
        run();
      } catch (error) {
        expect(error).toEqual(damaged);
      }
    };
    const good = stateOf(
      rules,
      'long',
      [1, 5, 2 ** 40, -3].map((value, timeMs) => ({ value, timeMs })),
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.tuple(fc.nat(), fc.nat(255)).map(([at, byte]) => good.with(at % good.length, byte)),
      fc.nat(good.length - 1).map((length) => good.subarray(0, length)),
    );
    fc.assert(
      fc.property(bytes, fc.constantFrom<FieldType>('long', 'keyword'), (state, type) => {
        if (type === 'keyword' && argument === 'number') return;
        isDamaged(() => rules.result(state, type, rules.parameter?.default ?? 0.5));
        isDamaged(() => mergeStates(rules, type, [state, state]));
        isDamaged(() => rules.sqlColumns(type).map((column) => column.of.of(state)));
      }),
      { seed: 45, numRuns: 2000 },
    );
  });
});

test.each([0.29, 0.57])(
  'the quantile %d of 101 values in two partitions has the rank in SQL that it has here',
  async (q) => {
    const { rules } = SKETCHES.find(({ name }) => name === 'quantile')!;
    const values = Array.from({ length: 101 }, (_, i) => ({ value: (i + 1) * 1000, timeMs: 0 }));
    const states = [values.slice(0, 40), values.slice(40)].map((part) => stateOf(rules, 'long', part));
    const result = rules.result(mergeStates(rules, 'long', states), 'long', q);
    expect(shownOf(await merged(rules, 'long', states, q))).toEqual(shownOf(result));
  },
);
