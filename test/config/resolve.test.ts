import { RESTART_DEFAULTS } from '../../src/supervisor/restart-strategy.ts';
import { describe, expect, test } from '@jest/globals';
import { resolve } from 'node:path';
import { describeConfig } from '../../src/cli/check.ts';
import { documentPipeline } from '../../src/roles/sinks/document-pipeline.ts';
import { COMPONENTS } from '../../src/components.ts';
import { resolveText } from '../support/configs.ts';
import { tablesOf } from '../../src/config/tables.ts';
import { RIGHT_CONFIG, changed, problemsOf, refuses } from '../support/broken-config.ts';

const OF_JSON = (by: string): readonly [string, string] => [
  'codec: { type: combined }\n    event_time: { out_of_orderness: 60s }\nrollups:\n  traffic:\n    from: access\n    by: [url.path]',
  `codec: { type: json, fields: { time: date, status: long, a.b: keyword, a_b: keyword, é: keyword } }\n    event_time: { field: time }\nrollups:\n  traffic:\n    from: access\n    by: ${by}`,
];
const named = (by: string): string => changed(...OF_JSON(by)).replace(', bytes: sum(http.response.body.bytes)', '');

refuses(
  'a source into nowhere',
  'stream: access }',
  'stream: acess }',
  '4:59 UNKNOWN_STREAM: there is no stream "acess" — did you mean "access"?',
);
refuses(
  'a data_dir that a shell would find',
  'name: web',
  'name: web\ndata_dir: ~/logs',
  '3:11 VALUE: data_dir begins with ~, which is for a shell — write the folder out, or ./~ for one that is called so',
);
refuses(
  "a data_dir in the kernel's folders",
  'name: web',
  'name: web\ndata_dir: /proc/x',
  "3:11 VALUE: data_dir lies in /proc, which is the kernel's — name a folder on a disk",
);
refuses(
  'a class that runs backwards in a pattern',
  '[logs/access.log*]',
  '["logs/app[a-Z].log"]',
  '4:32 VALUE: sources.web.include[0] is "logs/app[a-Z].log" — the range a-Z runs backwards: write [A-Za-z], or \\[ for a bracket that is meant',
);
refuses(
  'a class that runs backwards in what is left out',
  '[logs/access.log*]',
  '[logs/access.log*], exclude: ["*.gz", "[9-0]"]',
  '4:69 VALUE: sources.web.exclude[1] is "[9-0]" — the range 9-0 runs backwards: write [0-9], or \\[ for a bracket that is meant',
);
refuses(
  'a folder that only a shell finds',
  '[logs/access.log*]',
  '["~/logs/*.log"]',
  '4:32 VALUE: sources.web.include[0] is "~/logs/*.log" — ~ is for a shell: write the folder out, or ./~ for one that is called so',
);
refuses(
  'an event time that no line has',
  '{ out_of',
  '{ field: timestamp, out_of',
  '8:26 UNKNOWN_FIELD: the stream\'s lines have no field "timestamp" — did you mean "@timestamp"?',
);
refuses(
  'an event time that is no date',
  '{ out_of',
  '{ field: url.path, out_of',
  '8:26 VALUE: event time needs a date, and url.path is a keyword — name a field of type date, or read_at',
);
refuses(
  'a time zone that is none',
  '{ out_of',
  '{ time_zone: CEST, out_of',
  '8:30 VALUE: streams.access.event_time.time_zone is "CEST" — expects a name of the time zone data, such as Europe/Berlin',
);
refuses(
  'a time zone for lines that all have one',
  '{ out_of',
  '{ time_zone: Europe/Berlin, out_of',
  '8:30 VALUE: times of combined lines have a zone of their own — leave time_zone out',
);
test('a time zone goes with the stream, to rollups and to documents', () => {
  const text = named('[status]')
    .replace('{ field: time }', '{ field: time, time_zone: Europe/Berlin }')
    .replace('by: [status]', 'by: []');
  const { config } = resolveText(text, 'tailrace.yaml', {});
  const stream = config.pipeline.streams['access']!;
  expect(stream.eventTime).toMatchObject({ field: 'time', timeZone: 'Europe/Berlin' });
  expect(documentPipeline(config, 'access', stream).streams['access']?.eventTime.timeZone).toBe('Europe/Berlin');
  expect(describeConfig(config, COMPONENTS)).toContain(
    'event time time, by the clock of Europe/Berlin where no zone is written',
  );
});
refuses(
  'a stream nobody feeds',
  '    event_time: { out_of_orderness: 60s }',
  '    event_time: { out_of_orderness: 60s }\n  other: { codec: { type: common } }',
  '9:3 UNUSED: no source feeds the stream other — add a source with stream: other',
);
refuses(
  'a stream nobody reads',
  'streams:',
  '  more: { type: file, include: [b.log], stream: other }\nstreams:\n  other: { codec: { type: common } }',
  '7:3 UNUSED: no rollup reads the stream other — add a rollup with from: other',
);
refuses(
  'a rollup from nowhere',
  '    from: access',
  '    from: syslog',
  '11:11 UNKNOWN_STREAM: there is no stream or table "syslog" — one of: access',
);
refuses(
  'an unknown key field',
  '[url.path]',
  '[url.pth]',
  '12:10 UNKNOWN_FIELD: the stream\'s lines have no field "url.pth" — did you mean "url.path"?',
);
refuses(
  'the same key twice',
  '[url.path]',
  '[url.path, url.path]',
  '12:20 COLUMN_CLASH: the key url.path and the key url.path would both be the column url_path — leave one out',
);
refuses(
  'the same key twice, once in a map',
  '[url.path]',
  '[url.path, { field: url.path }]',
  '12:20 COLUMN_CLASH: the key url.path and the key url.path would both be the column url_path — leave one out',
);
test.each([
  [
    '[status]',
    "12:10 COLUMN_CLASH: the key status and every table's own status would both be the column status — name it: { field: status, as: http_status }",
  ],
  [
    '[a.b, a_b]',
    '12:15 COLUMN_CLASH: the key a_b and the key a.b would both be the column a_b — name it: { field: a_b, as: log_a_b }',
  ],
  [
    '[status, { field: a_b, as: http_status }]',
    "12:10 COLUMN_CLASH: the key status and every table's own status would both be the column status — name it: { field: status, as: http_status }",
  ],
  [
    '[{ field: a_b, as: http_status }, status]',
    "12:43 COLUMN_CLASH: the key status and every table's own status would both be the column status — name it: { field: status, as: http_status_2 }",
  ],
  [
    '[é, { field: a_b, as: _ }]',
    '12:31 COLUMN_CLASH: the key a_b and the key é would both be the column _ — name it: { field: a_b, as: log_a_b }',
  ],
  [
    '[{ field: a_b, as: lines }]',
    "12:28 COLUMN_CLASH: the key a_b and every table's own lines would both be the column lines — name it: { field: a_b, as: log_a_b }",
  ],
  ['[{ field: a-b, as: x }]', '12:19 UNKNOWN_FIELD: the stream\'s lines have no field "a-b" — did you mean "a.b"?'],
  [
    '[{ field: status, as: Http-Status }]',
    '12:31 VALUE: rollups.traffic.by[0].as is "Http-Status" — expects a name for SQL: lower-case letters, digits and _, at most 63, not beginning with a digit',
  ],
  ['[{ as: x }]', '12:10 MISSING_KEY: "field" is missing in rollups.traffic.by[0] — it is text'],
  ['[7]', '12:10 VALUE: rollups.traffic.by[0] is 7 — expects the name of a field, or { field, as }'],
  ['[{ field: status, az: x }]', '12:27 UNKNOWN_KEY: unknown key "az" in rollups.traffic.by[0] — did you mean "as"?'],
])('by: %s is refused', (by, problem) => expect(problemsOf(named(by))).toEqual([problem]));

test('a key that every document has itself is refused where rows become documents', () => {
  const sinks = "sinks: { search: { type: elasticsearch, nodes: ['http://e:9200'] } }\n";
  const of = (by: string): string[] =>
    problemsOf(
      `${named(by)}${sinks}`.replace('time: date', '"@timestamp": date').replace('field: time', 'field: "@timestamp"'),
    );
  expect(of('["@timestamp"]')).toEqual([
    '12:10 COLUMN_CLASH: the key @timestamp and a field of every document would both be @timestamp — name it: { field: "@timestamp", as: log_timestamp }',
  ]);
  expect(of('[{ field: "@timestamp", as: log_timestamp }]')).toEqual([]);
});

test('a key column is named as the file says', () => {
  const { config } = resolveText(named('[{ field: status, as: http_status }, { field: a.b }]'), 'tailrace.yaml', {});
  expect(config.pipeline.rollups['traffic']?.by).toEqual([
    { field: 'status', type: 'long', column: 'http_status', as: 'http_status' },
    { field: 'a.b', type: 'keyword', column: 'a_b' },
  ]);
});

refuses(
  'a window by the clock that no day is a multiple of',
  'size: 1m',
  'size: 5h, time_zone: Europe/Berlin',
  "13:37 VALUE: with a time_zone a day must be a multiple of the window's size, and 5h does not divide it — write 1h, 6h or 1d",
);
refuses(
  'a window of a zone that is none',
  'size: 1m',
  'size: 1h, time_zone: Europe/Berlim',
  '13:52 VALUE: rollups.traffic.window.time_zone is "Europe/Berlim" — expects a name of the time zone data, such as Europe/Berlin',
);
refuses(
  'a window that slides over its end',
  '{ type: tumbling, size: 1m }',
  '{ type: sliding, size: 1m, slide: 2m }',
  '13:47 VALUE: the slide of a window must not be more than its size — with slide: size it is a tumbling window; lines between windows would be in none',
);
refuses(
  'a window of too many panes',
  '{ type: tumbling, size: 1m }',
  '{ type: sliding, size: 1h, slide: 7s }',
  '13:47 VALUE: a window would have 3600 panes of 1s, and may have 1000 — choose a longer slide, best one that the size is a multiple of',
);
refuses(
  'more rows than a jump of the clock may give at once',
  '{ type: tumbling, size: 1m }',
  '{ type: sliding, size: 24h, slide: 2m }\n    rows_max: 100000',
  '14:15 VALUE: 100,000 keys in 720 windows that overlap may give 72,000,000 rows at once, when the clock jumps; 64,000,000 are the most — say rows_max: 88888 or less, or choose a longer slide',
);
refuses(
  'an offset as long as its window',
  'size: 1m',
  'size: 1m, offset: 60s',
  '13:49 VALUE: the offset of a window must be less than its size',
);
refuses(
  'a measure with the name of a key',
  'requests: count',
  'url_path: count',
  '14:17 COLUMN_CLASH: the measure url_path and the key url.path would both be the column url_path — choose another name',
);
refuses(
  'a measure with a reserved name',
  'requests: count',
  'status: count',
  "14:17 COLUMN_CLASH: the measure status and every table's own status would both be the column status — choose another name",
);

test.each([
  ['{ type: tumbling, size: 1d }', 1_000_000],
  ['{ type: sliding, size: 5m, slide: 1m }', 1_000_000],
  ['{ type: sliding, size: 24h, slide: 2m }', 22_222],
  ['{ type: sliding, size: 24h, slide: 2m }\n    rows_max: 88888', 88_888],
])('%s has at most %d keys', (window, rowsMax) => {
  const { config } = resolveText(changed('{ type: tumbling, size: 1m }', window), 'tailrace.yaml', {});
  expect(config.pipeline.rollups['traffic']!.rowsMax).toBe(rowsMax);
});

test('problems of all sections are shown at once, in the order of the file', () => {
  const text = changed('60s', '60', changed('[url.path]', '[url.pth]', changed('name: web', 'nam: web')));
  expect(problemsOf(text).map((problem) => problem.split(':').slice(0, 3).join(':'))).toEqual([
    '2:1 UNKNOWN_KEY: unknown key "nam" — did you mean "name"?',
    '8:37 WRONG_TYPE: streams.access.event_time.out_of_orderness is the number 60 — expects a duration with its unit',
    '12:10 UNKNOWN_FIELD: the stream\'s lines have no field "url.pth" — did you mean "url.path"?',
  ]);
});

test('what the file leaves out is filled in, and every path is absolute', () => {
  const { config, warnings } = resolveText(RIGHT_CONFIG, 'somewhere/tailrace.yaml', {});
  const folder = resolve('somewhere');
  expect(warnings).toEqual([]);
  expect(config).toEqual({
    file: `${folder}/tailrace.yaml`,
    name: 'web',
    dataDir: `${folder}/tailrace-data`,
    broker: { type: 'embedded', topicPrefix: 'tailrace', retainMs: 7 * 86_400_000, diskBytesMax: 20 * 1024 ** 3 },
    agent: { id: null },
    inputs: [
      {
        name: 'web',
        type: 'file',
        stream: 'access',
        include: [`${folder}/logs/access.log*`],
        exclude: [],
        lineBytesMax: expect.any(Number),
        copyGraceMs: 30_000,
      },
    ],
    pipeline: {
      version: 1,
      name: 'web',
      streams: {
        access: {
          partitions: 1,
          codec: { type: 'combined' },
          eventTime: {
            field: '@timestamp',
            outOfOrdernessMs: 60_000,
            idleTimeoutMs: 30_000,
            maxFutureMs: 3_600_000,
            agentLostTimeoutMs: 3_600_000,
          },
        },
      },
      rollups: {
        traffic: {
          from: 'access',
          rowsMax: 1_000_000,
          by: [{ field: 'url.path', type: 'keyword', column: 'url_path' }],
          window: { type: 'tumbling', sizeMs: 60_000, offsetMs: 0 },
          allowedLatenessMs: 0,
          measures: [
            { name: 'requests', aggregate: 'count' },
            { name: 'bytes', aggregate: 'sum', field: 'http.response.body.bytes', fieldType: 'long' },
          ],
        },
      },
      tables: tablesOf(config!.pipeline.rollups, COMPONENTS),
    },
    sinks: { warehouse: { type: 'duckdb' } },
    engine: { workers: 1, assignment: 'static' },
    checkpoint: { intervalMs: 1000, minPauseMs: 0, timeoutMs: 60_000 },
    snapshotBytes: 64 * 1024 * 1024,
    restart: RESTART_DEFAULTS,
    observe: { listen: null, token: null },
  });
});

test('the configuration is plain JSON: what a role reads is what run had', () => {
  const { config } = resolveText(RIGHT_CONFIG, 'tailrace.yaml', {});
  expect(JSON.parse(JSON.stringify(config))).toEqual(config);
});

test('processing time needs no field of the codec', () => {
  const text = changed('{ out_of_orderness: 60s }', '{ field: read_at }');
  const { config } = resolveText(text, 'tailrace.yaml', {});
  expect(config.pipeline.streams['access']?.eventTime.field).toBe('read_at');
});

test.each(['  traffic:', '  access:\n    codec', 'requests: count'])(
  'no name is one that every object has: in place of %j',
  (name) => {
    const text = changed(name, name.replace(/[a-z]+/, 'constructor')).replaceAll(/(from|stream): access/g, (whole) =>
      name.includes('access') ? whole.replace('access', 'constructor') : whole,
    );
    expect(problemsOf(text).join()).toContain('the name "constructor" cannot be used');
  },
);

describe('a session window', () => {
  const text = (more: { partitions?: number; by?: string }): string =>
    RIGHT_CONFIG.replace('{ type: tumbling, size: 1m }', '{ type: session, gap: 30m, max_length: 12h }')
      .replace('    event_time:', `    partitions: ${more.partitions ?? 1}\n    event_time:`)
      .replace('requests: count,', `${more.by ?? 'requests'}: count,`);

  test('is resolved, and its table has what a session has', () => {
    const { config } = resolveText(text({}), 'tailrace.yaml', {});
    const { rollups, tables } = config.pipeline;
    expect(rollups['traffic']!.window).toEqual({ type: 'session', gapMs: 1_800_000, lengthMsMax: 43_200_000 });
    expect(tables['traffic']!.identity).toEqual(['id_a', 'id_b', 'is_other', 'url_path']);
  });

  test('is refused where files are spread over partitions', () => {
    expect(() => resolveText(text({ partitions: 2 }), 'tailrace.yaml', {})).toThrow(
      'needs all lines of a key in one partition, and the files of web are spread over the 2 of access',
    );
  });

  test('has columns of its own, which other tables may have', () => {
    expect(() => resolveText(text({ by: 'duration_ms' }), 'tailrace.yaml', {})).toThrow('duration_ms');
    const tumbling = RIGHT_CONFIG.replace('requests: count', 'duration_ms: count');
    expect(resolveText(tumbling, 'tailrace.yaml', {}).config.pipeline.rollups['traffic']!.measures[0]!.name).toBe(
      'duration_ms',
    );
  });
});
