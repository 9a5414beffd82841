import { describe, expect, test } from '@jest/globals';
import { describeConfig } from '../../src/cli/check.ts';
import { documentPipeline } from '../../src/roles/sinks/document-pipeline.ts';
import { elasticsearchTemplates } from '../../src/roles/sinks/elasticsearch-client.ts';
import type { Config } from '../../src/config/config.ts';
import type { ElasticsearchSinkConfig } from '../../src/roles/sinks/elasticsearch.ts';
import { COMPONENTS } from '../../src/components.ts';
import { resolveSqlText, resolveText } from '../support/configs.ts';
import { fingerprints, isSamePipeline } from '../../src/epoch/fingerprint.ts';
import { RIGHT_CONFIG, changed, problemsOf, problemsOfSql } from '../support/broken-config.ts';

const CODEC = '    codec: { type: combined }\n';

/** The right configuration with these transforms, from line 9 on. */
function textWith(transforms: readonly string[], by = 'url.path'): string {
  const list = transforms.map((transform) => `      - ${transform}\n`).join('');
  return changed('[url.path]', `[${by}]`, changed(CODEC, `${CODEC}    transforms:\n${list}`));
}

function configWith(transforms: readonly string[], by?: string): Config {
  return resolveText(textWith(transforms, by), 'tailrace.yaml', {}).config;
}

const RENAME = '{ type: rename, fields: { source.ip: client } }';

test.each<[what: string, transforms: string[], ...problems: string[]]>([
  [
    'a field that is not there',
    ['{ type: drop, fields: [rest, user.nam] }'],
    '9:38 UNKNOWN_FIELD: the stream\'s lines have no field "user.nam" — did you mean "user.name"?',
  ],
  [
    'a name of another that is not there',
    ['{ type: rename, fields: { source.ipp: client } }'],
    '9:35 UNKNOWN_FIELD: the stream\'s lines have no field "source.ipp" — did you mean "source.ip"?',
  ],
  [
    'the former name of a field',
    [RENAME, '{ type: drop, fields: [source.ip] }'],
    '10:32 UNKNOWN_FIELD: the stream\'s lines have no field "source.ip" — a transform calls it "client"',
  ],
  [
    'a field that was dropped',
    ['{ type: drop, fields: [source.ip] }', RENAME],
    '10:35 UNKNOWN_FIELD: the stream\'s lines have no field "source.ip" — a transform leaves it out',
  ],
  [
    'a name that is taken',
    ['{ type: rename, fields: { source.ip: source.address } }'],
    '9:46 VALUE: the lines have a field "source.address" already — choose another name, or drop that field before',
  ],
  [
    'one name for two fields',
    ['{ type: rename, fields: { source.ip: client, source.address: client } }'],
    '9:70 VALUE: the field "source.ip" gets the name "client" already — choose another name, or drop that field before',
  ],
  [
    'another name for event time',
    ['{ type: rename, fields: { "@timestamp": time } }'],
    '9:35 VALUE: event time is "@timestamp", and the rename would take it away — leave it out: event time keeps its name',
  ],
  [
    'another field in the place of event time',
    ['{ type: rename, fields: { "@timestamp": rest, rest: "@timestamp" } }'],
    '9:35 VALUE: event time is "@timestamp", and the rename would take it away — leave it out: event time keeps its name',
  ],
  [
    'a drop of event time',
    ['{ type: drop, fields: [rest, "@timestamp"] }'],
    '9:38 VALUE: event time is "@timestamp", and the drop would take it away — leave it out: event time keeps its name',
  ],
  [
    'a keep without event time',
    ['{ type: keep, fields: [url.path] }'],
    '9:9 VALUE: event time is "@timestamp", and the keep would take it away — add "@timestamp" to its fields',
  ],
  [
    'a keep of nothing',
    ['{ type: keep, fields: [] }'],
    '9:31 VALUE: streams.access.transforms[0].fields is [] — expects at least one field',
  ],
  [
    'a rename of nothing',
    ['{ type: rename, fields: {} }'],
    '9:33 VALUE: streams.access.transforms[0].fields is {} — expects a map: field → its new name',
  ],
  [
    'a transform that is not built',
    ['{ type: geoip, from: source.ip }'],
    '9:17 NOT_BUILT: streams.access.transforms[0] of type geoip is not built yet — there are rename, keep, drop, filter, derive',
  ],
  [
    'a transform that is none',
    ['{ type: renam, fields: {} }'],
    '9:17 UNKNOWN_TYPE: streams.access.transforms[0] has no type "renam" — did you mean "rename"?',
  ],
])('%s is refused', (_, transforms, ...problems) => expect(problemsOf(textWith(transforms))).toEqual(problems));

describe('expressions', () => {
  test.each<[what: string, transforms: string[], ...problems: string[]]>([
    [
      'a field that is not there',
      ["{ type: filter, where: \"url.path <> '/' and user.nam = 'x'\" }"],
      '9:53 EXPRESSION: the stream\'s lines have no field "user.nam" — did you mean "user.name"?',
    ],
    [
      'a number that is written as a text',
      ['{ type: filter, where: "http.response.status_code = \'500\'" }'],
      '9:61 EXPRESSION: a whole number cannot be compared with text — write 500',
    ],
    [
      'a condition that is none',
      ['{ type: filter, where: http.response.status_code }'],
      '9:32 EXPRESSION: a condition is needed here, and this is a whole number — compare it with something: … > 0, … is not null',
    ],
    ['SQL that is none', ['{ type: filter, where: "url.path = " }'], '9:44 EXPRESSION: the expression ends too early'],
    [
      'more than an expression',
      ['{ type: filter, where: "1 = 1) from (select 1" }'],
      '9:33 EXPRESSION: this is not one expression',
    ],
    [
      'a condition that is never true',
      ["{ type: filter, where: '1 = 0' }"],
      '9:32 EXPRESSION: this condition is never true — no line would be taken',
    ],
    [
      'a condition that is never known',
      ["{ type: filter, where: 'null' }"],
      '9:32 EXPRESSION: this condition is never true — no line would be taken',
    ],
    [
      'an empty one',
      ["{ type: filter, where: '' }"],
      '9:32 VALUE: streams.access.transforms[0].where is "" — expects an expression in SQL',
    ],
    [
      'a derived field over one of the same transform',
      ['{ type: derive, fields: { failed: http.response.status_code >= 500, bad: failed } }'],
      '9:82 EXPRESSION: the stream\'s lines have no field "failed" — one of: destination.domain, destination.port, source.address, source.ip, source.port, apache.access.user.identity, user.name, @timestamp, … (18 in all)',
    ],
    [
      'another event time',
      ['{ type: derive, fields: { "@timestamp": "@timestamp" } }'],
      '9:35 VALUE: event time is "@timestamp", and the derive would change it — leave it out: event time keeps its name',
    ],
  ])('%s is refused', async (_, transforms, ...problems) =>
    expect(await problemsOfSql(textWith(transforms))).toEqual(problems),
  );

  test.each(['1 = 0', 'null'])('that are never true take no documents either: %s', async (where) => {
    const documents = `[{ stream: access, where: '${where}' }]`;
    const sink = `sinks: { search: { type: elasticsearch, nodes: ['http://e:9200'], documents: ${documents} } }\n`;
    expect(await problemsOfSql(`${textWith([RENAME])}${sink}`)).toEqual([
      expect.stringMatching(/^\d+:\d+ EXPRESSION: this condition is never true — no line would be taken$/),
    ]);
  });

  test('over several lines of YAML are pointed at where they stand', async () => {
    const text = textWith([
      "type: filter\n        where: >-\n          url.path <> '/'\n          and user.nam is null",
    ]);
    expect(await problemsOfSql(text)).toEqual([
      '12:15 EXPRESSION: the stream\'s lines have no field "user.nam" — did you mean "user.name"?',
    ]);
  });

  test('written in another way are the same pipeline', async () => {
    const [one, same, other] = await Promise.all(
      ['url.path is null', '(url.path  is null)', 'url.path is not null'].map(
        async (where) => (await resolveSqlText(textWith([`{ type: filter, where: "${where}" }`]))).config.pipeline,
      ),
    );
    expect([isSamePipeline(one!, same!), isSamePipeline(one!, other!)]).toEqual([true, false]);
  });

  test('see what the transforms before have made', async () => {
    const { config } = await resolveSqlText(
      textWith(
        [
          '{ type: derive, fields: { failed: http.response.status_code >= 500 } }',
          '{ type: rename, fields: { failed: is_bad } }',
          '{ type: derive, fields: { worse: is_bad and source.ip is null } }',
          '{ type: filter, where: worse is not null }',
        ],
        'worse',
      ),
    );
    const { traffic } = config.pipeline.rollups;
    const made = `(((("http.response.status_code" >= CAST('500' AS BIGINT))) AND ("source.ip" IS NULL)))`;
    expect(traffic).toMatchObject({ origins: { worse: made }, filters: [`((${made} IS NOT NULL))`] });
    const shown = describeConfig(config, COMPONENTS);
    expect(shown).toContain(', worse\n    failed  BOOLEAN      http.response.status_code >= 500\n');
    expect(shown).toContain(
      '\n    worse   BOOLEAN      is_bad and source.ip is null\n    filter where worse is not null\n',
    );
  });
});

test('tables know the fields behind the transforms, and no others', () => {
  const hint = 'a transform calls it "client"';
  expect(problemsOf(textWith([RENAME], 'source.ip'))).toEqual([
    `14:10 UNKNOWN_FIELD: the stream's lines have no field "source.ip" — ${hint}`,
  ]);
  expect(problemsOf(textWith(['{ type: drop, fields: [http.response.body.bytes] }']))).toEqual([
    '16:41 UNKNOWN_FIELD: the stream\'s lines have no field "http.response.body.bytes" — a transform leaves it out',
  ]);
  const { by } = configWith([RENAME], 'client').pipeline.rollups['traffic']!;
  expect(by).toEqual([{ field: 'client', type: 'ip', column: 'client' }]);
});

test('event time may have any name where it is the moment of reading', () => {
  const text = changed('{ out_of', '{ field: read_at, out_of', textWith(['{ type: drop, fields: ["@timestamp"] }']));
  expect(problemsOf(text)).toEqual([]);
});

test('check shows the fields behind the transforms, renamed ones with their name in the codec', () => {
  const keep = '{ type: keep, fields: [client, "@timestamp", url.path, http.response.body.bytes] }';
  expect(describeConfig(configWith([RENAME, keep]), COMPONENTS)).toContain(
    '\n  fields client (source.ip), @timestamp, url.path, http.response.body.bytes\n',
  );
});

test('transforms are part of the pipeline of engine and documents; a stream without any says nothing of them', () => {
  const { pipeline, ...config } = configWith([RENAME]);
  const stream = pipeline.streams['access']!;
  expect(stream.transforms).toEqual([{ type: 'rename', fields: { 'source.ip': 'client' } }]);
  expect(documentPipeline({ ...config, pipeline }, 'access', stream).streams['access']!.transforms).toEqual(
    stream.transforms,
  );
  const without = configWith(['{ type: drop, fields: [rest] }']).pipeline;
  expect(isSamePipeline(pipeline, without)).toBe(false);
  expect(resolveText(RIGHT_CONFIG, 'tailrace.yaml', {}).config.pipeline.streams['access']).not.toHaveProperty(
    'transforms',
  );
});

test('a table is another one where a field of its comes from elsewhere, and the same whatever happens to others', () => {
  const of = (transforms: string[], by = 'page'): string | undefined =>
    fingerprints(configWith(transforms, by).pipeline)['traffic'];
  const renaming = (field: string, name = 'page'): string => `{ type: rename, fields: { ${field}: ${name} } }`;
  const page = of([renaming('url.path')]);
  expect(of([renaming('url.original')])).not.toBe(page);
  expect(of(['{ type: drop, fields: [rest] }', renaming('url.path')])).toBe(page);
  expect(of([renaming('url.path', 'x'), renaming('x')])).toBe(page);
  expect(of([RENAME], 'url.path')).toBe(of(['{ type: drop, fields: [rest] }'], 'url.path'));
});

test('the index templates have the fields behind the transforms', () => {
  const sink = "sinks: { search: { type: elasticsearch, nodes: ['http://e:9200'] } }\n";
  const { config } = resolveText(
    `${textWith([RENAME, '{ type: drop, fields: [user_agent.original] }'])}${sink}`,
    'tailrace.yaml',
    {},
  );
  const text = JSON.stringify(
    elasticsearchTemplates(config, config.sinks['search'] as ElasticsearchSinkConfig, COMPONENTS),
  );
  expect(text).toContain('"client":{"type":"ip"}');
  expect(text).not.toContain('user_agent');
});
