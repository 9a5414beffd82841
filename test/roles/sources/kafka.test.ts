import { describe, expect, test } from '@jest/globals';
import { resolveText } from '../../support/configs.ts';
import { withoutSecrets } from '../../../src/config/secrets.ts';
import { folderWith } from '../../support/broken-config.ts';
import { ConfigError } from '../../../src/config/problem.ts';

const BROKERS = "brokers: ['127.0.0.1:9092']";

const pipeline = (source: string, broker = '{ type: embedded }'): string => `version: 1
name: shop
broker: ${broker}
sources:
  orders: { type: kafka, stream: orders, ${source} }
streams:
  orders: { codec: { type: json, fields: { '@timestamp': date } } }
rollups:
  all: { from: orders, window: { type: tumbling, size: 1m }, measures: { n: count } }
`;

function problems(text: string): string[] {
  try {
    resolveText(text, 'tailrace.yaml', {});
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(
      ({ code, message, hint }) => `${code}: ${message}${hint === undefined ? '' : ` (${hint})`}`,
    );
  }
}

const input = (source: string, broker?: string, folder = '/etc'): unknown =>
  resolveText(pipeline(source, broker), `${folder}/tailrace.yaml`, {}).config.inputs[0];

test('defaults are filled in', () => {
  expect(input(`${BROKERS}, topics: [a, b]`)).toEqual({
    name: 'orders',
    type: 'kafka',
    stream: 'orders',
    connection: { brokers: ['127.0.0.1:9092'], tls: null, sasl: null },
    agent: null,
    topics: ['a', 'b'],
    discoveryMs: 30_000,
    start: { at: 'earliest' },
    isolation: 'read_committed',
    envelope: 'none',
    tombstones: 'keep',
    lineBytesMax: 262_144,
  });
});

test.each([
  ['latest', { at: 'latest' }],
  ["'2026-01-31T08:00:00Z'", { at: 'time', timeMs: Date.UTC(2026, 0, 31, 8) }],
  ['2026-01-31', { at: 'time', timeMs: Date.UTC(2026, 0, 31) }],
  ['{ a: { 0: 17, 3: 4 } }', { at: 'offsets', offsets: { a: { 0: 17, 3: 4 } } }],
])('start: %s', (written, start) => {
  expect(input(`${BROKERS}, topics: [a], start: ${written}`)).toMatchObject({ start });
});

test("the pipeline's own cluster is the default, with all that reaches it", () => {
  const broker =
    "{ type: kafka, brokers: ['k:9093'], tls: { ca: ca.pem }, sasl: { mechanism: scram-sha-512, username: u, password: p } }";
  const folder = folderWith('ca.pem');
  const own = input('topic_pattern: "shop\\\\..*"', broker, folder);
  expect(own).toMatchObject({
    topicPattern: String.raw`shop\..*`,
    connection: { brokers: ['k:9093'], tls: { caFile: `${folder}/ca.pem` }, sasl: { username: 'u', password: 'p' } },
  });
  expect(JSON.stringify(withoutSecrets(own))).not.toContain('"p"');
});

describe('is refused', () => {
  test.each([
    ['no topics', BROKERS, 'CONFIG_MISSING_KEY: sources.orders names no topics (name topics, or a topic_pattern)'],
    [
      'no brokers anywhere',
      'topics: [a]',
      'CONFIG_MISSING_KEY: sources.orders names no brokers, and this pipeline has none of its own (add brokers: [host:9092])',
    ],
    [
      'a pattern that is none',
      `${BROKERS}, topic_pattern: '('`,
      String.raw`CONFIG_VALUE: sources.orders.topic_pattern is not a regular expression (such as shop\..* for all that begins with shop.)`,
    ],
    [
      'a password in the clear to another machine',
      "brokers: ['k:9092'], topics: [a], sasl: { mechanism: plain, username: u, password: p }",
      'CONFIG_VALUE: with plain and without TLS the password can be read by whoever is on the way (add tls, or use scram-sha-512)',
    ],
    [
      'a topic twice',
      `${BROKERS}, topics: [a, b, a]`,
      'CONFIG_VALUE: sources.orders reads the topic a already: each of its records would be two lines (name it once)',
    ],
    [
      'a start that is none',
      `${BROKERS}, topics: [a], start: yesterday`,
      'CONFIG_VALUE: sources.orders.start is "yesterday" (expects earliest, latest, a time such as 2026-01-31T08:00:00Z, or offsets: { topic: { partition: offset } })',
    ],
  ])('%s', (_what, source, problem) => {
    expect(problems(pipeline(source))).toEqual([problem]);
  });

  test("tls for the pipeline's own cluster", () => {
    const broker = "{ type: kafka, brokers: ['k:9093'] }";
    expect(problems(pipeline('topics: [a], tls: true', broker))).toEqual([
      "CONFIG_VALUE: the pipeline's own cluster has its own tls (name the brokers, too, or leave it out)",
    ]);
  });
});
