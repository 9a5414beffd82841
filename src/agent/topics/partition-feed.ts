import { DamagedBatch, type RecordBatch, batchAt, checkBatch, damagedPlace } from '../../broker/kafka/record-batch.ts';
import { isAbortMarker } from '../../broker/kafka/record-cursor.ts';
import type { FetchedPartition } from '../../broker/kafka/wire/record-requests.ts';
import type { PartitionName } from './partition-name.ts';

/** A damaged batch is asked for again so often, in case the wire and not the disk has done it; then it is passed over and counted. */
const DAMAGED_TRIES = 3;

/**
 * What was fetched of a partition and not yet read: filled by a fetcher, which goes its own pace, emptied by the agent's rounds. It says how
 * far the partition reached, and at which moment it was asked.
 */
export class PartitionFeed {
  readonly name: PartitionName;
  leader: number;
  /** The next offset to ask for. */
  nextOffset: number;
  /** Where the partition ended when it was last asked; −1 before the first answer. */
  end = -1;
  /** Wall clock before that question was sent: what its answer says holds at this moment or later. */
  askedMs = -Infinity;
  /** Monotonic clock of the first failure since the last answer. */
  failingSinceMs: number | undefined;
  failure: unknown;
  /** The offset asked for is not in the partition (any more): who reads it decides where to go on. */
  isOutOfRange = false;
  /** Offsets that were passed over because nobody could read them, since the last `takeLost`. */
  #lost = 0;
  #damagedTries = 0;
  #batches: RecordBatch[] = [];
  #nextBatch = 0;
  queuedBytes = 0;
  /** An answer without records short of the end was seen at this offset, and where the end was. */
  #hole: { readonly offset: number; readonly end: number } | undefined;

  constructor(name: PartitionName, leader: number, offset: number) {
    this.name = name;
    this.leader = leader;
    this.nextOffset = offset;
  }

  get isEmpty(): boolean {
    return this.#nextBatch === this.#batches.length;
  }

  /** Nothing is queued, and nothing more was there when it was last asked. */
  get isAtEnd(): boolean {
    return this.isEmpty && this.end >= 0 && this.nextOffset >= this.end && !this.isOutOfRange;
  }

  /** Goes on at an offset, and forgets what is queued. What is still to be answered is of no use then. */
  seek(offset: number): void {
    this.nextOffset = offset;
    this.#batches = [];
    this.#nextBatch = 0;
    this.queuedBytes = 0;
    this.isOutOfRange = false;
    this.#hole = undefined;
    this.end = -1;
    this.askedMs = -Infinity;
  }

  /** Takes an answer without an error. `offset` is what was asked for at `askedMs`. */
  take(fetched: FetchedPartition, offset: number, askedMs: number, isQuiet: boolean): void {
    // It was sent elsewhere while the answer was on its way.
    if (offset !== this.nextOffset) return;
    this.failingSinceMs = undefined;
    this.failure = undefined;
    this.end = fetched.end;
    this.askedMs = askedMs;
    this.#queue(fetched);
    if (isQuiet && this.nextOffset === offset && offset < fetched.end) this.#passHole(offset, fetched.end);
    else this.#hole = undefined;
  }

  fail(error: unknown, nowMs: number): void {
    this.failingSinceMs ??= nowMs;
    this.failure = error;
  }

  /** The next batch of records, or undefined where none is queued. */
  shift(): RecordBatch | undefined {
    const batch = this.#batches[this.#nextBatch];
    if (batch === undefined) return undefined;
    this.#nextBatch += 1;
    this.queuedBytes -= batch.sizeBytes;
    if (this.isEmpty) {
      this.#batches = [];
      this.#nextBatch = 0;
    }
    return batch;
  }

  takeLost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }

  /** A batch whose records could not be unpacked after all. */
  pass(batch: DamagedBatch): void {
    this.#lost += batch.nextOffset - batch.baseOffset;
  }

  #queue({ records, aborted, end }: FetchedPartition): void {
    // In the order their records begin; a transaction is over at its marker.
    const coming = aborted.toSorted((left, right) => left.firstOffset - right.firstOffset);
    const givenUp = new Set<number>();
    for (let at = 0; ;) {
      const batch = this.#read(records, at, end);
      if (batch === undefined) return;
      at += batch.sizeBytes;
      const isKnown = batch.nextOffset <= this.nextOffset;
      while (coming.length > 0 && coming[0]!.firstOffset < batch.nextOffset) givenUp.add(coming.shift()!.producerId);
      if (batch instanceof DamagedBatch) {
        this.#passDamaged(batch, end);
        continue;
      }
      if (batch.isControl) {
        if (this.#isAbort(batch)) givenUp.delete(batch.producerId);
      } else if (!isKnown && !(batch.isTransactional && givenUp.has(batch.producerId))) {
        this.#batches.push(batch);
        this.queuedBytes += batch.sizeBytes;
      }
      this.nextOffset = Math.max(this.nextOffset, batch.nextOffset);
    }
  }

  /**
   * What a damaged batch says of its offsets may be damaged, too (no checksum covers the first of them): nothing is passed over that the
   * partition does not have.
   */
  #passDamaged(batch: DamagedBatch, end: number): void {
    const next = batch.isPlaceKnown ? batch.nextOffset : this.nextOffset + 1;
    if (next <= this.nextOffset) return;
    const reached = Math.min(next, Math.max(end, this.nextOffset + 1));
    this.#lost += reached - this.nextOffset;
    this.nextOffset = reached;
  }

  #isAbort(marker: RecordBatch): boolean {
    try {
      return isAbortMarker(marker);
    } catch (error) {
      if (!(error instanceof DamagedBatch)) throw error;
      // Its checksum holds: asked for again it would be the same. It ends a transaction either way.
      return true;
    }
  }

  /** Undefined at the end of the bytes, and where a damaged batch should be asked for again. */
  #read(records: Buffer, at: number, end: number): RecordBatch | DamagedBatch | undefined {
    try {
      const batch = batchAt(records, at);
      if (batch === undefined) return undefined;
      checkBatch(batch);
      if (batch.baseOffset >= Math.max(end, this.nextOffset + 1))
        throw damagedPlace(`an offset of ${batch.baseOffset} where the partition ends at ${end}`, records.length - at);
      this.#damagedTries = 0;
      return batch;
    } catch (error) {
      if (!(error instanceof DamagedBatch)) throw error;
      this.failure = error;
      if (++this.#damagedTries < DAMAGED_TRIES) return undefined;
      this.#damagedTries = 0;
      return error;
    }
  }

  /**
   * Compaction may leave nothing between an offset and the end. One empty answer does not say so, since an answer may be full of other
   * partitions' records or throttled: two answers that have nothing at all do.
   */
  #passHole(offset: number, end: number): void {
    if (this.#hole?.offset === offset) this.nextOffset = this.#hole.end;
    this.#hole = this.#hole?.offset === offset ? undefined : { offset, end };
  }
}
