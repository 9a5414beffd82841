import { type Admin, Kafka as Client, type ITopicConfig, type Message, type Producer, logLevel } from 'kafkajs';
import { topicsKind } from '../../src/agent/topics/topics-kind.ts';
import type { TopicsInput } from '../../src/agent/agent.ts';
import { RAW } from './source-world.ts';
import { until } from './tailrace-process.ts';

/** Other programs at a Kafka: they make topics and write to them, through another client than the one that is tested. */
export class TopicWriters {
  readonly #client: Client;
  readonly #admin: Admin;
  readonly #producer: Producer;

  constructor(brokers: readonly string[]) {
    this.#client = new Client({ brokers: [...brokers], logLevel: logLevel.NOTHING });
    this.#admin = this.#client.admin();
    this.#producer = this.#client.producer();
  }

  async connect(): Promise<void> {
    await Promise.all([this.#admin.connect(), this.#producer.connect()]);
  }

  get admin(): Admin {
    return this.#admin;
  }

  async create(topic: string, options: Partial<ITopicConfig> = {}): Promise<void> {
    const topics = [{ topic, numPartitions: 1, ...options }];
    // A name that was deleted a moment ago is free, and known to be led, a moment later only.
    const isMade = (): Promise<boolean> =>
      this.#admin.createTopics({ topics, waitForLeaders: false }).catch(() => false);
    await until(isMade, 10_000, () => `${topic} cannot be made`);
    const isLed = async (): Promise<boolean> => {
      const found = await this.#admin.fetchTopicMetadata({ topics: [topic] }).catch(() => undefined);
      return found?.topics[0]?.partitions.every(({ leader }) => leader >= 0) ?? false;
    };
    await until(isLed, 10_000, () => `${topic} has no leader`);
  }

  /** One send, in order. */
  async write(topic: string, messages: readonly (string | Message)[], partition = 0): Promise<void> {
    const sent = messages.map((message) => (typeof message === 'string' ? { value: message } : message));
    await this.#producer.send({ topic, messages: sent.map((message) => ({ partition, ...message })) });
  }

  async transaction(topic: string, values: readonly string[], isCommitted: boolean): Promise<void> {
    const producer = this.#client.producer({
      transactionalId: `${topic}-writer`,
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await producer.connect();
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: values.map((value) => ({ value, partition: 0 })) });
    await (isCommitted ? transaction.commit() : transaction.abort());
    await producer.disconnect();
  }

  async close(): Promise<void> {
    await Promise.all([this.#admin.disconnect(), this.#producer.disconnect()]);
  }
}

/** A `kafka` source with the defaults of its options, but for what is given. */
export function topicsInput(brokers: readonly string[], options: Partial<TopicsInput>): TopicsInput {
  return {
    kind: topicsKind,
    name: 's',
    topic: RAW,
    partitions: 1,
    lineBytesMax: 262_144,
    client: { brokers, clientId: 'test' },
    topics: [],
    ownPrefix: 'tailrace',
    discoveryMs: 200,
    start: { at: 'earliest' },
    isolation: 'read_committed',
    envelope: 'none',
    tombstones: 'keep',
    isJson: false,
    ...options,
  };
}
