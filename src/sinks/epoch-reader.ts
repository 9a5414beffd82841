import type { Log, Message, PartitionEnds } from '../broker/broker.ts';
import { pastTrims } from '../broker/past-trims.ts';
import { decodeEnvelope } from '../epoch/codec.ts';
import { foldableEnds } from '../epoch/fold-start.ts';
import { type ChainEnd, Fold } from '../epoch/fold.ts';
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
  /** Who reads, and how to make what it holds anew, for messages. */
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
  readonly #name: string;
  readonly #reader: ReaderWords;

  constructor(options: EpochReaderOptions) {
    this.#options = options;
    this.#name = `${options.from.topic}/${options.from.partition}`;
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
    const fold = new Fold({
      name: this.#name,
      hasBodies: true,
      offset,
      ...(cursor === undefined ? {} : { chain: cursor }),
    });
    try {
      await this.#follow(fold, signal, take);
    } catch (error) {
      throw (await this.#isPassed(error, fold)) ? this.#fenced(error) : error;
    }
  }

  async #follow(
    fold: Fold,
    signal: AbortSignal,
    take: (incoming: IncomingEpoch, sizeBytes: number) => Promise<void>,
  ): Promise<void> {
    const { log, from, cursor } = this.#options;
    const { nextOffset: offset } = fold;
    let sizeBytes = 0;
    for await (const messages of log.read(from.topic, from.partition, offset, {
      signal,
      isFollowing: true,
      batchBytesMax: READ_BYTES_MAX,
    })) {
      for (const message of messages) {
        sizeBytes += message.header.length + message.value.length;
        if (message.offset === offset && offset > 0 && cursor !== undefined) this.#checkFirst(message, cursor);
        const counted = fold.push(message);
        if (counted === undefined) {
          if (message.kind === 'epoch') await this.#checkUncounted(message, fold.chain!);
          continue;
        }
        const body = present(counted.body, 'the fold reads bodies');
        this.#options.gate?.check({ envelope: counted.envelope, body });
        await take({ from, epoch: { envelope: counted.envelope, body }, nextOffset: counted.offset + 1 }, sizeBytes);
        sizeBytes = 0;
      }
    }
  }

  /**
   * What is trimmed under a reader at work was read by another process of its group: this one was frozen, and taken for dead. One that reports
   * what is in a store of its own has no such other.
   */
  async #isPassed(error: unknown, { nextOffset }: Fold): Promise<boolean> {
    if (!(error instanceof OperatingError) || error.code !== 'LOG_TRIMMED') return false;
    const { log, group, from, isReporting } = this.#options;
    if (isReporting !== false) return false;
    const reports = await log.reports(from.topic).catch(() => []);
    const report = reports.find((one) => one.group === group && one.partition === from.partition);
    return (report?.cursor?.offset ?? 0) > nextOffset;
  }

  #fenced(cause: unknown): OperatingError {
    const { group } = this.#options;
    return new OperatingError(`${this.#name}: another process of group ${group} has gone on where this one stood`, {
      code: 'FENCED',
      exitCode: EXIT.fenced,
      hint: `nothing is lost; stop the other one, if ${this.#reader.who} should run here`,
      cause,
    });
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
        `${this.#name}: ${this.#reader.who} has read up to offset ${cursor.offset}, the log begins at ${ends.start}: ${ends.start - cursor.offset} messages are gone`,
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
      const fold = new Fold({ name: this.#name, hasBodies: false, offset: start });
      const options = { isFollowing: false, hasValues: false };
      for await (const messages of log.read(from.topic, from.partition, start, options)) {
        for (const message of messages) if (message.offset < before) fold.push(message);
        if (fold.nextOffset >= before) break;
      }
      if (fold.chain?.id === last.id) return;
      throw this.#fork(
        `epoch ${last.n}, which ${this.#reader.who} has read, is not what counts before offset ${before}`,
      );
    });
  }

  async #ends(): Promise<PartitionEnds> {
    const { log, from } = this.#options;
    return present((await log.ends(from.topic))[from.partition], `${this.#name} exists`);
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
    return new OperatingError(`${this.#name}: ${what}: this is another log`, {
      code: 'LOG_FORKED',
      exitCode: EXIT.mismatch,
      hint: `restore the log that belongs to ${this.#reader.who}, or ${this.#reader.startOver} to build it anew`,
    });
  }
}

/** The last epoch of each partition. */
export function lastOfEach(epochs: readonly IncomingEpoch[]): IncomingEpoch[] {
  return [
    ...new Map(epochs.map((incoming) => [`${incoming.from.topic}/${incoming.from.partition}`, incoming])).values(),
  ];
}
