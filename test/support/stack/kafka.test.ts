import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { KafkaConfig } from 'kafkajs';
import { Kafka as Client, logLevel } from 'kafkajs';
import type { Kafka } from './kafka.ts';
import { startKafka } from './kafka.ts';
import { SERVER_START_MS, describeWith } from './require-stack.ts';

const run = promisify(execFile);
const SASL = { username: 'carrier', password: 'a-secret' };

/** The values of topic `t` after one more message, as a client that comes that way sees them. */
async function roundTrip(config: Omit<KafkaConfig, 'logLevel'>, topic: string): Promise<string[]> {
  const client = new Client({ ...config, logLevel: logLevel.NOTHING });
  const [admin, producer, consumer] = [client.admin(), client.producer(), client.consumer({ groupId: topic })];
  try {
    await Promise.all([admin.connect(), producer.connect(), consumer.connect()]);
    await admin.createTopics({ topics: [{ topic }], waitForLeaders: true });
    await producer.send({ topic, messages: [{ value: 'one line' }] });
    await consumer.subscribe({ topic, fromBeginning: true });
    return await new Promise((resolve, reject) => {
      consumer.run({ eachMessage: async ({ message }) => resolve([String(message.value)]) }).catch(reject);
    });
  } finally {
    await Promise.all([admin.disconnect(), producer.disconnect(), consumer.disconnect()]);
  }
}

async function connect(config: Omit<KafkaConfig, 'logLevel'>): Promise<void> {
  const admin = new Client({
    connectionTimeout: 10_000,
    ...config,
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
  }).admin();
  await admin.connect().finally(() => admin.disconnect());
}

describeWith(
  'kafka',
  'kcat',
  'openssl',
)('a Kafka of one broker', () => {
  let kafka: Kafka;

  beforeAll(async () => {
    kafka = await startKafka({ tls: 'mutual', sasl: SASL });
  }, SERVER_START_MS);

  afterAll(async () => await kafka?.stop());

  test.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)(
    'lets its user in by TLS and %s',
    async (mechanism) => {
      const { caFile = '', certFile = '', keyFile = '' } = kafka.tls ?? {};
      const [ca, cert, key] = [caFile, certFile, keyFile].map((file) => readFileSync(file, 'utf8'));
      const ssl = { ca: [ca ?? ''], ...(cert && { cert }), ...(key && { key }) };
      // An object of its own for each client: kafkajs keeps what it made of the password in there.
      const sasl = (password: string) => ({ mechanism, ...SASL, password }) as NonNullable<KafkaConfig['sasl']>;
      const config = { brokers: [...kafka.brokers], ssl, sasl: sasl(SASL.password) };
      expect(await roundTrip(config, `by-${mechanism}`)).toEqual(['one line']);
      await expect(connect({ ...config, sasl: sasl('wrong') })).rejects.toThrow(/[Aa]uthentication failed/);
      await expect(connect({ ...config, ssl: true })).rejects.toThrow(/certificate/);
    },
  );

  test('is probed without a warning of Node', async () => {
    const script = `
      import { awaitBrokers } from ${JSON.stringify(join(import.meta.dirname, 'kafka-probe.ts'))};
      await awaitBrokers(process.argv[1], [1]);`;
    const args = ['--input-type=module', '-e', script, ...kafka.direct];
    expect(await run(process.execPath, args)).toEqual({ stdout: '', stderr: '' });
  });

  test(
    'is killed and comes back with its data',
    async () => {
      const [address = ''] = kafka.direct;
      await roundTrip({ brokers: [address] }, 'kept');
      await kafka.kill();
      await kafka.restart();
      const { stdout } = await run('kcat', ['-C', '-q', '-e', '-b', address, '-t', 'kept', '-o', 'beginning']);
      expect(stdout).toBe('one line\n');
    },
    SERVER_START_MS,
  );
});
