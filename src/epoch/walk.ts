import type { Log, Message } from '../broker/broker.ts';
import { pastTrims } from '../broker/past-trims.ts';
import { foldableEnds } from './fold-start.ts';
import { type ChainEnd, type CountedEpoch, Fold } from './fold.ts';

/** An epoch partition, and the log it lies in. */
export interface EpochPlace {
  readonly log: Log;
  readonly topic: string;
  readonly partition: number;
}

export interface WalkStart {
  /** Offset of the first message to read. */
  readonly offset: number;
  /** The chain's end just before `offset`. Undefined where the partition begins there: at its genesis, or at the snapshot it was trimmed to. */
  readonly chain?: ChainEnd | undefined;
  /** With `false` only envelopes are read: enough to know what counts. */
  readonly hasBodies: boolean;
}

export interface WalkOptions {
  /** Stops before this offset. Default: goes on to the log's end. */
  readonly before?: number;
  /** Waits for more at the log's end, until the signal aborts. Default: ends there. */
  readonly follow?: AbortSignal;
  /** Default: the log's. */
  readonly batchBytesMax?: number;
  /** Asked after each batch: `true` ends the walk, which can be resumed. */
  readonly isOver?: () => boolean;
  /** Reads the last message again first, and throws `LOG_FORKED` unless it is the one that was read there. */
  readonly checksLast?: boolean;
}

/** A message of the partition, and the epoch that counts with it, if one does. */
export interface Step {
  readonly message: Message;
  readonly epoch: CountedEpoch | undefined;
}

/**
 * A walk along the chain of one epoch partition. Whatever reads epochs, reads them this way. It remembers where it stands: every call goes on
 * behind the last message of the call before. Throws what `Log.read` throws, and `Fold` for holes and damage.
 */
export class EpochWalk {
  readonly #place: EpochPlace;
  readonly #hasBodies: boolean;
  readonly #fold: Fold;

  constructor(place: EpochPlace, { offset, chain, hasBodies }: WalkStart) {
    this.#place = place;
    this.#hasBodies = hasBodies;
    this.#fold = new Fold({ name: nameOf(place), hasBodies, offset, ...(chain === undefined ? {} : { chain }) });
  }

  /** By envelopes, from where the partition begins now. */
  static async fromStart(place: EpochPlace): Promise<EpochWalk> {
    const { log, topic, partition } = place;
    const { start } = await pastTrims(log, [place], () => foldableEnds(log, topic, partition));
    return new EpochWalk(place, { offset: start, hasBodies: false });
  }

  /** With bodies, from a counted epoch on: it comes first. */
  static fromEpoch(place: EpochPlace, epoch: CountedEpoch): EpochWalk {
    return new EpochWalk(place, { offset: epoch.firstOffset, chain: chainBefore(epoch), hasBodies: true });
  }

  /** The last epoch that counted, or undefined before the genesis or a trimmed partition's first record. */
  get chain(): ChainEnd | undefined {
    return this.#fold.chain;
  }

  /** Offset of the next message. */
  get nextOffset(): number {
    return this.#fold.nextOffset;
  }

  /** Records that did not count so far. */
  get uncounted(): number {
    return this.#fold.uncounted;
  }

  async *steps(options: WalkOptions = {}): AsyncGenerator<Step, void> {
    const { before = Infinity, follow, batchBytesMax, isOver, checksLast = false } = options;
    const { log, topic, partition } = this.#place;
    const fold = this.#fold;
    if (fold.nextOffset >= before) return;
    const reading = log.read(topic, partition, fold.nextOffset - (checksLast ? 1 : 0), {
      isFollowing: follow !== undefined,
      hasValues: this.#hasBodies,
      ...(follow === undefined ? {} : { signal: follow }),
      ...(batchBytesMax === undefined ? {} : { batchBytesMax }),
    });
    for await (const messages of reading) {
      for (const message of messages) {
        if (message.offset >= before) return;
        if (checksLast && message.offset < fold.nextOffset) fold.checkLast(message);
        else yield { message, epoch: fold.push(message) };
      }
      if (fold.nextOffset >= before || isOver?.() === true) return;
    }
  }

  /** The epochs that count. */
  async *epochs(options?: WalkOptions): AsyncGenerator<CountedEpoch, void> {
    for await (const { epoch } of this.steps(options)) if (epoch !== undefined) yield epoch;
  }

  /** All epochs that count, at once: for envelopes, or the few since a snapshot. */
  async all(options?: WalkOptions): Promise<CountedEpoch[]> {
    const epochs: CountedEpoch[] = [];
    for await (const epoch of this.epochs(options)) epochs.push(epoch);
    return epochs;
  }

  /** Walks for the chain alone, and returns its end. */
  async end(options?: WalkOptions): Promise<ChainEnd | undefined> {
    for await (const _step of this.steps(options));
    return this.chain;
  }
}

/** The chain as it was before a counted epoch. */
export function chainBefore({ envelope }: CountedEpoch): ChainEnd {
  return { id: envelope.prev, n: envelope.n - 1, to: envelope.from };
}

/** `<topic>/<partition>`, for people. */
export function nameOf({ topic, partition }: Pick<EpochPlace, 'topic' | 'partition'>): string {
  return `${topic}/${partition}`;
}
