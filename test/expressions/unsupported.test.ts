import { beforeAll, describe, expect, it } from '@jest/globals';
import { DuckDBInstance } from '@duckdb/node-api';
import { formCalled } from '../../src/expressions/forms.ts';
import type { ExpressionProblem } from '../../src/expressions/problem.ts';
import { resolveExpression } from '../../src/expressions/resolve.ts';
import { SqlParser } from '../../src/expressions/sql-parser.ts';
import type { FieldType } from '../../src/record/batch.ts';

const FIELDS: Readonly<Record<string, FieldType>> = {
  a: 'keyword',
  'url.path': 'keyword',
  'http.status': 'long',
  'labels.app_kubernetes_io/name': 'keyword',
  'user-agent': 'keyword',
};
const SCOPE = {
  typeOf: (name: string) => (Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined),
  unknown: (name: string) => ({ message: `no field ${name}` }),
};

async function problemsOf(texts: readonly string[]): Promise<(ExpressionProblem | undefined)[]> {
  const parser = new SqlParser();
  for (const text of texts) parser.get(text);
  await parser.read();
  return texts.map((text) => {
    const result = parser.get(text)!;
    if ('problem' in result) return result.problem;
    const resolution = resolveExpression(result.parsed, SCOPE);
    return 'problem' in resolution ? resolution.problem : undefined;
  });
}

/** What is wrong with a problem itself. */
function faultsOf(text: string, problem: ExpressionProblem | undefined): string[] {
  if (problem === undefined) return [`${text}: nothing is refused`];
  const { message, hint = 'write it', start, end } = problem;
  // What ends too early is shown right behind its end.
  const isWithin = start >= 0 && start < end && end <= text.length + (message.endsWith('too early') ? 1 : 0);
  const faults: string[] = [];
  if (!isWithin) faults.push(`${text}: its place is ${start} to ${end}`);
  if (/\bundefined\b|\bnull\b|\[object|T_\w+|NOT IMPLEMENTED/.test(`${message} ${hint}`) || /[.\n]$/.test(message))
    faults.push(`${text}: ${message} (${hint})`);
  return faults;
}

/** Those have other words in the text that people write, or are refused by the parser. */
const OTHERWISE = new Set(['row', 'count_star', 'show', 'not_like_escape', 'not_ilike_escape']);

interface Listed {
  readonly name: string;
  readonly type: string;
}

describe('what expressions do not have', () => {
  let listed: readonly Listed[];
  beforeAll(async () => {
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const reader = await connection.runAndReadAll(
      "SELECT DISTINCT function_name AS name, function_type AS type FROM duckdb_functions() WHERE function_name SIMILAR TO '[a-zA-Z_][a-zA-Z0-9_]*'",
    );
    listed = reader.getRowObjects() as unknown as Listed[];
    connection.closeSync();
    instance.closeSync();
  });

  it('is named, whichever of the functions of DuckDB it is', async () => {
    const names = [...new Set(listed.map(({ name }) => name))].filter(
      (name) => formCalled(name.toLowerCase()) === undefined,
    );
    expect(names.length).toBeGreaterThan(500);
    const texts = names.map((name) => `${name}(a)`);
    const problems = await problemsOf(texts);
    const faults = texts.flatMap((text, i) => {
      const isNamed = OTHERWISE.has(names[i]!) || problems[i]?.message.toLowerCase().includes(names[i]!.toLowerCase());
      return [...faultsOf(text, problems[i]), ...(isNamed ? [] : [`${text}: ${problems[i]!.message}`])];
    });
    expect(faults.sort()).toEqual([]);
  }, 120_000);

  it('is an aggregate where DuckDB has one of that name', async () => {
    const scalars = new Set(listed.filter(({ type }) => type !== 'aggregate').map(({ name }) => name));
    const names = listed.filter(({ name, type }) => type === 'aggregate' && !scalars.has(name)).map(({ name }) => name);
    const texts = names.map((name) => `${name}(a)`);
    const problems = await problemsOf(texts);
    const missing = names.filter((_, i) => !/aggregate|window function/.test(problems[i]?.message ?? ''));
    expect(missing).toEqual([]);
  }, 120_000);

  it('is said at its place, for each part of the grammar', async () => {
    const texts = [
      '(select 1)',
      'exists (select 1)',
      'a in (select 1)',
      'a = any (select 1)',
      'array(select 1)',
      'row_number() over ()',
      'sum(1) over (partition by a)',
      '*',
      'a.*',
      "columns('a')",
      "a -> 'b'",
      'lambda x: x + 1',
      '?',
      '$1',
      '$name',
      'a collate nocase',
      '#1',
      'default',
      'a between symmetric 1 and 2',
      '[1, 2]',
      'a[1]',
      'a[1:2]',
      "{'a': 1}",
      "map {'a': 1}",
      '(1, 2)',
      'row(1, 2)',
      '(a).b',
      'unnest(a)',
      'grouping(a)',
      'a = all([1])',
      'sum(distinct a)',
      'count(*)',
      'count(*) filter (where true)',
      'string_agg(a order by a)',
      "a glob 'x'",
      'a @> a',
      '[x for x in [1]]',
      "overlay(a placing 'x' from 1)",
      'a::varchar[]',
      'cast(a as struct(b int))',
      'lower(distinct a)',
      'lower(b := a)',
      'a.b.c(1)',
      'a.lower()',
      '1 +',
      'not',
      'a as b',
      'a, a',
      '1; select 2',
      '1 from t',
      'a within 5',
      'list_transform(a, x -> x)',
      'a!',
      '|/ 4',
      "u&'a'",
      '0x1F',
      '1e400',
      '',
      '  ',
      '-- nothing',
      "'open",
      '"open',
      '/* open',
      'current_date',
      'current_timestamp',
      'localtime',
      'user',
      '1 where true',
      '1 limit 1',
      '99999999999999999999',
      'é(a)',
      'nothing',
      'a order by a',
      '1 union select 2',
      ') or (',
      '1) from t where (true',
      'a = 😀',
      "a = '1' = ",
      'é = 1',
      'a[',
      'a.',
      '.a',
      'a..b',
      "'a' 1",
      'values (1)',
      'pivot',
      'a is json',
      'grouping sets (a)',
      'a := 1',
      "a like any ('x')",
      'a operator(pg_catalog.+) 1',
      'time with time zone',
    ];
    const problems = await problemsOf(texts);
    expect(texts.flatMap((text, i) => faultsOf(text, problems[i]))).toEqual([]);
  });

  it.each([
    ["a -> 'b'", "write field ->> '$.name' for a value within JSON, '$.list[0]' for one of a list"],
    ["json_extract(a, 'b')", "write field ->> '$.name' for a value within JSON, '$.list[0]' for one of a list"],
    ['sum(a)', 'an aggregate belongs in measures:'],
    ['count(*)', 'an aggregate belongs in measures:'],
    ['now()', 'name the field of the time: @timestamp'],
    ['current_timestamp', 'name the field of the time: @timestamp'],
    ['true || false', 'write or'],
    ['lowr(a)', 'did you mean lower?'],
    ["string_split(a, ',')", "write split_part(text, ',', 1)"],
    ["read_csv('a.csv')", 'files are read by sources:'],
    ['a.lower()', 'write lower(a)'],
    ['lower(distinct a)', 'write lower(…)'],
    ["labels.app_kubernetes_io/name = 'x'", 'write "labels.app_kubernetes_io/name" in double quotes'],
    ["user-agent = 'x'", 'write "user-agent" in double quotes'],
    ['http.status-1 = 2', 'write blanks around the -'],
    ["regexp_matches(a, '(')", 'see github.com/google/re2/wiki/Syntax; it has no lookaround and no back-references'],
    ["a ->> '$.a[*]'", `write '$.name', '$.list[0]', '$."a name".b', or 'name' for a key at the top`],
    ['repeat(a, http.status)', 'write repeat(…, 10)'],
    ['a like a', 'write starts_with, ends_with, contains or ='],
    ['a not ilike chr(0)', 'write starts_with, ends_with, contains or ='],
  ])('%s: %s', async (text, hint) => {
    const [problem] = await problemsOf([text]);
    expect(problem).toMatchObject({ hint });
    expect(faultsOf(text, problem)).toEqual([]);
  });

  it('refuses patterns by what RE2 does not have, and says where', async () => {
    const texts = ['(?<n>a)', String.raw`a\B`, 'a(?=b)', 'a**', '[b-a]'].map((pattern) => `a ~ '${pattern}'`);
    const problems = await problemsOf(texts);
    expect(problems.map((problem, i) => [problem?.message, texts[i]!.slice(problem?.start, problem?.end)])).toEqual([
      ['a regular expression does not have (?<', "'(?<n>a)'"],
      [String.raw`a regular expression does not have \B`, String.raw`'a\B'`],
      ['this is not a regular expression of RE2: invalid or unsupported Perl syntax: "(?="', "'a(?=b)'"],
      ['this is not a regular expression of RE2: invalid nested repetition operator: "**"', "'a**'"],
      ['this is not a regular expression of RE2: invalid character class range: "b-a"', "'[b-a]'"],
    ]);
  });
});
