// Measures in SQL: what they come to, and what is wrong with those that cannot be.
import { describe, expect, test } from '@jest/globals';
import { COMPONENTS } from '../../src/components.ts';
import { sharingSketches } from '../../src/config/measures.ts';
import { parseMeasure } from '../../src/config/sql-measures.ts';
import { fingerprint } from '../../src/epoch/fingerprint.ts';
import type { MeasureSpec } from '../../src/epoch/table.ts';
import { SqlParser } from '../../src/expressions/sql-parser.ts';
import { changed, problemsOfSql } from '../support/broken-config.ts';
import { resolveSqlText } from '../support/configs.ts';

const FIELDS = {
  took: 'long',
  share: 'double',
  'user.name': 'keyword',
  'source.ip': 'ip',
  is_bot: 'boolean',
  'user-agent': 'keyword',
} as const;

async function measure(text: string): Promise<MeasureSpec> {
  const parser = new SqlParser();
  const context = { aggregates: Object.values(COMPONENTS.aggregates), lines: { fields: FIELDS }, parser };
  parseMeasure('m', text, context);
  await parser.read();
  const spec = parseMeasure('m', text, context);
  if (spec === undefined || 'code' in spec) throw new Error(`${text}: ${spec?.message}`);
  return spec;
}

describe('a measure in SQL', () => {
  test.each([
    ['count(*)', 'count'],
    ['COUNT(*)', 'count'],
    ['count()', 'count'],
    ['Sum(took)', 'sum(took)'],
    ['sum( "took" )', 'sum(took)'],
    ['sum((took))', 'sum(took)'],
    ['distinct ("user.name")', 'distinct(user.name)'],
    ['top(user.name, 5 )', 'top(user.name,5)'],
    ['distinct(user-agent)', 'distinct("user-agent")'],
    ['p95((took))', 'quantile(took, 0.95)'],
    ['sum(took) filter (where true)', 'sum(took)'],
    ['count(*) filter (where 1 < 2)', 'count'],
  ])('%s is the same as %s', async (text, same) => expect(await measure(text)).toEqual(await measure(same)));

  test('of an expression is of a column that is made, one for all that are of the same', async () => {
    const texts = ['p50(took / 1000)', 'p99(took/1000)', 'avg(took / 1000)', 'p99(took)'];
    const specs = sharingSketches(
      await Promise.all(texts.map(async (text, i) => ({ ...(await measure(text)), name: `m${i}` }))),
      COMPONENTS.aggregates,
    );
    expect(specs.map(({ aggregate, fieldType, sketchOf }) => [aggregate, fieldType, sketchOf])).toEqual([
      ['quantile', 'double', undefined],
      ['quantile', 'double', 'm0'],
      ['avg', 'double', undefined],
      ['quantile', 'long', undefined],
    ]);
    expect(new Set(specs.slice(0, 3).map(({ field }) => field)).size).toBe(1);
  });

  test.each([
    ['count(*) filter (where is_bot)', 'boolean'],
    ['sum(took) filter (where is_bot)', 'long'],
    ['first(source.ip) filter (where is_bot)', 'ip'],
    ["distinct(lower(user.name)) filter (where user.name <> '')", 'keyword'],
    ['count(1)', 'long'],
    ['avg(took / 1000)', 'double'],
    ['quantile(took * 2, 0.5) filter (where took > 0)', 'long'],
  ])('%s is over values of type %s', async (text, type) =>
    expect(await measure(text)).toMatchObject({ fieldType: type, text }),
  );

  test('written in another way is the same table', async () => {
    const textOf = (written: string): string => changed('requests: count', `requests: "${written}"`);
    const [one, same, other] = await Promise.all(
      [
        'count(*) filter (where http.response.status_code >= 500)',
        'COUNT(*) FILTER (where (http.response.status_code>=500))',
        'count(*) filter (where http.response.status_code >= 400)',
      ].map(async (text) => fingerprint((await resolveSqlText(textOf(text))).config.pipeline.rollups['traffic']!)),
    );
    expect(same).toBe(one);
    expect(other).not.toBe(one);
  });

  test.each<[text: string, ...problems: string[]]>([
    [
      'count(*) filter (where http.response.status_code)',
      '14:51 MEASURE: a condition is needed here, and this is a whole number — compare it with something: … > 0, … is not null',
    ],
    [
      'count(*) filter (where status >= 500)',
      '14:51 EXPRESSION: the stream\'s lines have no field "status" — did you mean "http.response.status_code"?',
    ],
    [
      "count(*) filter (where http.response.status_code = '500')",
      '14:79 EXPRESSION: a whole number and text are never equal — write 500',
    ],
    ['count(*) filter (where 1 > 2)', '14:53 MEASURE: this condition is never true — no line would be counted'],
    ['sum(url.path || user.name)', '14:41 MEASURE: sum needs a number, and this is text'],
    [
      'sum(http.response.status_code >= 500)',
      '14:58 MEASURE: sum needs a number, and this is a condition — write count(*) filter (where …)',
    ],
    [
      'sum(distinct http.response.status_code)',
      '14:28 MEASURE: sum does not take distinct values alone — write sum(…)',
    ],
    ['count(distinct url.path)', '14:28 MEASURE: count does not take distinct values alone — write distinct(…)'],
    [
      'first(url.path order by user.name)',
      '14:28 MEASURE: first takes lines in no order — first and last go by event time; leave ORDER BY out',
    ],
    [
      'sum(http.response.body.bytes) / count(*)',
      '14:60 MEASURE: a measure is one aggregate — give each aggregate a name of its own',
    ],
    ['count(*) + 1', '14:28 MEASURE: a measure is one aggregate — give each aggregate a name of its own'],
    [
      'max(sum(http.response.body.bytes))',
      '14:32 MEASURE: sum cannot stand within max — let one table read the other: from: the name of a table',
    ],
    [
      'max(approx_count_distinct(url.path))',
      '14:32 MEASURE: approx_count_distinct cannot stand within max — let one table read the other: from: the name of a table',
    ],
    ['mode(lower(url.path))', '14:28 MEASURE: there is no aggregate "mode" — write top(…, 1)'],
    [
      'sum(http.response.body.bytes) over ()',
      '14:28 MEASURE: expressions do not have a window function — an expression sees one line at a time',
    ],
    ['summ(http.response.body.bytes + 1)', '14:28 MEASURE: there is no aggregate "summ" — did you mean "sum"?'],
    ['sum(http.response.body.bytes +)', '14:58 MEASURE: syntax error'],
    [
      'quantile(http.response.body.bytes + 1, http.response.status_code)',
      '14:67 MEASURE: quantile needs a share between 0 and 1, such as 0.99 — write quantile(field, 0.99)',
    ],
    [
      'sum(http.response.body.bytes + 1, 2)',
      '14:62 MEASURE: sum takes a field, and nothing behind it — write sum(field)',
    ],
    ['distinct(*) filter (where true)', '14:28 MEASURE: distinct needs a field — write distinct(field)'],
  ])('%s is refused', async (text, ...problems) =>
    expect(await problemsOfSql(changed('requests: count', `requests: "${text}"`))).toEqual(problems),
  );
});
