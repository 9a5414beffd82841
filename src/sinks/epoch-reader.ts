import type { Log, Message, PartitionEnds } from '../broker/broker.ts';
import { isTrimmed, pastTrims } from '../broker/past-trims.ts';
import { decodeEnvelope } from '../epoch/codec.ts';
import { foldableEnds } from '../epoch/fold-start.ts';
import type { ChainEnd, CountedEpoch } from '../epoch/fold.ts';
import { type EpochPlace, EpochWalk, nameOf } from '../epoch/walk.ts';
import { present } from '../lib/assert.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import type { Epoch } from '../epoch/epoch.ts';
import type { GenerationGate } from './generation-gate.ts';

/** What is read at once: an epoch is often larger, and a second one in memory behind it is enough. */
const READ_BYTES_MAX = 1024 * 1024;

/** An epoch partition as a sink sees it. */
export interface EpochPartition {
  readonly stream: string;
  readonly topic: string;
  readonly partition: number;
  /** Set in the epochs of a document sink. They account for documents; sources, rows and dead letters are the engine's to say. */
  readonly sink?: string;
}

/** Where a sink stands in an epoch partition: just behind a counted epoch. */
export interface StoredCursor extends ChainEnd {
  readonly offset: number;
}

/** A counted epoch on its way into a store. */
export interface IncomingEpoch {
  readonly from: EpochPartition;
  readonly epoch: Epoch;
  /** Offset of the message behind it. */
  readonly nextOffset: number;
}

export interface EpochReaderOptions {
  readonly log: Log;
  readonly group: string;
  readonly from: EpochPartition;
  readonly cursor: StoredCursor | undefined;
  /** For messages: who reads, and how to rebuild what it holds. */
  readonly reader?: ReaderWords;
  /** The reader stands at the cursor, having done everything before it. With `false` it folds something again, and reports nothing. */
  readonly isReporting?: boolean;
  readonly gate?: GenerationGate;
}

export interface ReaderWords {
  readonly who: string;
  readonly startOver: string;
}

const SOME_SINK: ReaderWords = { who: 'the sink', startOver: 'make what it holds anew' };

/**
 * Reads one epoch partition from a sink's cursor on and yields what counts. Before it goes on it makes sure that the log still is the
 * one the cursor was written for: a trimmed or another log stops the sink, it never begins again by itself.
 */
export class EpochReader {
  readonly #options: EpochReaderOptions;
  readonly #place: EpochPlace;
  readonly #reader: ReaderWords;

  constructor(options: EpochReaderOptions) {
    this.#options = options;
    this.#place = { log: options.log, ...options.from };
    this.#reader = options.reader ?? SOME_SINK;
  }

  /** Calls `take` for every counted epoch, with the bytes it came in, until the signal aborts. */
  async run(signal: AbortSignal, take: (incoming: IncomingEpoch, sizeBytes: number) => Promise<void>): Promise<void> {
    const { log, group, from, cursor } = this.#options;
    const offset = await this.#start();
    if (this.#options.isReporting !== false) {
      const reported = cursor === undefined ? undefined : { offset: cursor.offset, id: cursor.id };
      await log.report(group, from.topic, from.partition, reported);
    }
    const walk = new EpochWalk(this.#place, { offset, chain: cursor, hasBodies: true });
    try {
      await this.#follow(walk, signal, take);
    } catch (error) {
      throw (await this.#isPassed(error, walk)) ? this.#fenced(error) : error;
    }
  }

  async #follow(
    walk: EpochWalk,
    signal: AbortSignal,
    take: (incoming: IncomingEpoch, sizeBytes: number) => Promise<void>,
  ): Promise<void> {
    const { from, cursor, gate } = this.#options;
    const first = walk.nextOffset;
    let sizeBytes = 0;
    for await (const { message, epoch } of walk.steps({ follow: signal, batchBytesMax: READ_BYTES_MAX })) {
      sizeBytes += message.header.length + message.value.length;
      if (epoch === undefined) {
        if (message.offset === first && first > 0 && cursor !== undefined) this.#checkFirst(message, cursor);
        if (message.kind === 'epoch') await this.#checkUncounted(message, walk.chain!);
        continue;
      }
      const incoming = incomingEpoch(from, epoch);
      gate?.check(incoming.epoch);
      await take(incoming, sizeBytes);
      sizeBytes = 0;
    }
  }

  /**
   * What is trimmed under a reader at work was read by another process of its group: this one was frozen, and taken for dead. One that reports
   * what is in a store of its own has no such other.
   */
  async #isPassed(error: unknown, { nextOffset }: EpochWalk): Promise<boolean> {
    if (!isTrimmed(error)) return false;
    const { log, group, from, isReporting } = this.#options;
    if (isReporting !== false) return false;
    const reports = await log.reports(from.topic).catch(() => []);
    const report = reports.find((one) => one.group === group && one.partition === from.partition);
    return (report?.cursor?.offset ?? 0) > nextOffset;
  }

  #fenced(cause: unknown): OperatingError {
    const { group } = this.#options;
    return new OperatingError(
      `${nameOf(this.#place)}: another process of group ${group} has gone on where this one stood`,
      {
        code: 'FENCED',
        exitCode: EXIT.fenced,
        hint: `nothing is lost; stop the other one, if ${this.#reader.who} should run here`,
        cause,
      },
    );
  }

  /** The offset to read from: the cursor's, if the log is the one it was written for, else the first message there is. */
  async #start(): Promise<number> {
    const { cursor } = this.#options;
    if (cursor === undefined) {
      const { log, from } = this.#options;
      return (await pastTrims(log, [from], () => foldableEnds(log, from.topic, from.partition))).start;
    }
    const ends = await this.#ends();
    if (cursor.offset < ends.start) {
      throw new OperatingError(
        `${nameOf(this.#place)}: ${this.#reader.who} has read up to offset ${cursor.offset}, the log begins at ${ends.start}: ${ends.start - cursor.offset} messages are gone`,
        {
          code: 'LOG_TRIMMED',
          exitCode: EXIT.mismatch,
          hint: `${this.#reader.startOver}: a new one begins at the snapshot the log begins with`,
        },
      );
    }
    if (cursor.offset > ends.end)
      throw this.#fork(`${this.#reader.who} has read up to offset ${cursor.offset}, the log ends at ${ends.end}`);
    if (cursor.offset > ends.start) await this.#checkChain(cursor, cursor.offset);
    return cursor.offset;
  }

  /**
   * Folds the log's envelopes from its start up to `before`: `last` must be the last that counts there. That its record is still
   * in the log is not enough: a log that has lost its end may hold it again, on a branch that counts no more.
   */
  async #checkChain(last: ChainEnd, before: number): Promise<void> {
    const { log, from } = this.#options;
    await pastTrims(log, [from], async () => {
      const { start } = await foldableEnds(log, from.topic, from.partition);
      if (start >= before) return;
      const end = await new EpochWalk(this.#place, { offset: start, hasBodies: false }).end({ before });
      if (end?.id === last.id) return;
      throw this.#fork(
        `epoch ${last.n}, which ${this.#reader.who} has read, is not what counts before offset ${before}`,
      );
    });
  }

  async #ends(): Promise<PartitionEnds> {
    const { log, from } = this.#options;
    return present((await log.ends(from.topic))[from.partition], `${nameOf(this.#place)} exists`);
  }

  /**
   * A writer goes on to the next epoch when it has read its last one as counted. So one that is further on without following ours follows
   * what we have not seen: the log may have lost its end and grown again under this reader, which would wait for ever.
   */
  async #checkUncounted(message: Message, last: ChainEnd): Promise<void> {
    if (decodeEnvelope(message.header).n > last.n + 1) await this.#checkChain(last, message.offset + 1);
  }

  /** With everything before it trimmed, the first message must follow the cursor's epoch. */
  #checkFirst(message: Message, cursor: StoredCursor): void {
    if (message.kind !== 'epoch' && message.kind !== 'part') return;
    const { n, prev } = decodeEnvelope(message.header);
    if (n > cursor.n + 1 && prev !== cursor.id)
      throw this.#fork(`epoch ${n} at offset ${message.offset} does not follow ${cursor.n}`);
  }

  #fork(what: string): OperatingError {
    return new OperatingError(`${nameOf(this.#place)}: ${what}: this is another log`, {
      code: 'LOG_FORKED',
      exitCode: EXIT.mismatch,
      hint: `restore the log that belongs to ${this.#reader.who}, or ${this.#reader.startOver} to build it anew`,
    });
  }
}

export function incomingEpoch(from: EpochPartition, { envelope, body, offset }: CountedEpoch): IncomingEpoch {
  return { from, epoch: { envelope, body: present(body, 'the walk reads bodies') }, nextOffset: offset + 1 };
}

/** The last epoch of each partition. */
export function lastOfEach(epochs: readonly IncomingEpoch[]): IncomingEpoch[] {
  return [
    ...new Map(epochs.map((incoming) => [`${incoming.from.topic}/${incoming.from.partition}`, incoming])).values(),
  ];
}
