import type { Clock } from '../../lib/clock.ts';
import { Backoff } from '../../lib/backoff.ts';
import type { Cluster } from '../../broker/kafka/cluster.ts';
import { CODES, answerError, isDefect } from '../../broker/kafka/wire/codes.ts';
import { type FetchedPartition, fetchRecords } from '../../broker/kafka/wire/record-requests.ts';
import type { Isolation } from '../../broker/kafka/wire/requests.ts';
import type { PartitionFeed } from './partition-feed.ts';
import { partitionPath } from '../../record/partition-path.ts';

/** A broker with nothing new answers after this long: also how old its word on a quiet partition can be. */
const WAIT_MS = 500;
/** Less than this in an answer is a trickle: the next question waits, so that one block takes many records. */
const TRICKLE_BYTES = 64 * 1024;
/** Memory for fetched records of one input, over all partitions. */
const BUFFER_BYTES_MAX = 32 * 1024 * 1024;
/** One partition's share of it at most: about two blocks, so that one is read while the next is fetched. */
const PARTITION_BYTES_MAX = 1024 * 1024;
const PARTITION_BYTES_MIN = 64 * 1024;
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
const RETRY = { initialMs: 250, maxMs: 10_000, multiplier: 2 };

export interface FetcherDeps {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly isolation: Isolation;
  readonly lingerMs: number;
  /** Something was fetched, or an end was seen. */
  readonly onAnswer: () => void;
  /** No answer of this partition came, or it says no: who leads it should be asked again. */
  readonly onFailure: (feed: PartitionFeed) => void;
  readonly onOutOfRange: (feed: PartitionFeed) => void;
}

/** Fills feeds: one question at a time to each broker, for all partitions it leads that have room. */
export class Fetcher {
  readonly #deps: FetcherDeps;
  readonly #feeds = new Set<PartitionFeed>();
  readonly #loops = new Map<number, Promise<void>>();
  readonly #stopping = new AbortController();
  /** Some feed was left out of a question, for want of room. */
  #isHeld = false;
  /** Aborted when a feed has come, has room again, or was sent elsewhere. */
  #changed = new AbortController();

  constructor(deps: FetcherDeps) {
    this.#deps = deps;
  }

  add(feed: PartitionFeed): void {
    this.#feeds.add(feed);
    this.refresh();
  }

  remove(feed: PartitionFeed): void {
    this.#feeds.delete(feed);
  }

  /** A feed was read from: if something waits for room, there may be some now. */
  hasRead(feed: PartitionFeed): void {
    if (!this.#isHeld || feed.queuedBytes >= this.#partitionBytes || this.#queuedBytes >= BUFFER_BYTES_MAX) return;
    this.#isHeld = false;
    this.refresh();
  }

  /** Something about a feed is another than it was: its room, its offset, its leader. */
  refresh(): void {
    for (const { leader } of this.#feeds) {
      if (leader < 0 || this.#loops.has(leader) || this.#stopping.signal.aborted) continue;
      this.#loops.set(
        leader,
        this.#serve(leader).finally(() => this.#loops.delete(leader)),
      );
    }
    this.#changed.abort();
    this.#changed = new AbortController();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.refresh();
    await Promise.all(this.#loops.values());
  }

  get #queuedBytes(): number {
    let sum = 0;
    for (const { queuedBytes } of this.#feeds) sum += queuedBytes;
    return sum;
  }

  /** The share of memory of one feed. */
  get #partitionBytes(): number {
    const share = Math.floor(BUFFER_BYTES_MAX / 2 / Math.max(1, this.#feeds.size));
    return Math.min(PARTITION_BYTES_MAX, Math.max(PARTITION_BYTES_MIN, share));
  }

  /** Asks one broker, again and again, as long as it leads anything. */
  async #serve(leader: number): Promise<void> {
    const { clock, lingerMs, onFailure } = this.#deps;
    const backoff = new Backoff(RETRY);
    while (!this.#stopping.signal.aborted) {
      const led = [...this.#feeds].filter((feed) => feed.leader === leader);
      if (led.length === 0) return;
      const bytesMax = this.#partitionBytes;
      const isFull = this.#queuedBytes >= BUFFER_BYTES_MAX;
      const ready = led.filter((feed) => !isFull && feed.queuedBytes < bytesMax && !feed.isOutOfRange);
      if (ready.length < led.length) this.#isHeld = true;
      try {
        const bytes = ready.length === 0 ? 0 : await this.#fetch(leader, ready, ready.length === led.length);
        backoff.reset();
        if (ready.length === 0) await this.#pause(60_000);
        else if (bytes < TRICKLE_BYTES && (bytes > 0 || ready.length < led.length)) await this.#pause(lingerMs);
      } catch (error) {
        if (isDefect(error)) throw error;
        if (this.#stopping.signal.aborted) return;
        for (const feed of led) {
          feed.fail(error, clock.monotonicMs());
          onFailure(feed);
        }
        await clock.sleep(backoff.next(), this.#stopping.signal);
      }
    }
  }

  /** Returns the bytes of records that came. Waits at the end of all partitions only if no other of this broker waits for room. */
  async #fetch(leader: number, feeds: readonly PartitionFeed[], mayWait: boolean): Promise<number> {
    const { cluster, clock, isolation, onAnswer } = this.#deps;
    const connection = await cluster.connectionTo(leader, 'fetch');
    const asked = new Map(feeds.map((feed) => [partitionPath(feed.name), { feed, offset: feed.nextOffset }]));
    const askedMs = clock.nowMs();
    const answers = await fetchRecords(
      connection,
      feeds.map(({ name, nextOffset }) => ({ ...name, offset: nextOffset })),
      {
        waitMs: mayWait ? WAIT_MS : 0,
        bytesMax: ANSWER_BYTES_MAX,
        partitionBytesMax: this.#partitionBytes,
        isolation,
      },
    );
    const bytes = answers.reduce((sum, { records }) => sum + records.length, 0);
    let failure: unknown;
    let hasProgress = false;
    for (const answer of answers) {
      const { clusterId } = feeds[0]!.name;
      const question = asked.get(partitionPath({ ...answer, clusterId }));
      if (question === undefined || !this.#feeds.has(question.feed)) continue;
      failure = this.#take(answer, question, askedMs, bytes === 0) ?? failure;
      hasProgress ||= question.feed.nextOffset > question.offset;
    }
    onAnswer();
    // A partition that says no must not be asked again at once, nor one whose answer could not be read.
    if ((failure !== undefined && bytes === 0) || (bytes > 0 && !hasProgress))
      await clock.sleep(RETRY.initialMs, this.#stopping.signal);
    return bytes;
  }

  #take(
    answer: FetchedPartition,
    { feed, offset }: { readonly feed: PartitionFeed; readonly offset: number },
    askedMs: number,
    isQuiet: boolean,
  ): unknown {
    const { clock, onFailure, onOutOfRange } = this.#deps;
    if (answer.code === CODES.none) {
      feed.take(answer, offset, askedMs, isQuiet);
      return undefined;
    }
    if (answer.code === CODES.offsetOutOfRange) {
      if (offset === feed.nextOffset) {
        feed.isOutOfRange = true;
        onOutOfRange(feed);
      }
      return undefined;
    }
    const error = answerError(answer.code, `${answer.topic}/${answer.partition}`);
    feed.fail(error, clock.monotonicMs());
    onFailure(feed);
    return error;
  }

  /** Until something changes, or `ms` have passed. */
  #pause(ms: number): Promise<void> {
    return this.#deps.clock.sleep(ms, AbortSignal.any([this.#stopping.signal, this.#changed.signal]));
  }
}
