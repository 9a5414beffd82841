// Measures in SQL: what they come to, and what is wrong with those that cannot be.
import { describe, expect, test } from '@jest/globals';
import { COMPONENTS } from '../../src/components.ts';
import { sharingSketches } from '../../src/config/measures.ts';
import { parseMeasure } from '../../src/config/sql-measures.ts';
import { fingerprint } from '../../src/epoch/fingerprint.ts';
import type { MeasureSpec } from '../../src/epoch/table.ts';
import { SqlParser } from '../../src/expressions/sql-parser.ts';
import { describeConfig } from '../../src/cli/check.ts';
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
  if (spec === undefined || !('aggregate' in spec)) throw new Error(`${text}: ${JSON.stringify(spec)}`);
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
      '14:79 EXPRESSION: a whole number cannot be compared with text — write 500',
    ],
    ['count(*) filter (where 1 > 2)', '14:53 MEASURE: this condition is never true — no line would be taken'],
    ['sum(url.path || user.name)', '14:41 MEASURE: sum needs a number, and this is text'],
    [
      'sum(http.response.status_code >= 500)',
      '14:58 MEASURE: sum needs a number, and this is a condition — write count(*) filter (where …)',
    ],
    ['sum(distinct http.response.status_code)', '14:28 MEASURE: sum(distinct …) is not supported — write sum(…)'],
    ['count(distinct url.path)', '14:28 MEASURE: count(distinct …) is not supported — write distinct(…)'],
    [
      'first(url.path order by user.name)',
      '14:28 MEASURE: first does not take ORDER BY — first and last go by event time; leave ORDER BY out',
    ],
    [
      'sum(http.response.body.bytes) / count(*)',
      '14:60 MEASURE: a measure is one aggregate — make each aggregate a measure, and write their names here: errors / requests',
    ],
    [
      'count(*) + 1',
      '14:28 MEASURE: a measure is one aggregate — make each aggregate a measure, and write their names here: errors / requests',
    ],
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
    ['count(*)) order by (1', '14:28 MEASURE: this is not one expression'],
    [
      'count(*) filter (where constructor(url.path))',
      '14:51 EXPRESSION: expressions do not have the function constructor',
    ],
    [
      'constructor(lower(url.path))',
      '14:28 MEASURE: there is no aggregate "constructor" — one of: count, sum, min, max, avg, stddev, distinct, quantile, … (17 in all)',
    ],
    ['min(x => 1)', '14:28 MEASURE: min takes arguments without names — write min(field)'],
    ['foo.count(*)', '14:28 MEASURE: there is no aggregate "foo.count" — write count(…)'],
    ['url.path.distinct()', '14:28 MEASURE: there is no aggregate "url.path.distinct" — write distinct(…)'],
  ])('%s is refused', async (text, ...problems) =>
    expect(await problemsOfSql(changed('requests: count', `requests: "${text}"`))).toEqual(problems),
  );
});

describe('a measure of others', () => {
  const REQUESTS = 'requests: count, bytes: sum(http.response.body.bytes)';
  const textWith = (measures: string): string => changed(REQUESTS, `${REQUESTS}, ${measures}`);

  test('names measures, keys, lines and the window, in any order, and itself nothing else', async () => {
    const { config } = await resolveSqlText(
      textWith('late: "size > 10 and url.path is not null", size: bytes / requests, double: round(size * 2)'),
    );
    const { derived } = config.pipeline.rollups['traffic']!;
    expect(derived!.map(({ name, text, tree }) => [name, tree.type, text])).toEqual([
      ['size', 'double', 'bytes / requests'],
      ['late', 'boolean', 'size > 10 and url.path is not null'],
      ['double', 'double', 'round(size * 2)'],
    ]);
    const shown = describeConfig(config, COMPONENTS);
    expect(shown).toMatch(/^ {2}size +DOUBLE +bytes \/ requests$/m);
    expect(shown).toMatch(/^ {2}late +BOOLEAN +size > 10 and url\.path is not null$/m);
  });

  test('may be another one as it is', async () => {
    const { config } = await resolveSqlText(textWith('again: bytes'));
    expect(config.pipeline.rollups['traffic']!.derived).toMatchObject([{ name: 'again', tree: { name: 'bytes' } }]);
  });

  test('is a field of those that read the table', async () => {
    const hour =
      '  per_hour: { from: traffic, window: { type: tumbling, size: 1h }, measures: { worst: max(size) } }\n';
    const { config } = await resolveSqlText(textWith('size: bytes / requests') + hour);
    expect(config.pipeline.rollups['per_hour']!.measures).toMatchObject([{ field: 'size', fieldType: 'double' }]);
    const spread = textWith('size: bytes / requests').replace(
      '{ type: combined }',
      '{ type: combined }\n    partitions: 2',
    );
    expect(await problemsOfSql(spread + hour)).toEqual([
      '16:87 VALUE: max(size) would not be that of whole rows: rows of traffic are partial: each of the 2 partitions of access has its own — take the sum of a count or a sum, the min of a min, the max of a max; or say partitions: 1',
    ]);
  });

  test.each<[measures: string, ...problems: string[]]>([
    ['a: b + 1, b: a + 1', '14:75 MEASURE: a and b refer to each other — let one of them be an aggregate'],
    ['a: b + 1, b: c + 1, c: b + 1', '14:85 MEASURE: b and c refer to each other — let one of them be an aggregate'],
    ['a: a + 1', '14:75 MEASURE: a refers to itself — let one of them be an aggregate'],
    ['a: b + 1, b: c + 1, c: a + 1', '14:75 MEASURE: a, b and c refer to each other — let one of them be an aggregate'],
    ['a: request / 2', '14:75 EXPRESSION: the rows of this table have no field "request" — did you mean "requests"?'],
    ['a: count / 2', '14:75 MEASURE: "count / 2" is not a measure — write count, count(field) or sum(field)'],
    ['a: b / 2, b: summ(url.path)', '14:85 MEASURE: there is no aggregate "summ" — did you mean "sum"?'],
    ['a: 1 + 1', '14:75 MEASURE: "1 + 1" is not a measure — write count, count(field) or sum(field)'],
    [
      'status: requests / 2',
      "14:72 COLUMN_CLASH: the measure status and every table's own status would both be the column status — choose another name",
    ],
  ])('%s is refused', async (measures, ...problems) =>
    expect(await problemsOfSql(textWith(measures))).toEqual(problems),
  );
});

describe('the condition of a table', () => {
  const textWith = (where: string): string => changed('by: [url.path]', `where: "${where}"\n    by: [url.path]`);

  test('is part of what the table is, however it is written', async () => {
    const specs = await Promise.all(
      ['http.response.status_code >= 500', '(http.response.status_code>=500)', 'user.name is null', 'true'].map(
        async (text) => (await resolveSqlText(textWith(text))).config.pipeline.rollups['traffic']!,
      ),
    );
    const [one, same, other, all] = specs.map((spec) => fingerprint(spec));
    expect([same, specs[3]!.where]).toEqual([one, undefined]);
    expect(new Set([one, other, all]).size).toBe(3);
  });

  test.each<[where: string, ...problems: string[]]>([
    [
      'status',
      '12:13 EXPRESSION: the stream\'s lines have no field "status" — did you mean "http.response.status_code"?',
    ],
    [
      'http.response.status_code',
      '12:13 EXPRESSION: a condition is needed here, and this is a whole number — compare it with something: … > 0, … is not null',
    ],
    ['1 = 2', '12:12 EXPRESSION: this condition is never true — no line would be taken'],
  ])('%s is refused', async (where, ...problems) => expect(await problemsOfSql(textWith(where))).toEqual(problems));

  test('over rows of several partitions names keys alone', async () => {
    const hour = (where: string): string =>
      `  per_hour: { from: traffic, where: "${where}", window: { type: tumbling, size: 1h }, measures: { requests: sum(requests) } }\n`;
    const spread = changed('{ type: combined }', '{ type: combined }\n    partitions: 2');
    expect(await problemsOfSql(spread + hour("url.path <> '/'"))).toEqual([]);
    expect(await problemsOfSql(spread + hour('requests > 10'))).toEqual([
      '16:37 VALUE: requests cannot be in a condition here: rows of traffic are partial: each of the 2 partitions of access has its own — take keys of that table, or say partitions: 1',
    ]);
  });
});
