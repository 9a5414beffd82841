import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Cluster } from '../../../src/broker/kafka/cluster.ts';
import type { KafkaEvent } from '../../../src/broker/kafka/patience.ts';
import { PlainTopic } from '../../../src/broker/kafka/plain-topic.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { type Kafka, startKafka } from '../../support/stack/kafka.ts';
import { SERVER_START_MS, describeWith } from '../../support/stack/require-stack.ts';
import { until } from '../../support/tailrace-process.ts';

const TOPIC = 'final-rows';

describeWith('kafka')('a topic for other programs, on three brokers', () => {
  let kafka: Kafka;
  beforeAll(async () => void (kafka = await startKafka({ brokers: 3 })), SERVER_START_MS);
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
      const [{ leader, replicas }] = (await cluster.layout(TOPIC)) as [{ leader: number; replicas: number[] }];
      const follower = replicas.find((node) => node !== leader)!;
      kafka.signal('SIGSTOP', follower);
      try {
        const appended = append('not yet');
        await until(
          async () => (await cluster.logEndOf(TOPIC, 0).catch(() => 0)) > committed,
          20_000,
          () => 'the leader does not take it',
        );
        expect(await cluster.endsOf(TOPIC, 0)).toEqual({ start: 0, end: committed });
        const ends = topic.ends(0);
        await until(
          () => events.some((event) => event.type === 'away' && /its leader has \d+ records/.test(event.reason)),
          20_000,
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
});
