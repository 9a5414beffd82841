import { DamagedBatch } from '../../broker/kafka/record-batch.ts';
import { RecordCursor } from '../../broker/kafka/record-cursor.ts';
import { BLOCK_BYTES_MAX } from '../../record/block.ts';
import { hash64 } from '../../lib/hash.ts';
import { type LineSum, emptySum } from '../../record/line-id.ts';
import { EMPTY_TAIL, lineHashSeeds } from '../../record/source.ts';
import type { LinesRead } from '../block-reader.ts';
import { addOffset } from '../line-framing.ts';
import type { RegistryEntry } from '../registry.ts';
import type { ReadOutcome } from '../source-input.ts';
import { type ReadPoint, TrackedSource } from '../tracked-source.ts';
import type { PartitionFeed } from './partition-feed.ts';
import type { PartitionName } from './partition-name.ts';
import type { RecordFraming } from './record-framing.ts';

/** Records of one block: the header lists an offset, and perhaps a length, for each, and must stay below the block itself. */
const LINES_MAX = 65_536;

/**
 * A partition of a topic as a source: its positions are offsets. They have holes, where compaction has taken records or markers of
 * transactions stand: a block reaches from one position to the next over all of them.
 */
export class TrackedPartition extends TrackedSource {
  feed: PartitionFeed | undefined;
  /** Once it was found in this process. */
  name: PartitionName | undefined;
  /** In once mode: the end at the start. */
  limit = Infinity;
  framing: RecordFraming | undefined;
  isKeepingTombstones = true;
  /** Clock of the last time the cluster had it. */
  lastSeenMs = 0;
  readonly #seeds: readonly [number, number];
  #ahead: ReadPoint;
  readonly #cursor = new RecordCursor();
  /** The cursor stands on a record that is still to be read. */
  #isWaiting = false;
  /** What lies below was given up, even if a batch that reaches over it still has some of it. */
  #firstOffset = 0;
  /** For the progress line: bytes of lines so far, and how many. */
  #bytes = 0;
  #lines = 0;

  constructor(agent: string, entry: RegistryEntry, lineBytesMax: number) {
    super(agent, entry, lineBytesMax);
    this.#seeds = lineHashSeeds(this.id);
    this.#ahead = { position: this.position, tail: this.tail, sum: this.sum };
  }

  override get ahead(): ReadPoint {
    return this.#ahead;
  }

  override get hasMore(): boolean {
    if (this.ending === 'truncated' || this.closedBy !== undefined || this.isUnreadable) return false;
    // Without an answer yet nobody knows.
    if (this.feed === undefined) return this.ending === undefined;
    if (!this.isVerified) return true;
    if (this.#isWaiting) return this.#cursor.offset < this.#end;
    return (
      this.#ahead.position < this.#end &&
      !this.feed.isAtEnd &&
      !(this.feed.isEmpty && this.feed.nextOffset >= this.#end)
    );
  }

  /** Where reading ends, as far as this source reads. */
  get #end(): number {
    return Math.min(this.until, this.limit);
  }

  override get pendingBytes(): number {
    const known = Math.min(this.feed?.end ?? -1, this.#end);
    const average = this.#lines === 0 ? 0 : this.#bytes / this.#lines;
    return Math.max(0, Math.round((known - this.position) * average));
  }

  /** Takes up reading at its position. The record below comes again, if it is still there, and must be the one that was read. */
  attach(feed: PartitionFeed, framing: RecordFraming): void {
    this.feed = feed;
    this.name = feed.name;
    this.framing = framing;
    this.verifyAgain();
  }

  /** Something happened behind which the partition may be another: nothing counts before the record below the position is seen. */
  verifyAgain(): void {
    const { position, tail } = this.#ahead;
    this.isVerified = position === this.origin && tail === EMPTY_TAIL;
    this.#isWaiting = false;
    this.feed?.seek(this.isVerified ? position : position - 1);
  }

  /** Retention has taken what lies before `offset`, with the record that would be compared. Returns how many it took unread. */
  passOver(offset: number): number {
    const { position } = this.#ahead;
    const missed = Math.max(0, offset - position);
    this.possibleLossBytes += missed;
    this.#firstOffset = offset;
    this.isVerified = true;
    this.#isWaiting = false;
    this.feed?.seek(Math.max(offset, position));
    return missed;
  }

  override detach(): void {
    this.feed = undefined;
    this.#isWaiting = false;
  }

  /** No more will be read of it: the topic is another now, or shorter than what was read. */
  endAsReplaced(lost: number): void {
    if (this.ending === 'truncated') return;
    this.possibleLossBytes += Math.max(0, lost);
    this.ending = 'truncated';
    this.detach();
  }

  /** Fills `room` with the lines of what was fetched. */
  read(room: Buffer, readAtMs: number): ReadOutcome {
    const { feed, framing } = this;
    if (feed === undefined || framing === undefined) return 'nothing';
    const run = new BlockRun(room);
    while (run.lines < LINES_MAX && this.#toNextRecord(feed)) {
      const cursor = this.#cursor;
      if (cursor.offset >= this.#end) break;
      if (cursor.offset < this.#ahead.position) {
        this.#isWaiting = false;
        if (cursor.offset !== this.#ahead.position - 1 || this.isVerified) continue;
        if (tailOf(cursor) !== this.#ahead.tail) return 'replaced';
        this.isVerified = true;
        continue;
      }
      this.isVerified = true;
      const isTombstone = cursor.valueLength < 0 && !this.isKeepingTombstones;
      if (isTombstone || cursor.offset < this.#firstOffset) {
        this.#isWaiting = false;
        continue;
      }
      if (!run.take(framing, cursor)) break;
      this.#isWaiting = false;
    }
    if (run.lines === 0) {
      this.#settle(feed);
      return 'nothing';
    }
    return this.#advance(run, readAtMs);
  }

  /** False where nothing more was fetched. */
  #toNextRecord(feed: PartitionFeed): boolean {
    if (this.#isWaiting) return true;
    for (;;) {
      try {
        if (this.#cursor.next()) return (this.#isWaiting = true);
        const batch = feed.shift();
        if (batch === undefined) return false;
        this.#cursor.open(batch);
      } catch (error) {
        if (!(error instanceof DamagedBatch)) throw error;
        feed.pass(error);
      }
    }
  }

  /** At the end of the partition without the record below the position: compaction has taken it. */
  #settle(feed: PartitionFeed): void {
    if (!this.isVerified && feed.isAtEnd && feed.end >= this.#ahead.position) this.isVerified = true;
    if (!this.hasMore) this.isLive = true;
  }

  #advance(run: BlockRun, readAtMs: number): LinesRead {
    const { position: start, tail: tailBefore, sum: before } = this.#ahead;
    const { offsets, lengths, cut, lines, last } = run;
    const end = last.offset + 1;
    const tail = tailOf(last);
    const sum = before === undefined ? undefined : this.#count(offsets, before);
    this.#ahead = { position: end, tail, sum };
    this.quietSinceMs = readAtMs;
    this.modifiedMs = last.timestampMs;
    this.#bytes += run.length;
    this.#lines += lines;
    if (!this.hasMore) this.isLive = true;
    return {
      value: run.value,
      prev: start,
      start,
      end,
      sizeBytes: run.length,
      tailBefore,
      tail,
      lines,
      sum,
      usedBytes: run.length,
      offsets,
      ...(run.hasNewlines ? { lengths } : {}),
      ...(cut.length === 0 ? {} : { cut }),
    };
  }

  #count(offsets: readonly number[], before: LineSum): LineSum {
    const sum = { ...emptySum(), ...before };
    for (const offset of offsets) addOffset(sum, this.#seeds, offset);
    return sum;
  }
}

/** The lines of a block while it is being filled. */
class BlockRun {
  readonly offsets: number[] = [];
  readonly lengths: number[] = [];
  readonly cut: number[] = [];
  length = 0;
  hasNewlines = false;
  /** The last record, as long as the bytes it lies in are unpacked. */
  readonly last: RecordPlace = {
    bytes: Buffer.alloc(0),
    offset: 0,
    timestampMs: 0,
    keyStart: 0,
    keyLength: -1,
    valueStart: 0,
    valueLength: -1,
  };
  readonly #room: Buffer;

  constructor(room: Buffer) {
    this.#room = room;
  }

  get lines(): number {
    return this.offsets.length;
  }

  get value(): Buffer {
    return this.#room.subarray(0, this.length);
  }

  /** False if the line does not fit any more. */
  take(framing: RecordFraming, cursor: RecordCursor): boolean {
    const length = framing.write(cursor, this.#room, this.length, BLOCK_BYTES_MAX);
    if (length < 0) return false;
    if (framing.isCut) this.cut.push(this.lines);
    if (framing.hasNewline) this.hasNewlines = true;
    this.offsets.push(cursor.offset);
    this.lengths.push(length);
    this.length += length + 1;
    const { last } = this;
    last.bytes = cursor.bytes;
    last.offset = cursor.offset;
    last.timestampMs = cursor.timestampMs;
    last.keyStart = cursor.keyStart;
    last.keyLength = cursor.keyLength;
    last.valueStart = cursor.valueStart;
    last.valueLength = cursor.valueLength;
    return true;
  }
}

type RecordPlace = Pick<
  RecordCursor,
  'bytes' | 'offset' | 'timestampMs' | 'keyStart' | 'keyLength' | 'valueStart' | 'valueLength'
>;

/**
 * What stands for "the bytes below the position" of a partition: the last record before it, by its offset, time, key and value. A topic that
 * was made again, or lost its end, has another record there.
 */
function tailOf(record: RecordPlace): string {
  const { bytes, offset, timestampMs, keyStart, keyLength, valueStart, valueLength } = record;
  const head = Buffer.from(`${offset}:${timestampMs}:${keyLength}:${valueLength}\n`);
  const key = bytes.subarray(keyStart, keyStart + Math.max(0, keyLength));
  const value = bytes.subarray(valueStart, valueStart + Math.max(0, valueLength));
  return hash64(Buffer.concat([head, key, value]));
}
