import { randomInt } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import { EXIT, OperatingError } from '../../lib/errors.ts';
import { seededRandom } from '../../lib/random.ts';
import { BatchEncoder } from './batch-encoder.ts';
import { Cluster } from './cluster.ts';
import { FencedProducer, asFenced } from './fenced-producer.ts';
import type { KafkaClientOptions } from './kafkajs.ts';
import { PartitionFetcher } from './partition-fetcher.ts';
import { PartitionWriter } from './partition-writer.ts';
import { type KafkaEvent, Patience } from './patience.ts';
import { DamagedBatch, type KafkaRecord, type StoredRecord } from './record-batch.ts';
import { recordsOf } from './record-cursor.ts';

export interface PlainTopicOptions {
  readonly client: KafkaClientOptions;
  readonly clock: Clock;
  readonly topic: string;
  /** Where it has to be made. */
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly minInSync: number;
  /**
   * Name of the writer, where several processes may believe that they are it: whoever opens the topic under it is the only one who can write.
   * It is Kafka's transactional id, and takes the right to it. Without it nobody is refused.
   */
  readonly writer?: string | undefined;
  /** Ends waiting for a cluster that is away. */
  readonly signal: AbortSignal;
  readonly notify?: (event: KafkaEvent) => void;
}

interface PlainTopicParts {
  readonly cluster: Cluster;
  readonly patience: Patience;
  readonly closing: AbortController;
  readonly partitions: number;
  readonly producer: FencedProducer | undefined;
}

const FETCH_BYTES_MAX = 1024 * 1024;
/** A replica that does not follow is out of the set in sync by then: `replica.lag.time.max.ms` is 30 s by default. */
const COMMITTED_LIMIT_MS = 120_000;

/** A topic for other programs: plain records, gzip, which every client reads; kept as long as the cluster keeps things. */
export class PlainTopic {
  readonly partitions: number;
  readonly #topic: string;
  readonly #cluster: Cluster;
  readonly #patience: Patience;
  readonly #closing: AbortController;
  readonly #producer: FencedProducer | undefined;
  readonly #writers: readonly PartitionWriter[];

  private constructor({ topic, clock }: PlainTopicOptions, parts: PlainTopicParts) {
    const { cluster, patience, closing, partitions, producer } = parts;
    this.partitions = partitions;
    this.#topic = topic;
    this.#cluster = cluster;
    this.#patience = patience;
    this.#closing = closing;
    this.#producer = producer;
    const encoder = new BatchEncoder('gzip');
    const deps = { cluster, patience, clock, signal: closing.signal, encoder, producer };
    this.#writers = Array.from({ length: partitions }, (_, partition) => new PartitionWriter(deps, topic, partition));
  }

  /** Makes the topic where it is not there; one that is there is taken as it is. */
  static async open(options: PlainTopicOptions): Promise<PlainTopic> {
    const { client, clock, topic, signal, notify } = options;
    const cluster = new Cluster(client);
    const closing = new AbortController();
    const patience = new Patience({
      clock,
      random: seededRandom(randomInt(2 ** 32)),
      signal: closing.signal,
      stop: signal,
      notify: notify ?? (() => undefined),
    });
    const partitions = await patience.retry(topic, () => partitionsOf(cluster, options));
    const { writer } = options;
    const producer =
      writer === undefined
        ? undefined
        : await FencedProducer.open({ cluster, patience, clock }, writer, topic, partitions);
    return new PlainTopic(options, { cluster, patience, closing, partitions, producer });
  }

  /**
   * Durable when it resolves, all or none; a rejection means that the outcome is not known. With `LOG_FENCED`, where it has a `writer`, nothing
   * was written, nor will be.
   */
  async append(partition: number, records: readonly KafkaRecord[]): Promise<void> {
    await this.#producer?.confirm();
    try {
      await this.#writers[partition]!.append(records);
    } catch (error) {
      throw this.#producer === undefined ? error : asFenced(error, this.#topic);
    }
  }

  /**
   * First offset and end, once nothing waits behind the end: what an append that failed has left in the leader's log is not to be read
   * yet, and would be later.
   */
  async ends(partition: number): Promise<{ start: number; end: number }> {
    const where = `${this.#topic}/${partition}`;
    let target = Infinity;
    const look = async (): Promise<{ start: number; end: number }> => {
      // Another leader may have less.
      target = Math.min(target, await this.#cluster.logEndOf(this.#topic, partition));
      const ends = await this.#cluster.endsOf(this.#topic, partition);
      if (ends.end >= target) return ends;
      throw uncommittedError(where, target - ends.end);
    };
    return this.#patience.retry(where, look, { limitMs: COMMITTED_LIMIT_MS });
  }

  /** Records from an offset on, batch by batch, up to the end there is at the first look. */
  async *read(partition: number, from: number): AsyncGenerator<readonly StoredRecord[]> {
    const deps = { cluster: this.#cluster, patience: this.#patience, signal: this.#closing.signal };
    const fetcher = new PartitionFetcher(deps, this.#topic, partition);
    try {
      const { end } = await this.ends(partition);
      for (let next = from; next < end;) {
        const before = next;
        const { batches } = await fetcher.fetch(next, 0, FETCH_BYTES_MAX);
        for (const batch of batches) {
          next = Math.max(next, batch.nextOffset);
          if (batch.isControl) continue;
          const records = await recordsOf(batch);
          if (records instanceof DamagedBatch) throw unreadable(`${this.#topic}/${partition}`, records);
          yield records.filter(({ offset }) => offset >= from);
        }
        // Compaction may have left nothing behind the last record.
        if (next === before) return;
      }
    } finally {
      fetcher.close();
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.drain()));
    this.#closing.abort();
    this.#cluster.close();
  }
}

async function partitionsOf(cluster: Cluster, options: PlainTopicOptions): Promise<number> {
  const { topic, partitions, replicationFactor, minInSync } = options;
  if (await cluster.hasTopic(topic)) return (await cluster.layout(topic)).length;
  const configEntries = [{ name: 'min.insync.replicas', value: `${minInSync}` }];
  const wanted = { topic, numPartitions: partitions, replicationFactor, configEntries };
  await cluster.createTopic(wanted, 'say replication_factor: 1 where a single broker is meant');
  // Not known to every broker at once: asked again.
  throw new OperatingError(`topic '${topic}' was made a moment ago`, { code: 'LOG_TOPIC_NEW', isRetryable: true });
}

function uncommittedError(where: string, records: number): OperatingError {
  return new OperatingError(`${where}: its leader has ${records} records that not every replica in sync has`, {
    code: 'EVENTS_UNCOMMITTED',
    isRetryable: true,
    hint: 'it is waited for until they have, or are out of sync: look at the brokers that follow',
    exitCode: EXIT.unreachable,
  });
}

function unreadable(where: string, { baseOffset, reason }: DamagedBatch): OperatingError {
  return new OperatingError(`${where}: the batch at offset ${baseOffset} cannot be read: ${reason}`, {
    code: 'LOG_DAMAGED',
    hint: 'somebody else writes there with a compression that is not read here: give the sink a topic of its own',
  });
}
