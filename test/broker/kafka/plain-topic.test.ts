import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Kafka as Client } from 'kafkajs';
import { Cluster } from '../../../src/broker/kafka/cluster.ts';
import type { KafkaEvent } from '../../../src/broker/kafka/patience.ts';
import { PlainTopic } from '../../../src/broker/kafka/plain-topic.ts';
import type { KafkaRecord } from '../../../src/broker/kafka/record-batch.ts';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { OperatingError } from '../../../src/lib/errors.ts';
import { type Kafka, startKafka } from '../../support/stack/kafka.ts';
import { SERVER_START_MS, describeWith } from '../../support/stack/require-stack.ts';
import { until } from '../../support/tailrace-process.ts';

const TOPIC = 'final-rows';

/** How many replicas of the topic are in sync. */
async function inSync(brokers: readonly string[]): Promise<number> {
  const admin = new Client({ brokers: [...brokers], clientId: 'test', logLevel: 0 }).admin();
  try {
    await admin.connect();
    const { topics } = await admin.fetchTopicMetadata({ topics: [TOPIC] });
    return topics[0]?.partitions[0]?.isr.length ?? 0;
  } finally {
    await admin.disconnect();
  }
}

describeWith('kafka')('a topic for other programs, on three brokers', () => {
  let kafka: Kafka;
  // A broker that stands still for a while stays a replica in sync.
  const properties = { 'broker.session.timeout.ms': '120000', 'replica.lag.time.max.ms': '120000' };
  beforeAll(async () => void (kafka = await startKafka({ brokers: 3, properties })), SERVER_START_MS);
  afterAll(async () => kafka?.stop());

  test(
    'its end is told once all that the leader has is on every replica in sync',
    async () => {
      const events: KafkaEvent[] = [];
      const client = { brokers: kafka.brokers, clientId: 'test' };
      const topic = await PlainTopic.open({
        client,
        clock: systemClock,
        topic: TOPIC,
        partitions: 1,
        replicationFactor: 3,
        minInSync: 2,
        signal: new AbortController().signal,
        notify: (event) => events.push(event),
      });
      const cluster = new Cluster(client);
      // A young cluster's leaders move: what is not known to be written is written again.
      const append = (value: string): Promise<void> => {
        const record = { key: null, value: Buffer.from(value), headers: [] };
        const isWritten = (): Promise<boolean> =>
          topic.append(0, [record]).then(
            () => true,
            () => false,
          );
        return until(isWritten, 60_000, () => `${value} is not written`);
      };
      await append('committed');
      const { end: committed } = await topic.ends(0);
      const { leader, replicas } = (await cluster.layout(TOPIC))[0]!;
      const follower = replicas.find((node) => node !== leader)!;
      // Of a young topic a replica may not be in sync yet, and nobody would wait for it.
      await until(
        async () => (await inSync(kafka.brokers)) === 3,
        60_000,
        () => 'not all replicas are in sync',
      );
      kafka.signal('SIGSTOP', follower);
      try {
        const appended = append('not yet');
        await until(
          async () => (await cluster.logEndOf(TOPIC, 0).catch(() => 0)) > committed,
          60_000,
          () => 'the leader does not take it',
        );
        expect(await cluster.endsOf(TOPIC, 0)).toEqual({ start: 0, end: committed });
        const ends = topic.ends(0);
        await until(
          () => events.some((event) => event.type === 'away' && /its leader has \d+ records/.test(event.reason)),
          60_000,
          () => JSON.stringify(events),
        );
        kafka.signal('SIGCONT', follower);
        expect((await ends).end).toBeGreaterThan(committed);
        await appended;
        expect((await topic.ends(0)).end).toBe(await cluster.logEndOf(TOPIC, 0));
      } finally {
        kafka.signal('SIGCONT', follower);
        cluster.close();
        await topic.close();
      }
    },
    SERVER_START_MS,
  );

  describe('with two processes that both believe in it', () => {
    const open = (topic: string, clock: Clock, writer?: string): Promise<PlainTopic> =>
      PlainTopic.open({
        client: { brokers: kafka.brokers, clientId: 'test' },
        clock,
        topic,
        partitions: 2,
        replicationFactor: 3,
        minInSync: 2,
        writer,
        signal: new AbortController().signal,
      });
    const record = (value: string): KafkaRecord => ({ key: null, value: Buffer.from(value), headers: [] });
    const append = (topic: PlainTopic, partition: number, ...values: string[]): Promise<string> =>
      topic.append(partition, values.map(record)).then(
        () => 'written',
        (error: unknown) => (error instanceof OperatingError ? error.code : String(error)),
      );
    const contents = async (topic: PlainTopic): Promise<string[]> => {
      const found: string[] = [];
      for (const partition of [0, 1]) {
        const { start } = await topic.ends(partition);
        for await (const records of topic.read(partition, start)) {
          found.push(...records.map(({ value }) => Buffer.from(value!).toString()));
        }
      }
      return found;
    };

    test(
      'the one that opened it last writes, and every batch of the other is refused by the broker',
      async () => {
        const older = await open('fenced', systemClock, 'w');
        expect(await append(older, 0, 'a', 'b')).toBe('written');
        expect(await append(older, 1, 'c')).toBe('written');
        expect(await append(older, 0, 'd')).toBe('written');
        const newer = await open('fenced', systemClock, 'w');
        // Also where the newer one has not written yet.
        expect([await append(older, 0, 'x'), await append(older, 1, 'y')]).toEqual(['LOG_FENCED', 'LOG_FENCED']);
        expect(await append(newer, 0, 'e')).toBe('written');
        expect(await append(newer, 1, 'f', 'g')).toBe('written');
        expect([await append(older, 0, 'x'), await append(older, 1, 'y')]).toEqual(['LOG_FENCED', 'LOG_FENCED']);
        expect(await append(newer, 1, 'h')).toBe('written');
        expect(await contents(newer)).toEqual(['a', 'b', 'd', 'e', 'c', 'f', 'g', 'h']);
        await Promise.all([older.close(), newer.close()]);
      },
      SERVER_START_MS,
    );

    test(
      'without a name both write',
      async () => {
        const both = [await open('unfenced', systemClock), await open('unfenced', systemClock)];
        for (const topic of both) expect(await append(topic, 0, 'twice')).toBe('written');
        expect(await contents(both[0]!)).toEqual(['twice', 'twice']);
        for (const topic of both) await topic.close();
      },
      SERVER_START_MS,
    );

    test(
      'who has written nothing for some hours asks first, which keeps its name alive',
      async () => {
        let leapMs = 0;
        const leaping: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + leapMs };
        const older = await open('daily', leaping, 'd');
        const ends = async (): Promise<number[]> => [(await older.ends(0)).end, (await older.ends(1)).end];
        expect(await append(older, 0, 'a')).toBe('written');
        const before = await ends();
        leapMs = 7 * 3600 * 1000;
        expect(await append(older, 0, 'b')).toBe('written');
        // A marker in each partition, and the record; and no more of them for some hours.
        expect(await append(older, 0, 'c')).toBe('written');
        expect(await ends()).toEqual([before[0]! + 3, before[1]! + 1]);
        const newer = await open('daily', leaping, 'd');
        leapMs *= 2;
        expect(await append(older, 0, 'x')).toBe('LOG_FENCED');
        expect(await contents(newer)).toEqual(['a', 'b', 'c']);
        await Promise.all([older.close(), newer.close()]);
      },
      SERVER_START_MS,
    );
  });
});
