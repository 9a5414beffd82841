import { expect, test } from '@jest/globals';
import { resolveText } from '../../support/configs.ts';
import { RIGHT_CONFIG, changed, refuses } from '../../support/broken-config.ts';

const VERSION = 'version: 1\n';
const KAFKA =
  "broker: { type: kafka, brokers: ['127.0.0.1:9092'], single_broker: true }\nagent: { id: 9b2f3f60-2b1c-4f0e-8b62-0f8f4c6f1a11 }\n";
const events = (section: string): string => `${VERSION}sinks: { out: { type: events, ${section} } }\n`;

function resolvedSink(head: string): unknown {
  return resolveText(changed(VERSION, head, RIGHT_CONFIG), 'tailrace.yaml', {}).config.sinks['out'];
}

refuses(
  'an events sink on the embedded log',
  VERSION,
  events('rollups: [traffic]'),
  '2:10 MISSING_KEY: sinks.out: others cannot read the embedded log, so events need a Kafka — add brokers: [host:9092] to the sink',
);
refuses(
  'events of a rollup that is not there',
  VERSION,
  events("brokers: ['127.0.0.1:9092'], rollups: [trafic]"),
  '2:70 UNKNOWN_ROLLUP: there is no rollup "trafic" — did you mean "traffic"?',
);
refuses(
  'a topic that Kafka would not make',
  VERSION,
  events("brokers: ['127.0.0.1:9092'], topic: 'a b'"),
  '2:67 VALUE: sinks.out.topic is "a b" — expects the name of a topic: letters, digits, ., _ and -, at most 249',
);
refuses(
  'a format that is none',
  VERSION,
  events("brokers: ['127.0.0.1:9092'], format: avro"),
  '2:68 VALUE: sinks.out.format is "avro" — expects json',
);

test('a user of a cluster that is not named is refused', () => {
  const user = 'sasl: { mechanism: plain, username: u, password: p }';
  expect(() => resolvedSink(`${VERSION}${KAFKA}sinks: { out: { type: events, ${user} } }\n`)).toThrow(
    /sasl is of a cluster that the sink names/,
  );
});

test("the pipeline's own cluster, and everything that can be left out", () => {
  expect(resolvedSink(`${VERSION}${KAFKA}sinks: { out: { type: events } }\n`)).toEqual({
    type: 'events',
    connection: null,
    topic: 'tailrace.events.web.out',
    rollups: ['traffic'],
    partitions: 1,
    replicationFactor: 1,
    transactionalId: null,
  });
});

test('where several hosts may run it, its writer has a name', () => {
  const shared = `${VERSION}${KAFKA}engine: { assignment: group }\n`;
  const idOf = (head: string): unknown => (resolvedSink(head) as { transactionalId: unknown }).transactionalId;
  expect(idOf(`${shared}sinks: { out: { type: events } }\n`)).toBe('tailrace.web.out');
  expect(idOf(`${shared}sinks: { out: { type: events, transactional_id: bill } }\n`)).toBe('bill');
  expect(idOf(`${VERSION}${KAFKA}sinks: { out: { type: events, transactional_id: bill } }\n`)).toBe('bill');
});

test('a cluster of its own, beside the embedded log', () => {
  expect(resolvedSink(events("brokers: ['127.0.0.1:9092'], topic: t, rollups: [traffic], partitions: 4"))).toEqual({
    type: 'events',
    connection: { brokers: ['127.0.0.1:9092'], tls: null, sasl: null },
    topic: 't',
    rollups: ['traffic'],
    partitions: 4,
    replicationFactor: 3,
    transactionalId: null,
  });
});
