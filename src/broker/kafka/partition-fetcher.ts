import { EXIT, OperatingError } from '../../lib/errors.ts';
import type { Cluster } from './cluster.ts';
import { closedError, protocolType, readAnswer, unknownTopicError } from './kafka-error.ts';
import { createErrorFromCode } from './kafkajs.ts';
import type { Patience } from './patience.ts';
import { type RecordBatch, batchesFrom } from './record-batch.ts';
import type { Connection } from './wire/connection.ts';
import { fetchRecords } from './wire/record-requests.ts';

/** A topic that has just been made is not known to every broker at once. */
const UNKNOWN_TOPIC_TRIES = 3;

export interface FetcherDependencies {
  readonly cluster: Cluster;
  readonly patience: Patience;
  /** Aborts when the log closes: whoever reads may never come back to end its iteration. */
  readonly signal: AbortSignal;
}

/** What a partition has from an offset on, as much as was asked for; and where it ends. */
export interface Fetched {
  /** Unchecked. */
  readonly batches: readonly RecordBatch[];
  readonly end: number;
}

/**
 * Batches of one partition from the offsets we name, over a connection of its own, since a fetch that waits holds up what is behind
 * it. Goes on through broken connections, leaders that move and brokers that are away; an offset the log does not have is an error.
 */
export class PartitionFetcher {
  readonly #deps: FetcherDependencies;
  readonly #topic: string;
  readonly #partition: number;
  readonly #where: string;
  readonly #closing = new AbortController();
  #connection: Connection | undefined;
  #isWaiting = false;
  readonly #end = (): void => {
    this.#closing.abort();
    if (this.#connection === undefined) return;
    if (this.#isWaiting) this.#connection.close();
    else this.#deps.cluster.connections.giveBack(this.#connection);
    this.#connection = undefined;
  };

  constructor(deps: FetcherDependencies, topic: string, partition: number) {
    this.#deps = deps;
    this.#topic = topic;
    this.#partition = partition;
    this.#where = `${topic}/${partition}`;
    deps.signal.addEventListener('abort', this.#end, { once: true });
  }

  /** Resolves without a batch after `maxWaitMs` without a record. Rejects with LOG_TRIMMED, LOG_FORKED, LOG_TOPIC_UNKNOWN, LOG_ACCESS_DENIED. */
  fetch(from: number, maxWaitMs: number, bytesMax: number): Promise<Fetched> {
    let unknownTopic = 0;
    return this.#deps.patience.retry(
      this.#where,
      async () => {
        try {
          return await this.#fetchOnce(from, maxWaitMs, bytesMax);
        } catch (error) {
          this.#drop();
          const type = protocolType(error);
          const isUnknown =
            type === 'UNKNOWN_TOPIC_OR_PARTITION' || (error as { code?: unknown }).code === 'LOG_TOPIC_UNKNOWN';
          if (type === 'OFFSET_OUT_OF_RANGE') throw await this.#outsideError(from);
          if (isUnknown && ++unknownTopic < UNKNOWN_TOPIC_TRIES) throw notYetKnown(this.#where, error);
          throw isUnknown ? unknownTopicError(this.#where, error) : error;
        }
      },
      { signal: this.#closing.signal },
    );
  }

  close(): void {
    this.#deps.signal.removeEventListener('abort', this.#end);
    this.#deps.patience.givenUp(this.#where);
    this.#end();
  }

  async #fetchOnce(from: number, waitMs: number, bytesMax: number): Promise<Fetched> {
    const { cluster } = this.#deps;
    let connection = this.#connection;
    if (connection?.isOpen !== true) {
      connection = await cluster.connections.borrow(await cluster.leader(this.#topic, this.#partition));
      if (this.#closing.signal.aborted) {
        cluster.connections.giveBack(connection);
        throw closedError();
      }
      this.#connection = connection;
    }
    // Without the topic's id: one that was made anew is told by where it begins and ends.
    const place = { topic: this.#topic, topicId: '', partition: this.#partition, offset: from };
    const settings = { waitMs, bytesMax, partitionBytesMax: bytesMax, isolation: 'read_uncommitted' } as const;
    this.#isWaiting = true;
    const [fetched] = await fetchRecords(connection, [place], settings);
    this.#isWaiting = false;
    if (fetched?.topic !== this.#topic || fetched.partition !== this.#partition)
      throw new Error('the answer does not name what was asked for');
    if (fetched.code !== 0) throw createErrorFromCode(fetched.code);
    return readAnswer(connection.name, () => ({ batches: batchesFrom(fetched.records, from), end: fetched.end }));
  }

  #drop(): void {
    this.#deps.cluster.forget(this.#topic);
    this.#connection?.close();
    this.#connection = undefined;
    this.#isWaiting = false;
  }

  async #outsideError(from: number): Promise<unknown> {
    const { start, end } = await this.#deps.cluster.endsOf(this.#topic, this.#partition);
    if (from < start) return trimmedError(this.#where, from, start);
    if (from > end) return forkedError(this.#where, from, end);
    // A follower that leads since a moment may not know yet how far it is.
    return createErrorFromCode(NOT_LEADER);
  }
}

const NOT_LEADER = 6;

export function trimmedError(where: string, from: number, start: number): OperatingError {
  return new OperatingError(`${where}: offset ${from} is trimmed, the log begins at ${start}`, {
    code: 'LOG_TRIMMED',
    exitCode: EXIT.mismatch,
    hint: `${start - from} messages are gone: rebuild this reader from what the log still has`,
  });
}

export function forkedError(where: string, from: number, end: number): OperatingError {
  return new OperatingError(`${where}: offset ${from} is past the log's end ${end}`, {
    code: 'LOG_FORKED',
    exitCode: EXIT.mismatch,
    hint: 'this is not the log that was read before: a broker came back from an old disk, or the topic was made anew; rebuild this reader from what is there',
  });
}

function notYetKnown(where: string, cause: unknown): OperatingError {
  return new OperatingError(`${where} is not known yet`, { code: 'LOG_TOPIC_UNKNOWN', isRetryable: true, cause });
}
