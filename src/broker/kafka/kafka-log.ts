import { randomInt } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import { OperatingError } from '../../lib/errors.ts';
import { faultPoint } from '../../lib/fault-point.ts';
import { type Random, seededRandom } from '../../lib/random.ts';
import type {
  Cursor,
  Log,
  Message,
  OutgoingMessage,
  PartitionEnds,
  ReadOptions,
  Report,
  TopicSpec,
} from '../broker.ts';
import { BatchEncoder } from './batch-encoder.ts';
import { Cluster } from './cluster.ts';
import { CursorTable } from './cursor-table.ts';
import { closedError, tooLargeError } from './kafka-error.ts';
import type { KafkaClientOptions } from './kafkajs.ts';
import { recordOf } from './message.ts';
import { readPartition } from './partition-reader.ts';
import { PartitionWriter } from './partition-writer.ts';
import { type KafkaEvent, Patience } from './patience.ts';
import type { KafkaRecord } from './record-batch.ts';
import type { TopicSettings } from './topic-config.ts';
import { Topics } from './topics.ts';

const CURSOR_BYTES_MAX = 1_000_000;
const CLOSE_FLUSH_MS = 2_000;
/** Trimming that does not succeed in this time is left to the next snapshot. */
const TRIM_LIMIT_MS = 30_000;

export interface KafkaLogOptions {
  readonly client: KafkaClientOptions;
  readonly clock: Clock;
  /** Names of topics that are not the caller's begin with it: `<prefix>.cursors`. */
  readonly topicPrefix: string;
  readonly topics: TopicSettings;
  /** Ends waiting for a cluster that is away. */
  readonly stop?: AbortSignal;
  readonly notify?: (event: KafkaEvent) => void;
  readonly random?: Random;
}

/** The log on a Kafka cluster; nothing is asked of it before the first call. See docs/decisions/0007-kafkajs.md. */
export function openKafkaLog(options: KafkaLogOptions): KafkaLog {
  return new KafkaLog(options);
}

export class KafkaLog implements Log {
  readonly #cluster: Cluster;
  readonly #patience: Patience;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #topics: Topics;
  readonly #cursors: CursorTable;
  readonly #encoder = new BatchEncoder();
  // Bound of all three: the topics and partitions of one pipeline.
  readonly #writers = new Map<string, PartitionWriter>();
  readonly #messageBytesMax = new Map<string, number>();
  readonly #trimmedTo = new Map<string, number>();
  readonly #cursorTopic: TopicSpec;

  constructor({ client, clock, topicPrefix, topics, stop, notify, random }: KafkaLogOptions) {
    this.#clock = clock;
    this.#cluster = new Cluster(client);
    this.#patience = new Patience({
      clock,
      random: random ?? seededRandom(randomInt(2 ** 32)),
      signal: this.#closing.signal,
      stop: stop ?? new AbortController().signal,
      notify: notify ?? (() => undefined),
    });
    this.#cursorTopic = { topic: `${topicPrefix}.cursors`, partitions: 1, messageBytesMax: CURSOR_BYTES_MAX };
    const shared = { cluster: this.#cluster, patience: this.#patience, clock };
    const append = (topic: string, partition: number, records: readonly KafkaRecord[]): Promise<number> =>
      this.#writer(topic, partition).append(records);
    const readerOf = async (topic: string): Promise<string | undefined> =>
      (await this.#cursors.reports(topic)).find(({ cursor }) => cursor !== undefined && cursor.offset > 0)?.group;
    this.#topics = new Topics({ ...shared, settings: topics, append, readerOf });
    this.#cursors = new CursorTable({
      ...shared,
      signal: this.#closing.signal,
      topic: this.#cursorTopic.topic,
      append,
      ensureTopic: () => this.#topics.ensure(this.#cursorTopic, 'table'),
    });
  }

  async ensureTopics(specs: readonly TopicSpec[]): Promise<void> {
    this.#assertOpen();
    for (const spec of specs) {
      await this.#topics.ensure(spec, 'log');
      this.#messageBytesMax.set(spec.topic, spec.messageBytesMax);
    }
  }

  async append(topic: string, partition: number, messages: readonly OutgoingMessage[]): Promise<number> {
    this.#assertOpen();
    if (messages.length === 0) return (await this.#endsOf(topic, partition)).end;
    const bytesMax = this.#messageBytesMax.get(topic) ?? Infinity;
    for (const { header, value } of messages) {
      const bytes = header.length + value.length;
      if (bytes > bytesMax) throw tooLargeError(`topic '${topic}'`, bytes, bytesMax);
    }
    faultPoint('log.before_commit');
    const offset = await this.#writer(topic, partition).append(messages.map(recordOf));
    faultPoint('log.after_commit');
    return offset;
  }

  read(topic: string, partition: number, from: number, options: ReadOptions): AsyncIterable<readonly Message[]> {
    const deps = {
      cluster: this.#cluster,
      patience: this.#patience,
      clock: this.#clock,
      signal: this.#closing.signal,
      trimmedTo: (of: string, number: number) => this.#trimmedTo.get(`${number} ${of}`) ?? 0,
    };
    return readPartition(deps, topic, partition, from, options);
  }

  async ends(topic: string): Promise<readonly PartitionEnds[]> {
    this.#assertOpen();
    try {
      const ends = await this.#patience.retry(topic, () => this.#cluster.ends(topic));
      return ends.map((one, partition) => this.#trimmed(topic, partition, one));
    } catch (error) {
      if ((error as { code?: unknown }).code === 'LOG_TOPIC_UNKNOWN') return [];
      throw error;
    }
  }

  async trim(topic: string, partition: number, before: number): Promise<void> {
    const { start, end } = await this.#endsOf(topic, partition);
    const target = Math.min(before, end);
    if (target <= start) return;
    const where = `trimming ${topic}/${partition}`;
    try {
      await this.#patience.retry(where, () => this.#cluster.deleteBefore(topic, partition, target), {
        limitMs: TRIM_LIMIT_MS,
      });
    } catch (error) {
      this.#patience.givenUp(where);
      throw error instanceof OperatingError && error.code === 'LOG_ACCESS_DENIED' ? mayNotTrim(error) : error;
    }
    this.#trimmedTo.set(`${partition} ${topic}`, target);
  }

  async report(group: string, topic: string, partition: number, cursor: Cursor | undefined): Promise<void> {
    this.#assertOpen();
    await this.#cursors.report({ group, topic, partition }, cursor);
  }

  async reports(topic: string): Promise<readonly Report[]> {
    this.#assertOpen();
    return this.#cursors.reports(topic);
  }

  async forget(group: string): Promise<void> {
    this.#assertOpen();
    await this.#cursors.forget(group);
  }

  /** Readers end quietly, appends under way get their outcome, pending reports are written where the cluster answers. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    await Promise.all([...this.#writers.values()].map((writer) => writer.drain()));
    // A report that is lost only holds trimming back.
    const flush = this.#cursors.drain().catch(() => undefined);
    await Promise.race([flush, this.#clock.sleep(CLOSE_FLUSH_MS, this.#closing.signal)]);
    this.#closing.abort();
    this.#cursors.close();
    this.#cluster.close();
  }

  #writer(topic: string, partition: number): PartitionWriter {
    const key = `${partition} ${topic}`;
    let writer = this.#writers.get(key);
    if (writer === undefined) {
      const deps = {
        cluster: this.#cluster,
        patience: this.#patience,
        clock: this.#clock,
        signal: this.#closing.signal,
        encoder: this.#encoder,
      };
      writer = new PartitionWriter(deps, topic, partition);
      this.#writers.set(key, writer);
    }
    return writer;
  }

  async #endsOf(topic: string, partition: number): Promise<PartitionEnds> {
    return this.#patience.retry(`${topic}/${partition}`, () => this.#cluster.endsOf(topic, partition));
  }

  /** A broker that was killed may begin before what this process has trimmed, whose readers are not to see it again. */
  #trimmed(topic: string, partition: number, { start, end }: PartitionEnds): PartitionEnds {
    return { start: Math.min(end, Math.max(start, this.#trimmedTo.get(`${partition} ${topic}`) ?? 0)), end };
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw closedError();
  }
}

function mayNotTrim(cause: OperatingError): OperatingError {
  return new OperatingError(cause.message, {
    code: cause.code,
    hint: 'give that user the right to delete from topics that begin with topic_prefix: kafka-acls.sh --add --operation Delete',
    cause,
  });
}
