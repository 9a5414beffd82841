import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Mutant, setMutant } from '../../../src/lib/mutant.ts';
import { resolveExpression } from '../../../src/expressions/resolve.ts';
import { SqlParser } from '../../../src/expressions/sql-parser.ts';
import { ROWS, SCOPE, SqlOracle, disagreements } from '../../support/expressions/oracle.ts';

async function problemOf(text: string): Promise<string> {
  const parser = new SqlParser();
  parser.get(text);
  await parser.read();
  const result = parser.get(text)!;
  if ('problem' in result) return result.problem.message;
  const resolution = resolveExpression(result.parsed, SCOPE);
  if (!('problem' in resolution)) return 'nothing';
  const { message, hint, start, end } = resolution.problem;
  return `${text.slice(start, end)}: ${message}${hint === undefined ? '' : ` (${hint})`}`;
}

describe('arithmetic, casts and times', () => {
  it.each([
    ['word + 1', 'word: + needs a number, and this is text (write try_cast(… as double))'],
    ['x // 2', '//: // needs whole numbers (write trunc(… / …))'],
    ['size % 2 % 3.5 // 1', '//: // needs whole numbers (write trunc(… / …))'],
    [
      'seen - "@timestamp"',
      '-: arithmetic on times is not supported (write epoch_ms(…) - epoch_ms(…), in milliseconds)',
    ],
    ['seen + 5', "+: a time and a number cannot be combined (write … + interval '5 minutes')"],
    ['round(x, size)', 'size: round needs a constant number of places (write round(…, 2))'],
    ['sqrt(1, 2)', 'sqrt: sqrt takes 1 argument, not 2'],
    ['x & 1', 'x: & needs a whole number, and this is a number (write try_cast(… as bigint))'],
    ['size::float', '::: expressions do not have the type float (write double)'],
    ['seen::date', "::: expressions do not have the type date (write date_trunc('day', …))"],
    ['seen::bigint', 'seen: a time is not a whole number (write epoch_ms(…))'],
    [
      'size::timestamp',
      'size: a whole number is not a time (write epoch_ms(…) of milliseconds, to_timestamp(…) of seconds)',
    ],
    ["'abc'::bigint", '\'abc\': "abc" cannot be cast to bigint'],
    ["timestamp '2024-02-30'", '\'2024-02-30\': "2024-02-30" cannot be cast to timestamp'],
    ["seen + interval '1 month'", "'1 month': months and years differ in length (write days: interval '30 days')"],
    ['hour(size)', 'size: hour needs a time, and this is a whole number'],
    ["seen at time zone 'Europe/Berlin'", "at: expressions know only the time zone UTC (write … at time zone 'UTC')"],
    [
      'case when size then 1 end',
      'size: when needs a condition, and this is a whole number (compare it with something)',
    ],
    [
      "coalesce(size, 'none')",
      "'none': coalesce gives values of one type, and these are a whole number and text (cast one of them: try_cast(… as bigint), cast(… as varchar))",
    ],
  ])('%s is refused, with what to write', async (text, problem) => {
    expect(await problemOf(text)).toBe(problem);
  });

  it('say which units there are', async () => {
    expect(await problemOf("date_trunc('fortnight', seen)")).toMatch(
      /^'fortnight': date_trunc needs a constant unit \(write one of .*day, week/,
    );
    expect(await problemOf('date_part(word, seen)')).toMatch(/^word: date_part needs a constant unit/);
  });
});

describe('the comparison with DuckDB', () => {
  let oracle: SqlOracle;
  beforeAll(async () => {
    oracle = await SqlOracle.open();
  });
  afterEach(() => setMutant(undefined));
  afterAll(() => oracle.close());

  const cases: [Mutant, string, string][] = [
    ['expression.floor_division', '(size // 7)', '("size" // 7)'],
    ['expression.null_as_false', '(flag or size > 5)', '("flag" or "size" > 5)'],
  ];
  it.each(cases)('sees %s', async (mutant, text, sql) => {
    const rows = fc.sample(ROWS, { numRuns: 100, seed: 1 });
    const type = text.includes('//') ? 'long' : 'boolean';
    const wrong = (): Promise<unknown[]> => disagreements(oracle, [{ text, sql, type }], rows);
    expect(await wrong()).toEqual([]);
    setMutant(mutant);
    expect(await wrong()).not.toEqual([]);
  });
});
