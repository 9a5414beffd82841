import { lineHashSeeds } from '../record/source.ts';
import { BlockReader, type ReadResult } from './block-reader.ts';
import { countRange, hasIdentity, tailAt } from './identity.ts';
import type { RegistryEntry } from './registry.ts';
import type { SourceHandle, SourceLook } from './source.ts';
import { TrackedSource } from './tracked-source.ts';

/** A file as a source: how far reading has come, and what was last seen of it. */
export class TrackedFile extends TrackedSource {
  file: string | undefined;
  headBytes: number | undefined;
  /** Where the last scan found it, if it did. */
  place: string | undefined;
  handle: SourceHandle | undefined;
  readonly reader: BlockReader;
  sizeBytes = 0;
  isDeleted = false;
  pauseMs = 0;
  nextPollMs = 0;
  /** Clock of the last sign of life: growth, or a path that leads to it. */
  lastSeenMs = 0;
  /** Size at which the last read found no complete line. */
  #dryBytes = -1;

  constructor(agent: string, entry: RegistryEntry, lineBytesMax: number) {
    super(agent, entry, lineBytesMax);
    this.file = entry.file;
    this.headBytes = entry.headBytes;
    this.reader = new BlockReader(this.id, entry.position, entry.tail, this.sum, lineBytesMax);
  }

  override get ahead(): BlockReader {
    return this.reader;
  }

  /** Where the known bytes end, as far as this source reads. */
  get known(): number {
    return Math.min(this.sizeBytes, this.until);
  }

  override get pendingBytes(): number {
    return Math.max(0, this.known - this.position);
  }

  override get hasMore(): boolean {
    if (this.ending === 'truncated' || this.closedBy !== undefined || this.isUnreadable) return false;
    return this.known > this.reader.position && (this.ending !== undefined || this.known !== this.#dryBytes);
  }

  override get isOpen(): boolean {
    return this.handle !== undefined;
  }

  override get isAtRest(): boolean {
    return this.place !== undefined && !this.hasMore && this.ending === undefined;
  }

  /** Takes the open file. False if its content is not what the source had at its position. */
  attach(handle: SourceHandle): boolean {
    this.handle = handle;
    if (!this.#isSame(handle)) return false;
    this.isVerified = true;
    const { counted } = this;
    if (this.sum === undefined && counted !== undefined && counted.upTo < this.position) {
      // Lines between were acknowledged by an earlier life whose count is lost: the file still has them.
      const sum = { ...counted.sum };
      if (countRange(handle, counted.upTo, this.position, lineHashSeeds(this.id), sum)) {
        this.sum = sum;
        this.reader.sum = { ...sum };
      }
      this.counted = undefined;
    }
    return true;
  }

  override detach(): void {
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

  /** No more will be read of it: its content is another now. */
  endAsReplaced(): void {
    if (this.ending === 'truncated') return;
    this.possibleLossBytes += Math.max(0, this.sizeBytes - this.reader.position);
    this.ending = 'truncated';
    this.place = undefined;
    this.detach();
  }

  override close(nowMs: number): void {
    if (this.ending === 'missing') this.possibleLossBytes += Math.max(0, this.known - this.reader.position);
    super.close(nowMs);
  }

  override entry(): RegistryEntry {
    return {
      ...super.entry(),
      ...(this.file === undefined ? {} : { file: this.file }),
      ...(this.headBytes === undefined ? {} : { headBytes: this.headBytes }),
    };
  }

  #isSame(handle: SourceHandle): boolean {
    return this.#hasSameHead(handle) && tailAt(handle, this.reader.position) === this.reader.tail;
  }

  #hasSameHead(handle: SourceHandle): boolean {
    return this.headBytes === undefined || hasIdentity(handle, this.identity, this.origin, this.headBytes);
  }
}
