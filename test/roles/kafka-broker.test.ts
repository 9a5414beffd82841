import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openConfiguredKafka } from '../../src/roles/kafka-broker.ts';
import type { KafkaBrokerConfig } from '../../src/config/kafka-broker.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { headerOf, message } from '../support/log-messages.ts';
import { type Kafka, startKafka } from '../support/stack/kafka.ts';
import { SERVER_START_MS, describeWith } from '../support/stack/require-stack.ts';

const SASL = { username: 'carrier', password: 'a-secret' };

describeWith('kafka', 'openssl')('a Kafka that asks who is there', () => {
  let kafka: Kafka;
  beforeAll(async () => {
    kafka = await startKafka({ tls: 'mutual', sasl: SASL });
  }, SERVER_START_MS);
  afterAll(async () => await kafka?.stop());

  const config = (
    mechanism: NonNullable<KafkaBrokerConfig['sasl']>['mechanism'],
    changes: Partial<KafkaBrokerConfig> = {},
  ): KafkaBrokerConfig => ({
    type: 'kafka',
    brokers: kafka.brokers,
    tls: {
      caFile: kafka.tls!.caFile,
      certFile: kafka.tls!.certFile ?? null,
      keyFile: kafka.tls!.keyFile ?? null,
      serverName: null,
    },
    sasl: { mechanism, ...SASL },
    topicPrefix: mechanism,
    isSingleBroker: true,
    replicationFactor: 1,
    minInSyncReplicas: 1,
    retainMs: 0,
    ...changes,
  });

  test.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)(
    'lets the log in by TLS and %s',
    async (mechanism) => {
      const log = openConfiguredKafka(config(mechanism), systemClock, () => undefined);
      const topic = `${mechanism}.raw.access`;
      await log.ensureTopics([{ topic, partitions: 1, messageBytesMax: 1000 }]);
      expect(await log.append(topic, 0, [message('a')])).toBe(1);
      await log.report('g', topic, 0, { offset: 2, id: 'x' });
      expect(await log.reports(topic)).toMatchObject([{ group: 'g', cursor: { offset: 2 } }]);
      for await (const batch of log.read(topic, 0, 1, { isFollowing: false }))
        expect(batch.map(headerOf)).toEqual(['a']);
      await log.close();
    },
  );

  test.each([
    [
      'LOG_ACCESS_DENIED',
      'another password',
      { sasl: { mechanism: 'scram-sha-512', username: 'carrier', password: 'x' } },
    ],
    [
      'LOG_ACCESS_DENIED',
      'another password in plain',
      { sasl: { mechanism: 'plain', username: 'carrier', password: 'x' } },
    ],
    [
      'LOG_TLS',
      'an authority that is not known',
      { tls: { caFile: null, certFile: null, keyFile: null, serverName: null } },
    ],
  ] as const)('%s at once: %s', async (code, _what, changes) => {
    const log = openConfiguredKafka(config('plain', changes), systemClock, () => undefined);
    const refusal = await log
      .ensureTopics([{ topic: 'refused', partitions: 1, messageBytesMax: 1000 }])
      .catch((e: unknown) => e);
    expect(refusal).toMatchObject({ code, isRetryable: false, exitCode: 3 });
    expect(JSON.stringify(refusal)).not.toContain('"x"');
    await log.close();
  });
});
