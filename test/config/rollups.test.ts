// Rollups that read the rows of other tables: what of them can be used, and what is said of the rest.
import { describe, expect, test } from '@jest/globals';
import { describeConfig } from '../../src/cli/check.ts';
import type { Config } from '../../src/config/config.ts';
import { COMPONENTS } from '../../src/components.ts';
import { resolveText } from '../support/configs.ts';
import { problemsOf } from '../support/broken-config.ts';

const DAY = '{ type: tumbling, size: 1d }';
const HEAD = (partitions: number, source: string, stream: string): string => `version: 1
name: web
sources: { web: { ${source}, stream: ${stream} } }
streams: { ${stream}: { codec: { type: combined }, partitions: ${partitions} } }
rollups:
`;
const FILES = 'type: file, include: [/logs/access.log]';

/** Line 6 is the first of these rollups, each a name and what stands in its braces; they read `access`. */
function textOf(rollups: Readonly<Record<string, string>>, partitions = 1, source = FILES, stream = 'access'): string {
  const lines = Object.entries(rollups).map(([name, fields]) => `  ${name}: { ${fields} }\n`);
  return HEAD(partitions, source, stream) + lines.join('');
}

const MINUTE =
  'from: access, by: [url.path], window: { type: tumbling, size: 1m }, measures: { requests: count, bytes: sum(http.response.body.bytes), least: min(http.response.body.bytes), mean: avg(http.response.body.bytes) }';
const VISITS = 'from: access, by: [client.ip], window: { type: session, gap: 30m }, measures: { pages: count }'.replace(
  'client.ip',
  'source.ip',
);

function configOf(rollups: Readonly<Record<string, string>>): Config {
  return resolveText(textOf(rollups), 'tailrace.yaml', {}).config;
}

describe('a table that reads a table', () => {
  const { pipeline, ...rest } = configOf({
    per_day: `from: per_hour, window: ${DAY}, measures: { requests: sum(requests), peak: max(mean) }`,
    per_hour:
      'from: per_minute, by: [url.path], window: { type: tumbling, size: 1h }, measures: { requests: sum(requests), mean: avg(mean) }',
    per_minute: `${MINUTE}, allowed_lateness: 5m`,
    visits_per_day:
      `from: visits, window: ${DAY}, measures: { visits: count, mean: avg(duration_ms), pages: sum(pages), lines: sum(lines) }`.replace(
        'lines: sum',
        'all_lines: sum',
      ),
    visits: `${VISITS}, allowed_lateness: 1h`,
  });

  test('may stand before it, and has the types of its columns', () => {
    expect(Object.keys(pipeline.rollups)).toEqual(['per_day', 'per_hour', 'per_minute', 'visits_per_day', 'visits']);
    expect(pipeline.rollups['per_day']).toMatchObject({
      from: 'per_hour',
      measures: [
        { name: 'requests', aggregate: 'sum', field: 'requests', fieldType: 'long' },
        { name: 'peak', aggregate: 'max', field: 'mean', fieldType: 'double' },
      ],
    });
    expect(pipeline.rollups['per_hour']!.by).toEqual([{ field: 'url.path', type: 'keyword', column: 'url_path' }]);
    expect(pipeline.rollups['visits_per_day']!.measures.map(({ fieldType }) => fieldType)).toEqual([
      undefined,
      'long',
      'long',
      'long',
    ]);
  });

  test('is of the same stream, and final as much later as the tables below it are', () => {
    const shown = Object.values(pipeline.tables).map(({ table, stream, input, allowedLatenessMs }) => [
      table,
      stream,
      input,
      allowedLatenessMs,
    ]);
    expect(shown).toEqual([
      ['per_minute', 'access', undefined, 300_000],
      ['visits', 'access', undefined, 3_600_000],
      ['per_hour', 'access', 'per_minute', 300_000],
      ['visits_per_day', 'access', 'visits', 3_600_000],
      ['per_day', 'access', 'per_hour', 300_000],
    ]);
  });

  test('is described as such', () => {
    expect(describeConfig({ pipeline, ...rest }, COMPONENTS)).toContain(
      'table per_hour: windows of 1h over the final rows of per_minute, ',
    );
  });
});

test.each<[what: string, rollups: Readonly<Record<string, string>>, ...problems: string[]]>([
  [
    'a name of nothing',
    { per_minute: MINUTE, per_hour: `from: per_minut, window: ${DAY}, measures: { n: count }` },
    '7:21 UNKNOWN_STREAM: there is no stream or table "per_minut" — did you mean "per_minute"?',
  ],
  [
    'itself',
    { a: `from: a, window: ${DAY}, measures: { n: count }`, b: MINUTE },
    '6:14 VALUE: table a reads itself — let one of them read a stream',
  ],
  [
    'what reads it, and what reads that',
    {
      c: `from: b, window: ${DAY}, measures: { n: count }`,
      a: `from: b, window: ${DAY}, measures: { n: count }`,
      b: `from: a, window: ${DAY}, measures: { n: sum(nothing) }`,
      d: MINUTE,
    },
    '7:14 VALUE: a reads b reads a: a circle — let one of them read a stream',
  ],
  [
    'a field that its rows do not have',
    {
      per_minute: MINUTE,
      a: `from: per_minute, by: [url_path], window: ${DAY}, measures: { n: sum(http.response.body.bytes) }`,
    },
    '7:31 UNKNOWN_FIELD: the rows of per_minute have no field "url_path" — did you mean "url.path"?',
    '7:95 UNKNOWN_FIELD: the rows of per_minute have no field "http.response.body.bytes" — one of: window_start, window_end, revision, lines, url.path, requests, bytes, least, … (9 in all)',
  ],
  [
    'a sum of times',
    { per_minute: MINUTE, a: `from: per_minute, window: ${DAY}, measures: { n: sum(window_start) }` },
    '7:79 MEASURE: sum needs a number, and window_start is a date — numbers are revision, lines, requests, bytes, least',
  ],
  [
    'lateness, which its rows do not have',
    { per_minute: MINUTE, a: `from: per_minute, window: ${DAY}, allowed_lateness: 1h, measures: { n: count }` },
    '7:82 VALUE: the rows of per_minute are never late: there is nothing to wait for — leave it out, and say at the table that reads the stream how long lines may be late',
  ],
])('what cannot be read: %s', (_what, rollups, ...problems) => {
  expect(problemsOf(textOf(rollups))).toEqual(problems);
});

test('a name of a stream and of a table is refused', () => {
  const rollups = { access: MINUTE, a: `from: access, window: ${DAY}, measures: { n: count }` };
  expect(problemsOf(textOf(rollups))).toEqual([
    '7:14 VALUE: "access" is a stream, and a table too — give the table another name',
  ]);
  expect(problemsOf(textOf({ access: MINUTE }))).toEqual([]);
});

describe('over several partitions', () => {
  const KAFKA = 'type: kafka, brokers: ["localhost:9092"], topics: [web]';
  const partial = (fields: string): string[] =>
    problemsOf(textOf({ per_minute: MINUTE, a: `from: per_minute, ${fields}` }, 3));

  test('parts are brought together by sums of counts and sums, and by the min of a min', () => {
    const measures = '{ requests: sum(requests), bytes: sum(bytes), least: min(least), lines_read: sum(lines) }';
    expect(partial(`by: [url.path], window: ${DAY}, measures: ${measures}`)).toEqual([]);
  });

  test.each([
    ['n: count', 'count', 'write sum(lines) to count lines; to count rows, say partitions: 1'],
    ...['max(requests)', 'sum(least)', 'avg(mean)', 'sum(mean)', 'min(bytes)', 'max(least)'].map((text) => [
      `n: ${text}`,
      text,
      'take the sum of a count or a sum, the min of a min, the max of a max; or say partitions: 1',
    ]),
  ])('%s is refused', (measure, text, hint) => {
    const why = 'rows of per_minute are partial: each of the 3 partitions of access has its own';
    expect(partial(`window: ${DAY}, measures: { ${measure} }`)).toEqual([
      `7:79 VALUE: ${text} would not be that of whole rows: ${why} — ${hint}`,
    ]);
  });

  test('a key that is a result of parts is refused', () => {
    expect(partial(`by: [url.path, requests], window: ${DAY}, measures: { n: sum(lines) }`)).toEqual([
      '7:41 VALUE: requests cannot be a key here: rows of per_minute are partial: each of the 3 partitions of access has its own — take keys of that table, or say partitions: 1',
    ]);
  });

  test('sessions of parts are refused', () => {
    expect(partial('by: [url.path], window: { type: session, gap: 1h }, measures: { n: sum(requests) }')).toEqual([
      '7:58 VALUE: a session window needs all rows of a key in one partition, but each of the 3 partitions of access has its own rows of per_minute — say partitions: 1, or read the stream',
    ]);
  });

  test('sessions are whole where their key lies in one partition: all is right of them, but sessions need their keys', () => {
    const of = (fields: string): string[] =>
      problemsOf(textOf({ visits: VISITS, a: `from: visits, ${fields}` }, 3, KAFKA));
    const fine = of(`window: ${DAY}, measures: { visits: count, mean: avg(duration_ms), most: max(pages) }`);
    expect(fine.filter((problem) => problem.startsWith('7:'))).toEqual([]);
    const spread = of('window: { type: session, gap: 1d }, measures: { n: count }');
    expect(spread.filter((problem) => problem.startsWith('7:'))).toEqual([
      '7:38 VALUE: a session window needs all rows of a key in one partition, but each of the 3 partitions of access has its own rows of visits — add the keys of visits: source.ip; or say partitions: 1',
    ]);
    expect(
      of('by: [source.ip], window: { type: session, gap: 1d }, measures: { n: count }').filter((problem) =>
        problem.startsWith('7:'),
      ),
    ).toEqual([]);
  });
});
