import { type Admin, Kafka, logLevel } from 'kafkajs';
// Its queues of requests re-arm no timer for ever, which costs a part of a core, and makes Node warn of a negative timeout.
import '../../src/broker/kafka/kafkajs.ts';
import type { LogEnds, TopicEnds } from './log-probe.ts';

/** Looks at a Kafka from outside, with another client than the product's own. */
export class KafkaProbe {
  /** What the processes under test are told. */
  readonly brokers: readonly string[];
  readonly #admin: Admin;
  #connected: Promise<void> | undefined;

  /** `direct`: where the probe itself looks, past any proxy. */
  constructor(brokers: readonly string[], direct: readonly string[] = brokers) {
    this.brokers = brokers;
    this.#admin = new Kafka({ brokers: [...direct], logLevel: logLevel.NOTHING, retry: { retries: 2 } }).admin();
  }

  async logEnds(prefix: string, pipeline: string, stream: string): Promise<LogEnds> {
    const raw = await this.ends(`${prefix}.raw.${stream}`);
    return { raw, epochs: await this.ends(`${prefix}.epochs.${pipeline}.${stream}`) };
  }

  /** Where each partition of a pipeline's epochs ends. */
  async epochEnds(prefix: string, pipeline: string, stream: string): Promise<readonly number[]> {
    const admin = await this.admin();
    const partitions = await admin.fetchTopicOffsets(`${prefix}.epochs.${pipeline}.${stream}`);
    return partitions.toSorted((left, right) => left.partition - right.partition).map(({ high }) => Number(high));
  }

  async admin(): Promise<Admin> {
    this.#connected ??= this.#admin.connect();
    try {
      await this.#connected;
    } catch (error) {
      // Whoever asks next tries again.
      this.#connected = undefined;
      throw error;
    }
    return this.#admin;
  }

  async close(): Promise<void> {
    if (this.#connected !== undefined) await this.#admin.disconnect();
  }

  /** Where a topic begins and ends, added up over its partitions; zero while it is not there or no broker answers. */
  async ends(topic: string): Promise<TopicEnds> {
    try {
      const admin = await this.admin();
      const partitions = await admin.fetchTopicOffsets(topic);
      const sum = (of: (partition: { low: string; high: string }) => string): number =>
        partitions.reduce((total, partition) => total + Number(of(partition)), 0);
      return { start: sum(({ low }) => low), end: sum(({ high }) => high) };
    } catch {
      return { start: 0, end: 0 };
    }
  }
}
