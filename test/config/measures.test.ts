import { expect, test } from '@jest/globals';
import { COMPONENTS } from '../../src/components.ts';
import { sharingSketches } from '../../src/config/measures.ts';
import { parseMeasure } from '../../src/config/sql-measures.ts';
import { SqlParser } from '../../src/expressions/sql-parser.ts';
import type { MeasureSpec } from '../../src/epoch/table.ts';
import { refuses } from '../support/broken-config.ts';

refuses(
  'a measure of the future',
  'requests: count',
  'visitors: histogram(http.response.body.bytes)',
  '14:27 NOT_BUILT: the aggregate histogram is not built yet — there are count, sum, min, max, avg, stddev, distinct, quantile, first, last, top',
);
refuses(
  'an unknown aggregate',
  'requests: count',
  'requests: cont',
  '14:27 MEASURE: there is no aggregate "cont" — did you mean "count"?',
);
refuses(
  'a sum over text',
  'sum(http.response.body.bytes)',
  'sum(url.path)',
  '14:41 MEASURE: sum needs a number, and url.path is a keyword — numbers are destination.port, source.port, http.response.status_code, http.response.body.bytes',
);
refuses(
  'a sum of nothing',
  'sum(http.response.body.bytes)',
  'sum',
  '14:41 MEASURE: sum needs a field — write sum(field)',
);
refuses(
  'a sum over an unknown field',
  'sum(http.response.body.bytes)',
  'sum(bytes)',
  '14:41 UNKNOWN_FIELD: the stream\'s lines have no field "bytes" — did you mean "http.response.body.bytes"?',
);
refuses(
  'a measure that is an expression',
  'requests: count',
  'requests: count + 1',
  '14:27 MEASURE: "count + 1" is not a measure — write count, count(field) or sum(field)',
);
refuses(
  'a parameter without a field',
  'requests: count',
  "requests: 'count(,3)'",
  '14:27 MEASURE: "count(,3)" is not a measure — write count, count(field) or sum(field)',
);
refuses(
  'a quantile of a text',
  'requests: count',
  'requests: p99(url.path)',
  '14:27 MEASURE: quantile needs a number, and url.path is a keyword — numbers are destination.port, source.port, http.response.status_code, http.response.body.bytes',
);
refuses(
  'a quantile without its share',
  'requests: count',
  'requests: quantile(http.response.body.bytes)',
  '14:27 MEASURE: quantile needs a share between 0 and 1, such as 0.99 — write quantile(field, 0.99)',
);
refuses(
  'a quantile of hundredths',
  'requests: count',
  "requests: 'quantile(http.response.body.bytes, 99)'",
  '14:27 MEASURE: quantile needs a share between 0 and 1, such as 0.99 — write quantile(field, 0.99)',
);
refuses(
  'a hundredth percentile',
  'requests: count',
  'requests: p100(http.response.body.bytes)',
  '14:27 MEASURE: there is no aggregate "p100" — write p1 to p99, p999, or quantile(field, 0.99)',
);
refuses(
  'a p99 with a share of its own',
  'requests: count',
  "requests: 'p99(http.response.body.bytes, 0.5)'",
  '14:27 MEASURE: p99 takes a field, and nothing behind it — write p99(field)',
);
refuses(
  'a sum with something behind its field',
  'requests: count',
  "requests: 'sum(http.response.body.bytes, 2)'",
  '14:27 MEASURE: sum takes a field, and nothing behind it — write sum(field)',
);

test('quantiles of one field share what they keep', () => {
  const { fields } = { fields: { took: 'long', size: 'long', user: 'keyword' } as const };
  const context = { aggregates: Object.values(COMPONENTS.aggregates), lines: { fields }, parser: new SqlParser() };
  const texts = [
    'p50(took)',
    'sum(took)',
    'p999(took)',
    'quantile(took , 0.25 )',
    'median(size)',
    'distinct(user)',
    'distinct(took)',
  ];
  const parsed = texts.map((text, i) => parseMeasure(`m${i}`, text, context) as MeasureSpec);
  const shared = sharingSketches(parsed, COMPONENTS.aggregates);
  expect(shared.map(({ aggregate, parameter, sketchOf }) => [aggregate, parameter, sketchOf])).toEqual([
    ['quantile', 0.5, undefined],
    ['sum', undefined, undefined],
    ['quantile', 0.999, 'm0'],
    ['quantile', 0.25, 'm0'],
    ['quantile', 0.5, undefined],
    ['distinct', undefined, undefined],
    ['distinct', undefined, undefined],
  ]);
});
