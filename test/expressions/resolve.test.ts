// What is said of expressions that cannot be: the message, what to write, and the part of the text that is meant.
import { expect, test } from '@jest/globals';
import { resolveExpression } from '../../src/expressions/resolve.ts';
import { SqlParser } from '../../src/expressions/sql-parser.ts';
import type { FieldType } from '../../src/record/batch.ts';

const FIELDS: Readonly<Record<string, FieldType>> = {
  'url.path': 'keyword',
  status: 'long',
  '@timestamp': 'date',
};
const SCOPE = {
  typeOf: (name: string) => (Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined),
  unknown: (name: string) => ({ message: `no field ${name}` }),
};

async function refusalOf(text: string): Promise<string> {
  const parser = new SqlParser();
  parser.get(text);
  await parser.read();
  const result = parser.get(text)!;
  const resolution = 'problem' in result ? result : resolveExpression(result.parsed, SCOPE);
  if (!('problem' in resolution)) return 'nothing';
  const { message, hint, start, end } = resolution.problem;
  const said = hint === undefined ? message : `${message} — ${hint}`;
  return start === 0 && end === text.length ? said : `${text.slice(start, Math.min(end, start + 30))}: ${said}`;
}

test.each<[text: string, said: string]>([
  ['1) union select (2', 'this is not one expression'],
  [
    "regexp_matches(url.path, '[\\pL]{1,1000}')",
    "'[\\pL]{1,1000}': this regular expression is larger than DuckDB takes — repeat less, or write several",
  ],
  [
    "url.path ~ '('",
    '\'(\': this is not a regular expression of RE2: missing closing ): "(" — see github.com/google/re2/wiki/Syntax; it has no lookaround and no back-references',
  ],
  ["url.path = 'a') order by ('b'", 'this is not one expression'],
  ['status) group by (1', 'this is not one expression'],
  ['status) limit (1', 'this is not one expression'],
  ['1); drop table x; select (1', 'this is not one expression'],
  ["constructor(url.path) = 'a'", 'constructor: expressions do not have the function constructor'],
  ['__proto__(url.path)', '__proto__: expressions do not have the function __proto__'],
  ["toString(url.path) = 'a'", 'toString: expressions do not have the function tostring'],
  [
    "@timestamp + interval '1 constructor'",
    "'1 constructor': an interval is a constant of whole milliseconds — write interval '5 minutes', interval '1 hour 30 minutes' or to_seconds(5)",
  ],
  ["if(url.path = 'a', 1)", 'wrong number of arguments to IF'],
  [`status${' + 1'.repeat(3000)}`, 'the expression is too deep'],
  [`${'not '.repeat(2400)}true`, 'the expression is too deep'],
  [
    "@timestamp > '2026-01-01'",
    "'2026-01-01': a time cannot be compared with text — write timestamp '2026-01-31 00:00:00'",
  ],
  ['status in (1, true)', 'true: a whole number cannot be compared with a condition'],
  [
    'cast(status as foo)',
    'cast: expressions do not have the type foo — write boolean, bigint, double, varchar or timestamptz',
  ],
  [
    "status::enum('x')",
    '::: expressions do not have the type enum — write boolean, bigint, double, varchar or timestamptz',
  ],
  [
    'status::constructor',
    '::: expressions do not have the type constructor — write boolean, bigint, double, varchar or timestamptz',
  ],
  ['url.path.lower()', 'url.path.lower: expressions do not have the function url.path.lower — write lower(url.path)'],
  ['url.path.left(1)', 'url.path.left: expressions do not have the function url.path.left — write left(url.path, …)'],
  ["url.path = any(['a'])", "=: expressions do not have any(…) — write url.path in ('a', 'b')"],
  ['status > 0 and 1e400 > status', '1e400: 1e400 is too large for a number'],
  ['-1e400', '-1e400 is too large for a number'],
  [
    `url.path ->> '$.a[${'x'.repeat(9000)}'`,
    `'$.a[${'x'.repeat(25)}: the path $.a[${'x'.repeat(55)}… goes wrong at [${'x'.repeat(58)}… — write '$.name', '$.list[0]', '$."a name".b', or 'name' for a key at the top`,
  ],
  [
    `regexp_matches(url.path, '(${'a'.repeat(9000)}')`,
    `'(${'a'.repeat(28)}: this is not a regular expression of RE2: missing closing ): "(${'a'.repeat(98)}… — see github.com/google/re2/wiki/Syntax; it has no lookaround and no back-references`,
  ],
  [`'${'x'.repeat(9000)}'::bigint`, `'${'x'.repeat(29)}: "${'x'.repeat(58)}… cannot be cast to bigint`],
  [`${'x'.repeat(9000)}(status)`, `${'x'.repeat(30)}: expressions do not have the function ${'x'.repeat(59)}…`],
])('%.60s', async (text, said) => expect(await refusalOf(text)).toBe(said));
