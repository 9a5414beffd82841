import type { Clock } from '../../lib/clock.ts';
import type { BatchEncoder } from './batch-encoder.ts';
import type { Cluster } from './cluster.ts';
import type { FencedProducer } from './fenced-producer.ts';
import {
  asOperatingError,
  closedError,
  isTransient,
  otherLogError,
  protocolType,
  tooLargeError,
  unknownTopicError,
  unreachableError,
} from './kafka-error.ts';
import { createErrorFromCode } from './kafkajs.ts';
import type { Patience } from './patience.ts';
import type { KafkaRecord } from './record-batch.ts';
import type { Connection } from './wire/connection.ts';
import { type Produced, produce } from './wire/record-requests.ts';

/** Appends that wait for their send; at the bound `append` waits itself. */
const QUEUED_BYTES_MAX = 64 * 1024 * 1024;
/** Plain bytes of the appends that go in one batch together: small ones share a round trip, large ones go alone. Half of Kafka's own limit. */
const GROUP_BYTES_MAX = 512 * 1024;
/** How long the brokers may take to replicate a batch; the connection waits a little longer. */
const REPLICATION_TIMEOUT_MS = 10_000;
/** While nothing has been sent, it is tried again this long: a leader that moves is not a reason to refuse. */
const UNSENT_LIMIT_MS = 10_000;
const UNKNOWN_TOPIC_TRIES = 3;

/** Answers that say that nothing was written, and that another moment may do. */
const NOT_WRITTEN = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE', 'NOT_ENOUGH_REPLICAS']);
const OUTCOME_UNKNOWN = 'it is not known whether an append was written';
/** It may have been written before the disk failed, so this is not a refusal of the kind LOG_DISK_FULL. */
const DISK_TROUBLE = 'a broker cannot write its disk: it is full, or it fails';
const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);

interface QueuedAppend {
  readonly records: readonly KafkaRecord[];
  readonly bytes: number;
  readonly resolve: (offset: number) => void;
  readonly reject: (error: unknown) => void;
}

interface Group {
  readonly appends: readonly QueuedAppend[];
  readonly batch: Buffer;
  readonly records: number;
}

export interface WriterDependencies {
  readonly cluster: Cluster;
  readonly patience: Patience;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly encoder: BatchEncoder;
  /** Where the broker is to refuse whoever wrote there before. */
  readonly producer?: FencedProducer | undefined;
}

/**
 * Appends to one partition: one send outstanding, one batch a send, the next batch compressed meanwhile. An append is never cut, never
 * sent twice by itself, and a send whose answer is lost is rejected: whether it was written is then unknown.
 */
export class PartitionWriter {
  readonly #deps: WriterDependencies;
  readonly #topic: string;
  readonly #partition: number;
  readonly #where: string;
  readonly #waiting: Array<() => void> = [];
  #queue: QueuedAppend[] = [];
  #queuedBytes = 0;
  /** Behind the last record of this writer. */
  #end = 0;
  #pump: Promise<void> | undefined;

  constructor(deps: WriterDependencies, topic: string, partition: number) {
    this.#deps = deps;
    this.#topic = topic;
    this.#partition = partition;
    this.#where = `${topic}/${partition}`;
  }

  /** The offset of the first record. */
  async append(records: readonly KafkaRecord[]): Promise<number> {
    const { signal } = this.#deps;
    while (this.#queuedBytes >= QUEUED_BYTES_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (signal.aborted) throw closedError();
    const bytes = records.reduce((sum, record) => sum + plainBytes(record), 0);
    return new Promise((resolve, reject) => {
      this.#queuedBytes += bytes;
      this.#queue.push({ records, bytes, resolve, reject });
      this.#pump ??= this.#sendAll();
    });
  }

  /** Resolves when everything appended so far has its outcome. */
  async drain(): Promise<void> {
    await this.#pump;
  }

  async #sendAll(): Promise<void> {
    let ahead: Promise<Group | undefined> | undefined;
    while (this.#queue.length > 0 || ahead !== undefined) {
      const group = await (ahead ?? this.#nextGroup());
      ahead = this.#queue.length > 0 ? this.#nextGroup() : undefined;
      if (group === undefined) continue;
      await this.#send(group).then(
        (offset) => this.#settle(group.appends, offset),
        (error: unknown) => this.#settle(group.appends, asOperatingError(error, this.#where)),
      );
      ahead ??= this.#queue.length > 0 ? this.#nextGroup() : undefined;
    }
    this.#pump = undefined;
  }

  #settle(appends: readonly QueuedAppend[], outcome: unknown): void {
    let offset = outcome as number;
    for (const append of appends) {
      this.#queuedBytes -= append.bytes;
      if (typeof outcome === 'number') {
        append.resolve(offset);
        offset += append.records.length;
      } else append.reject(outcome);
    }
    for (const admit of this.#waiting.splice(0)) admit();
  }

  /** Takes what fits in one batch, and compresses it. Undefined when it could not be used: then it has its outcome. */
  async #nextGroup(): Promise<Group | undefined> {
    let bytes = 0;
    const beyond = this.#queue.findIndex((append, index) => (bytes += append.bytes) > GROUP_BYTES_MAX && index > 0);
    const appends = this.#queue.splice(0, beyond < 0 ? this.#queue.length : beyond);
    try {
      const records = appends.flatMap((append) => append.records);
      const plain = appends.reduce((sum, append) => sum + append.bytes, 0);
      const { clock, encoder, producer } = this.#deps;
      const stamp = producer?.stamp(this.#partition, records.length);
      const batch = await encoder.encode(records, plain, clock.nowMs(), stamp);
      const bytesMax = await this.#deps.cluster.batchBytesMax(this.#topic);
      if (batch.length <= bytesMax) return { appends, batch, records: records.length };
      throw tooLargeError(this.#where, batch.length, bytesMax);
    } catch (error) {
      this.#settle(appends, asOperatingError(error, this.#where));
      return undefined;
    }
  }

  /** Tries again only as long as nothing can have been written. */
  async #send({ batch, records }: Group): Promise<number> {
    const { clock, cluster, patience, signal } = this.#deps;
    const startMs = clock.monotonicMs();
    let unknownTopic = 0;
    for (let attempt = 0; ; attempt++) {
      try {
        const connection = await cluster.connections.to(await cluster.leader(this.#topic, this.#partition), 'produce');
        const produced = await this.#produce(connection, batch);
        if (produced.code === 0) {
          patience.succeeded(this.#where);
          this.#checkPlace(produced.baseOffset, records);
          return produced.baseOffset;
        }
        throw createErrorFromCode(produced.code);
      } catch (error) {
        cluster.forget(this.#topic);
        const type = (error as { type?: string }).type ?? '';
        if (TOO_LARGE.has(type))
          throw tooLargeError(this.#where, batch.length, await this.#deps.cluster.batchBytesMax(this.#topic));
        const isUnknownTopic =
          type === 'UNKNOWN_TOPIC_OR_PARTITION' || (error as { code?: unknown }).code === 'LOG_TOPIC_UNKNOWN';
        if (isUnknownTopic && ++unknownTopic >= UNKNOWN_TOPIC_TRIES) throw unknownTopicError(this.#where, error);
        if (error instanceof OutcomeUnknown) {
          patience.failed(this.#where, error.cause);
          const what = protocolType(error.cause) === 'KAFKA_STORAGE_ERROR' ? DISK_TROUBLE : OUTCOME_UNKNOWN;
          throw unreachableError(this.#where, error.cause, what);
        }
        if (type !== '' && !NOT_WRITTEN.has(type)) throw error;
        if (!isUnknownTopic && !isTransient(error)) throw error;
        patience.failed(this.#where, error);
        if (signal.aborted || patience.isStopping || clock.monotonicMs() - startMs > UNSENT_LIMIT_MS) throw error;
      }
      await patience.pause(attempt);
    }
  }

  /** A partition never ends before what it has acknowledged, unless it is another one: the topic was deleted and made anew, or has lost its end. */
  #checkPlace(baseOffset: number, records: number): void {
    if (baseOffset < this.#end) throw otherLogError(this.#where, baseOffset, this.#end);
    this.#end = baseOffset + records;
  }

  async #produce(connection: Connection, batch: Buffer): Promise<Produced> {
    let produced: Produced | undefined;
    try {
      produced = await produce(connection, this.#topic, this.#partition, batch, REPLICATION_TIMEOUT_MS);
    } catch (cause) {
      // Nothing more goes over a connection that owes an answer: the request may still arrive.
      connection.close();
      throw new OutcomeUnknown(cause);
    }
    if (produced === undefined || (produced.code === 0 && !(produced.baseOffset >= 0))) {
      connection.close();
      throw new OutcomeUnknown(new Error('the answer does not name what was sent'));
    }
    const { code } = produced;
    if (code !== 0 && !this.#isDefinite(code)) throw new OutcomeUnknown(createErrorFromCode(code));
    return produced;
  }

  /** A broker that lost its leadership, timed out or could not write its disk may have written and even replicated the batch. */
  #isDefinite(code: number): boolean {
    const { type } = createErrorFromCode(code);
    return NOT_WRITTEN.has(type) || TOO_LARGE.has(type) || /AUTHORIZATION_FAILED|INVALID_|CORRUPT_MESSAGE/.test(type);
  }
}

class OutcomeUnknown extends Error {
  constructor(cause: unknown) {
    super('outcome unknown', { cause });
  }
}

function plainBytes({ key, value, headers }: KafkaRecord): number {
  let bytes = (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, header] of headers) bytes += name.length + (header?.length ?? 0);
  return bytes;
}
