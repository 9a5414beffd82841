import { isMutant } from '../lib/mutant.ts';
import type { SourceReport } from '../record/beat.ts';
import { emptySum, type LineSum } from '../record/line-id.ts';
import { lineHashSeeds, type SourceId, sourceId } from '../record/source.ts';
import { BlockReader, type LinesRead, type ReadResult } from './block-reader.ts';
import type { CloseReason } from './events.ts';
import { countRange, hasIdentity, tailAt } from './identity.ts';
import type { RegistryEntry } from './registry.ts';
import type { SourceHandle, SourceLook } from './source.ts';

/**
 * One source of the agent for as long as the registry knows it: what is acknowledged (all that the registry and beats may
 * say), how far reading has come, and what was last seen of the file.
 */
export class TrackedSource {
  readonly id: SourceId;
  readonly number: number;
  readonly topic: string;
  readonly identity: string;
  readonly origin: number;
  readonly until: number;
  file: string | undefined;
  headBytes: number | undefined;
  path: string;
  /** Where the last scan found it, if it did. */
  place: string | undefined;
  handle: SourceHandle | undefined;

  position: number;
  tail: string;
  sum: LineSum | undefined;
  closedBy: CloseReason | undefined;
  closedAtMs: number | undefined;
  possibleLossBytes: number;
  quietSinceMs: number;
  isRewound: boolean;

  readonly reader: BlockReader;
  sizeBytes = 0;
  modifiedMs = 0;
  isDeleted = false;
  isUnreadable = false;
  /** Its file was opened in this process and has the content the position speaks of. */
  isVerified = false;
  /** A beat has told every partition of it: lines may follow. */
  isAnnounced = false;
  /** It has been read to its end once in this process: from then on it is live and goes before the backlog. */
  isLive = false;
  /** Set when no more will be read than what is there now. */
  ending: CloseReason | undefined;
  wasCutReported = false;
  /** It will be dropped as soon as a beat has said so. */
  isForgotten = false;
  pauseMs = 0;
  nextPollMs = 0;
  /** Clock of the last sign of life: growth, or a path that leads to it. */
  lastSeenMs = 0;
  #counted: RegistryEntry['counted'];
  /** Size at which the last read found no complete line. */
  #dryBytes = -1;
  #reported = '';

  constructor(agent: string, entry: RegistryEntry, lineBytesMax: number) {
    this.id = sourceId(agent, entry.number);
    this.number = entry.number;
    this.topic = entry.topic;
    this.identity = entry.identity;
    this.origin = entry.origin;
    this.until = entry.until ?? Infinity;
    this.file = entry.file;
    this.headBytes = entry.headBytes;
    this.path = entry.path;
    this.position = entry.position;
    this.tail = entry.tail;
    this.#counted = entry.counted;
    this.sum = entry.counted?.upTo === entry.position ? { ...entry.counted.sum } : undefined;
    this.closedBy = entry.closedBy;
    this.closedAtMs = entry.closedAtMs;
    this.possibleLossBytes = entry.possibleLossBytes;
    this.quietSinceMs = entry.quietSinceMs;
    this.isRewound = entry.isRewound ?? false;
    this.reader = new BlockReader(this.id, entry.position, entry.tail, this.sum, lineBytesMax);
  }

  /** Where the known bytes end, as far as this source reads. */
  get known(): number {
    return Math.min(this.sizeBytes, this.until);
  }

  get hasMore(): boolean {
    if (this.ending === 'truncated' || this.closedBy !== undefined || this.isUnreadable) return false;
    return this.known > this.reader.position && (this.ending !== undefined || this.known !== this.#dryBytes);
  }

  /** Everything that will ever be read is acknowledged. */
  get isFinished(): boolean {
    return (
      this.ending !== undefined &&
      this.closedBy === undefined &&
      !this.hasMore &&
      this.position === this.reader.position
    );
  }

  /** Takes the open file. False if its content is not what the source had at its position. */
  attach(handle: SourceHandle): boolean {
    this.handle = handle;
    if (!this.#isSame(handle)) return false;
    this.isVerified = true;
    const counted = this.#counted;
    if (this.sum === undefined && counted !== undefined && counted.upTo < this.position) {
      // Lines between were acknowledged by an earlier life whose count is lost: the file still has them.
      const sum = { ...counted.sum };
      if (countRange(handle, counted.upTo, this.position, lineHashSeeds(this.id), sum)) {
        this.sum = sum;
        this.reader.sum = { ...sum };
      }
      this.#counted = undefined;
    }
    return true;
  }

  detach(): void {
    this.handle?.close();
    this.handle = undefined;
  }

  /** Takes what was seen of the file. False if it shrank below what was read, or its content there is another. */
  see(look: Omit<SourceLook, 'isDeleted'>): boolean {
    const isSameSize = look.sizeBytes === this.sizeBytes;
    const isRewritten = isSameSize && look.modifiedMs !== this.modifiedMs && this.handle !== undefined;
    if (look.sizeBytes < this.reader.position) return false;
    if (isRewritten && !this.#isSame(this.handle!)) return false;
    this.sizeBytes = look.sizeBytes;
    this.modifiedMs = look.modifiedMs;
    return true;
  }

  /** Reads the next block; the caller has seen that there is more. */
  read(into: Buffer, at: number, nowMs: number): ReadResult {
    // The begin as well as the bytes below the position, as at a restart: where nothing was read yet there is nothing below it.
    if (!this.#hasSameHead(this.handle!)) return 'replaced';
    const result = this.reader.read(this.handle!, into, at, this.until, this.ending !== undefined);
    if (result === 'nothing') {
      this.#dryBytes = this.known;
      // An ending source is read to where the file is now, even if that is less than what was seen.
      if (this.ending !== undefined) this.sizeBytes = this.reader.position;
    } else if (typeof result === 'object') {
      this.quietSinceMs = nowMs;
      if (result.end > this.sizeBytes) this.sizeBytes = result.end;
    }
    if (!this.hasMore) this.isLive = true;
    return result;
  }

  acknowledge(lines: LinesRead): void {
    this.position = lines.end;
    this.tail = lines.tail;
    this.sum = lines.sum;
    this.isRewound = false;
  }

  /** No more will be read of it: its content is another now. */
  endAsReplaced(): void {
    if (this.ending === 'truncated') return;
    this.possibleLossBytes += Math.max(0, this.sizeBytes - this.reader.position);
    this.ending = 'truncated';
    this.place = undefined;
    this.detach();
  }

  close(nowMs: number): void {
    if (this.ending === 'missing') this.possibleLossBytes += Math.max(0, this.known - this.reader.position);
    this.closedBy = this.ending;
    this.closedAtMs = nowMs;
    this.detach();
  }

  report(): SourceReport {
    return {
      number: this.number,
      identity: this.identity,
      origin: this.origin,
      position: this.position,
      tail: this.tail,
      state: this.#state(),
      quietSinceMs: this.quietSinceMs,
      path: this.path,
      ...(this.closedBy !== undefined && this.sum !== undefined ? { sum: this.sum } : {}),
      ...(this.possibleLossBytes > 0 ? { possibleLossBytes: this.possibleLossBytes } : {}),
    };
  }

  /** A beat has said that the agent forgets it. */
  get isForgottenInLog(): boolean {
    return this.#reported.startsWith('forgotten ');
  }

  /** The report if it says anything that the last one did not. */
  changedReport(): SourceReport | undefined {
    const summary = `${this.#state()} ${this.position} ${this.path}`;
    if (summary === this.#reported) return undefined;
    this.#reported = summary;
    return this.report();
  }

  entry(): RegistryEntry {
    // The mutant registers what was read as if it were acknowledged.
    const from = isMutant('agent.register_before_ack') ? this.reader : this;
    const counted = from.sum === undefined ? this.#counted : { upTo: from.position, sum: { ...from.sum } };
    return {
      number: this.number,
      topic: this.topic,
      identity: this.identity,
      origin: this.origin,
      position: from.position,
      tail: from.tail,
      path: this.path,
      quietSinceMs: this.quietSinceMs,
      possibleLossBytes: this.possibleLossBytes,
      ...(this.file === undefined ? {} : { file: this.file }),
      ...(this.headBytes === undefined ? {} : { headBytes: this.headBytes }),
      ...(counted === undefined ? {} : { counted }),
      ...(this.closedBy === undefined ? {} : { closedBy: this.closedBy }),
      ...(this.closedAtMs === undefined ? {} : { closedAtMs: this.closedAtMs }),
      ...(this.until === Infinity ? {} : { until: this.until }),
      ...(this.isRewound ? { isRewound: true } : {}),
    };
  }

  #isSame(handle: SourceHandle): boolean {
    return this.#hasSameHead(handle) && tailAt(handle, this.reader.position) === this.reader.tail;
  }

  #hasSameHead(handle: SourceHandle): boolean {
    return this.headBytes === undefined || hasIdentity(handle, this.identity, this.origin, this.headBytes);
  }

  #state(): SourceReport['state'] {
    if (this.isForgotten) return 'forgotten';
    if (this.closedBy !== undefined) return 'closed';
    if (this.isUnreadable) return 'unreadable';
    const isCaughtUp = !this.hasMore && this.ending === undefined && this.position === this.reader.position;
    if (isCaughtUp && this.isVerified) return 'caught_up';
    return this.position === this.origin ? 'announced' : 'reading';
  }
}

/** A source that was never seen before. */
export function newEntry(
  fields: Pick<RegistryEntry, 'number' | 'topic' | 'identity' | 'origin' | 'tail' | 'path' | 'file' | 'headBytes'>,
  nowMs: number,
): RegistryEntry {
  return {
    ...fields,
    position: fields.origin,
    counted: { upTo: fields.origin, sum: emptySum() },
    quietSinceMs: nowMs,
    possibleLossBytes: 0,
  };
}
