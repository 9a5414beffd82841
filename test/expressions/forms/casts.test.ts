// Casts of texts and numbers, of which there are more forms than random expressions meet: each against DuckDB.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  booleanOfText,
  doubleOfText,
  longOfText,
  textOfDouble,
  textOfTime,
  timeOfText,
} from '../../../src/expressions/forms/cast-text.ts';
import { halfEven } from '../../../src/expressions/forms/casts.ts';

const SEED = Number(process.env['TAILRACE_SEED'] ?? 20_261_130);
const RUNS = process.env['TAILRACE_SOAK'] === undefined ? 20_000 : 2_000_000;

let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(':memory:')).connect();
  await connection.run("SET TimeZone = 'UTC'");
});
afterAll(() => connection.closeSync());

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** Pairs of which DuckDB and the code say different things: `sql` of a column `x`. */
async function differing<T>(
  inputs: readonly T[],
  literal: (input: T) => string,
  sql: string,
  ours: (input: T) => unknown,
): Promise<unknown[]> {
  const wrong: unknown[] = [];
  for (let at = 0; at < inputs.length; at += 2000) {
    const chunk = inputs.slice(at, at + 2000);
    const values = chunk.map((input, i) => `(${i}, ${literal(input)})`).join(', ');
    const reader = await connection.runAndReadAll(`SELECT ${sql} FROM (VALUES ${values}) t(i, x) ORDER BY i`);
    const expected = reader.getColumns()[0]!;
    for (const [i, input] of chunk.entries()) {
      const value = ours(input) ?? null;
      if (!Object.is(value, expected[i])) wrong.push({ input, expected: expected[i], value });
    }
  }
  return wrong.slice(0, 5);
}

const sample = <T>(arbitrary: fc.Arbitrary<T>): T[] => fc.sample(arbitrary, { numRuns: RUNS, seed: SEED });

const NUMBER_PARTS = [
  ...'0 1 5 9 49 50 007 1_0 _ . . e E + - x 0x 0X 0b f A inf nan 18 19 -1 e- ٣'.split(' '),
  ...'9223372036854775807 9223372036854775808 999999999999999999'.split(' '),
  ' ',
  '\t',
  '\v',
];

/** Texts that are nearly numbers, made of their parts. */
const NUMBER_TEXTS = fc.oneof(
  fc.array(fc.constantFrom(...NUMBER_PARTS), { maxLength: 7 }).map((parts) => parts.join('')),
  fc
    .tuple(
      fc.constantFrom('', '-', '+'),
      fc.nat(99_999_999),
      fc.constantFrom('', '.'),
      fc.nat(99_999).map((digits) => String(digits).padStart(5, '0')),
      fc.constantFrom('', 'e'),
      fc.integer({ min: -14, max: 21 }),
    )
    .map(([sign, whole, point, decimals, e, power]) => `${sign}${whole}${point}${point && decimals}${e}${e && power}`),
);

const DOUBLES = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer().map((value) => value / 2),
  fc
    .tuple(fc.integer({ min: -9999, max: 9999 }), fc.integer({ min: -20, max: 20 }))
    .map(([m, e]) => Number(`${m}e${e}`)),
);

describe('casts', () => {
  it('read whole numbers in texts as DuckDB does', async () => {
    const inLong = (value: bigint | undefined): bigint | undefined =>
      value !== undefined && BigInt.asIntN(64, value) === value ? value : undefined;
    const wrong = await differing(sample(NUMBER_TEXTS), quoted, 'TRY_CAST(x AS BIGINT)', (x) => inLong(longOfText(x)));
    expect(wrong).toEqual([]);
  });

  it('read numbers in texts as DuckDB does', async () => {
    const finite = (value: number | undefined): number | undefined => (Number.isFinite(value) ? value : undefined);
    const sql = 'CASE WHEN isfinite(TRY_CAST(x AS DOUBLE)) THEN TRY_CAST(x AS DOUBLE) END';
    // DuckDB 1.5 counts the underscores of texts with more digits than 19, and takes them for larger ones.
    const texts = sample(NUMBER_TEXTS).filter((text) => text.length < 19 || !text.includes('_'));
    expect(await differing(texts, quoted, sql, (x) => finite(doubleOfText(x)))).toEqual([]);
  });

  it('read conditions in texts as DuckDB does', async () => {
    const parts = fc.constantFrom('t', 'T', 'rue', 'RUE', 'f', 'alse', 'y', 'Es', 'n', 'o', '0', '1', ' ', 'ſ', 'K');
    const texts = sample(fc.array(parts, { maxLength: 3 }).map((all) => all.join('')));
    expect(await differing(texts, quoted, 'TRY_CAST(x AS BOOLEAN)', booleanOfText)).toEqual([]);
  });

  it('read times in the forms of ISO 8601 as DuckDB does', async () => {
    const two = fc.integer({ min: 0, max: 62 }).map((value) => String(value).padStart(2, '0'));
    const days = fc
      .tuple(
        fc.constantFrom('2024', '2023', '1969', '0000', '0001', '9999'),
        fc.integer({ min: 0, max: 13 }),
        fc.integer({ min: 0, max: 32 }),
      )
      .map(([y, m, d]) => `${y}-${String(m).padStart(2, '0')}-${String(d).padStart(2, '0')}`);
    const hours = fc.integer({ min: 0, max: 23 }).map((value) => String(value).padStart(2, '0'));
    const seconds = fc.tuple(two, fc.constantFrom('', '.5', '.05', '.123456789', '.999999')).map((all) => all.join(''));
    const zones = fc.constantFrom('', 'Z', ' UTC', '+02', '-0530', '+23:59', '-00:01');
    const texts = sample(
      fc.oneof(
        days,
        fc.tuple(days, fc.constantFrom('T', ' '), hours, fc.constant(':'), two).map((all) => all.join('')),
        fc
          .tuple(days, fc.constantFrom('T', ' '), hours, fc.constant(':'), two, fc.constant(':'), seconds, zones)
          .map((all) => all.join('')),
      ),
    );
    const sql = "epoch_ms(date_trunc('ms', TRY_CAST(x AS TIMESTAMPTZ)))::DOUBLE";
    expect(await differing(texts, quoted, sql, timeOfText)).toEqual([]);
    for (const text of ['2024-1-1', ' 2024-01-01', '2024/01/01', '2024-01-01 10:00Z', '24-01-01', 'epoch', 'x'])
      expect(timeOfText(text)).toBeUndefined();
  });

  it('write numbers and times as DuckDB does', async () => {
    const literal = (value: number): string => `'${Object.is(value, -0) ? '-0' : value}'::DOUBLE`;
    expect(await differing(sample(DOUBLES), literal, 'x::VARCHAR', textOfDouble)).toEqual([]);
    const times = sample(fc.integer({ min: Date.UTC(-1000, 0), max: Date.UTC(12_000, 0) }));
    const micros = (ms: number): string => `make_timestamptz(${ms * 1000})`;
    expect(await differing(times, micros, 'x::VARCHAR', textOfTime)).toEqual([]);
  });

  it('round halves to the even number, as DuckDB does', async () => {
    const halves = sample(
      fc.oneof(
        fc.integer({ min: -99, max: 99 }).map((value) => value / 2),
        fc.integer(),
        fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      ),
    );
    const literal = (value: number): string => `'${value}'::DOUBLE`;
    expect(await differing(halves, literal, 'x::BIGINT', (value) => BigInt(halfEven(value)))).toEqual([]);
  });
});
