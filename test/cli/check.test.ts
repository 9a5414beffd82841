import { expect, test } from '@jest/globals';
import { describeConfig } from '../../src/cli/check.ts';
import { COMPONENTS } from '../../src/components.ts';
import { resolveText } from '../support/configs.ts';
import { RIGHT_CONFIG } from '../support/broken-config.ts';

const shown = (broker: string): string =>
  describeConfig(
    resolveText(RIGHT_CONFIG.replace('version: 1\n', `version: 1\n${broker}`), 'tailrace.yaml', { P: 'secret' }).config,
    COMPONENTS,
  );

test('a log on Kafka is shown with what it relies on, and without its password', () => {
  const sasl = 'sasl: { mechanism: scram-sha-512, username: u, password: "${env:P}" }';
  const text = shown(`broker: { type: kafka, brokers: [k1:9092, k2:9092], tls: true, ${sasl} }\n`);
  expect(text).toContain('log on Kafka at k1:9092, k2:9092 by TLS and scram-sha-512, topics tailrace.*');
  expect(text).toContain('3 replicas, an append waits for 2');
  expect(text).toContain('note: an agent needs agent.id here');
  expect(text).not.toContain('secret');
});

test('one address may be the only broker, which must be said', () => {
  const note = 'note: where k1:9092 is the only broker, say single_broker: true, or the start is refused';
  expect(shown('broker: { type: kafka, brokers: [k1:9092] }\n')).toContain(note);
  expect(shown('broker: { type: kafka, brokers: [k1:9092, k2:9092] }\n')).not.toContain('single_broker');
  expect(shown('broker: { type: kafka, brokers: [k1:9092], single_broker: true }\n')).not.toContain('single_broker');
  const alone = 'brokers: [k1:9092], replication_factor: 1, min_insync_replicas: 1';
  expect(shown(`broker: { type: kafka, ${alone} }\n`)).not.toContain('single_broker');
});

test('one broker, where it is meant, is said', () => {
  const text = shown('broker: { type: kafka, brokers: [k1:9092], single_broker: true }\n');
  expect(text).toContain('one replica: what that disk loses is lost');
  expect(shown('')).not.toContain('Kafka');
});
