import { expect, test } from '@jest/globals';
import { describeConfig } from '../../../src/cli/check.ts';
import { COMPONENTS } from '../../../src/components.ts';
import type { SinkEpochs } from '../../../src/roles/definitions.ts';
import { type ElasticsearchSinkConfig, elasticsearchSink } from '../../../src/roles/sinks/elasticsearch.ts';
import { resolveSqlText, resolveText } from '../../support/configs.ts';
import { RIGHT_CONFIG, folderWith, problemsOf, problemsOfSql, refuses } from '../../support/broken-config.ts';

const SINK = 'type: elasticsearch, nodes: [http://127.0.0.1:9200]';
const withSink = (options: string): string => `version: 1\nsinks: { search: { ${SINK}${options} } }`;

test('every default is filled in, and paths begin at the folder of the file', () => {
  const text = RIGHT_CONFIG.replace('version: 1', withSink(', tls: { ca: certs/ca.pem }, retention: 30d'));
  const folder = folderWith('certs/ca.pem');
  expect(resolveText(text, `${folder}/web.yaml`, {}).config.sinks).toEqual({
    search: {
      type: 'elasticsearch',
      nodes: ['http://127.0.0.1:9200'],
      auth: null,
      tls: { caFile: `${folder}/certs/ca.pem`, serverName: null },
      isInsecureAllowed: false,
      documents: ['access'],
      rollups: ['traffic'],
      retentionMs: 30 * 24 * 3600 * 1000,
      indexPrefix: 'tailrace',
      shards: 1,
      replicas: 1,
    },
  });
});

test('a stream that only documents read needs no rollup', () => {
  const text = RIGHT_CONFIG.replace('version: 1', withSink(', documents: [errors]'))
    .replace('streams:', 'streams:\n  errors: { codec: { type: combined } }')
    .replace('sources:', 'sources:\n  errors: { type: file, include: [e.log], stream: errors }');
  const { pipeline } = resolveText(text, 'web.yaml', {}).config;
  expect(Object.keys(pipeline.streams)).toEqual(['errors', 'access']);
});

test('a pipeline of documents alone needs no rollups, and one without either is refused', () => {
  const documents = RIGHT_CONFIG.slice(0, RIGHT_CONFIG.indexOf('rollups:'));
  const { config } = resolveText(documents.replace('version: 1', withSink('')), 'web.yaml', {});
  expect(config.pipeline.rollups).toEqual({});
  expect(problemsOf(documents)).toEqual([
    '6:3 UNUSED: no rollup reads the stream access — add a rollup with from: access',
  ]);
  expect(problemsOf(`${documents}rollups:\n`.replace('version: 1', withSink('')))).toEqual([
    '10:1 WRONG_TYPE: rollups is empty — expects a map of names; leave it out where there are no tables',
  ]);
});

test('documents of some lines of a stream are those behind one more filter', async () => {
  const where = 'http.response.status_code >= 400';
  const text = RIGHT_CONFIG.replace('version: 1', withSink(`, documents: [{ stream: access, where: '${where}' }]`));
  const { config } = await resolveSqlText(text);
  const sink = config.sinks['search'] as ElasticsearchSinkConfig;
  expect(sink).toMatchObject({ documents: ['access'], conditions: { access: { text: where } } });
  const [{ pipeline }] = elasticsearchSink.epochs!(config, 'search', sink) as [SinkEpochs];
  expect(pipeline.streams['access']!.transforms).toMatchObject([{ type: 'filter', reason: 'where' }]);
  expect(config.pipeline.streams['access']).not.toHaveProperty('transforms');
  expect(describeConfig(config, COMPONENTS)).toContain(`\n  documents of search where ${where}\n`);
});

test.each<[documents: string, ...problems: string[]]>([
  [
    "{ stream: access, where: 'status > 1' }",
    '2:111 EXPRESSION: the stream\'s lines have no field "status" — did you mean "http.response.status_code"?',
  ],
  ["{ stream: access, where: '1 > 2' }", '2:110 EXPRESSION: this condition is never true — no line would be taken'],
  [
    "{ stream: acess, where: 'status > 1' }",
    '2:85 UNKNOWN_STREAM: there is no stream "acess" — did you mean "access"?',
  ],
  ['access, access', '2:93 VALUE: the stream access is there already — leave one out'],
  ['{ where: true }', '2:85 MISSING_KEY: "stream" is missing in sinks.search.documents[0] — it is text'],
  ['7', '2:85 VALUE: sinks.search.documents[0] is 7 — expects the name of a stream, or { stream, where }'],
])('documents: [%s] is refused', async (documents, ...problems) => {
  const text = RIGHT_CONFIG.replace('version: 1', withSink(`, documents: [${documents}]`));
  expect(await problemsOfSql(text)).toEqual(problems);
});

refuses(
  'a sink without nodes',
  'version: 1',
  'version: 1\nsinks: { search: { type: elasticsearch } }',
  '2:10 MISSING_KEY: "nodes" is missing in sinks.search — it is a list of addresses',
);
refuses(
  'documents of a stream that is not there',
  'version: 1',
  withSink(', documents: [acess]'),
  '2:85 UNKNOWN_STREAM: there is no stream "acess" — did you mean "access"?',
);
refuses(
  'documents of a rollup that is not there',
  'version: 1',
  withSink(', rollups: [visits]'),
  '2:83 UNKNOWN_ROLLUP: there is no rollup "visits" — one of: traffic',
);
refuses(
  'a user without a password',
  'version: 1',
  withSink(', username: me'),
  '2:73 MISSING_KEY: username needs a password beside it',
);
refuses(
  'two ways in',
  'version: 1',
  withSink(', api_key: k, username: me, password: p'),
  '2:73 VALUE: api_key and username are two ways in — leave one of them out',
);
refuses(
  'a sink that takes nothing',
  'version: 1',
  withSink(', documents: [], rollups: []'),
  '2:73 UNUSED: the sink takes neither lines nor rows — leave documents or rollups out, which takes all of them',
);

test.each(['es1:9200', 'htp://es1', 'http//es1', 'https://', 'https://me:pass@es1:9200', 'es 1'])(
  'the node %j is refused by check, and its password is not shown',
  (node) => {
    const [problem = '', ...others] = problemsOf(
      `${RIGHT_CONFIG}sinks: { es: { type: elasticsearch, nodes: [${JSON.stringify(node)}] } }\n`,
    );
    expect(problem).toContain('expects an address such as https://es1.example.org:9200');
    expect(others).toEqual([]);
  },
);
