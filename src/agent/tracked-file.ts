import { lineHashSeeds } from '../record/source.ts';
import { BlockReader, type ReadResult } from './block-reader.ts';
import { ContentSamples } from './content-samples.ts';
import { countRange, hasIdentity, tailAt } from './identity.ts';
import type { RegistryEntry } from './registry.ts';
import type { SourceHandle, SourceLook } from './source.ts';
import { TrackedSource } from './tracked-source.ts';

/** A file as a source: how far reading has come, and what was last seen of it. */
export class TrackedFile extends TrackedSource {
  file: string | undefined;
  headBytes: number | undefined;
  readonly isHeadPartial: boolean;
  /** Where the last scan found it, if it did. */
  place: string | undefined;
  handle: SourceHandle | undefined;
  readonly reader: BlockReader;
  readonly #samples: ContentSamples;
  /** While it is held: the number of the source whose content it has, and the size at which that was seen. */
  copyOf: RegistryEntry['copyOf'];
  /** Copies of its file that are held: one of them may go on with its last line, which is not taken as it is until that is decided. */
  copies = 0;
  sizeBytes = 0;
  /** The size when it was last seen that the content is this source's: what lies beyond may be another's. */
  verifiedBytes = 0;
  /** Looks since its file had another content: a copy of what was there may still be found, and it goes on there. */
  displacedLooks: number | undefined;
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
    this.#samples = new ContentSamples(entry.samples);
    this.copyOf = entry.copyOf;
    this.isHeadPartial = entry.isHeadPartial === true;
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
    if (this.ending === 'truncated' || this.closedBy !== undefined || this.isUnreadable || this.isHeld) return false;
    if (this.isDisplaced) return false;
    return this.known > this.reader.position && (this.#takesTail || this.known !== this.#dryBytes);
  }

  /** Nothing of it was taken: neither acknowledged nor on its way. */
  get isUntouched(): boolean {
    return this.reader.position === this.origin;
  }

  get isDisplaced(): boolean {
    return this.displacedLooks !== undefined;
  }

  override get isFinished(): boolean {
    return !this.isDisplaced && !this.isHeld && this.copies === 0 && super.isFinished;
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
    this.displacedLooks = undefined;
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

  /**
   * Takes what was seen of the file. False if it shrank below what was read, or its content there is another. The look came first: a size
   * that was the content's own when it was taken stays so, whatever comes after.
   */
  see(look: Omit<SourceLook, 'isDeleted'>): boolean {
    if (look.sizeBytes < this.reader.position) return false;
    const hasChanged = look.sizeBytes !== this.sizeBytes || look.modifiedMs !== this.modifiedMs;
    if (hasChanged && this.handle !== undefined) {
      if (!this.#isSame(this.handle)) return false;
      this.verifiedBytes = look.sizeBytes;
    }
    this.sizeBytes = look.sizeBytes;
    this.modifiedMs = look.modifiedMs;
    return true;
  }

  /** Reads the next block; the caller has seen that there is more. */
  read(into: Buffer, nowMs: number): ReadResult {
    // The begin as well as the bytes below the position, as at a restart: where nothing was read yet there is nothing below it.
    if (!this.#hasSameHead(this.handle!)) return 'replaced';
    const result = this.reader.read(this.handle!, into, this.until, this.#takesTail);
    if (result === 'nothing') {
      this.#dryBytes = this.known;
      // An ending source is read to where the file is now, even if that is less than what was seen.
      if (this.#takesTail) this.sizeBytes = this.reader.position;
    } else if (typeof result === 'object') {
      this.quietSinceMs = nowMs;
      if (result.end > this.sizeBytes) this.sizeBytes = result.end;
      if (result.end > this.verifiedBytes) this.verifiedBytes = result.end;
      this.#samples.readTo(result.end, result.tail, this.handle!);
    }
    if (!this.hasMore) this.isLive = true;
    return result;
  }

  /** Its file has another content now. It holds the clock until a look finds what goes on, here or in a copy. */
  displace(): void {
    this.isVerified = false;
    this.place = undefined;
    this.detach();
    if (this.ending !== 'truncated') this.displacedLooks ??= 0;
  }

  /** No more will be read of it: its content is gone. */
  endAsReplaced(): void {
    if (this.ending === 'truncated') return;
    this.possibleLossBytes += Math.max(0, this.verifiedBytes - this.reader.position);
    this.displacedLooks = undefined;
    this.ending = 'truncated';
    this.place = undefined;
    this.detach();
  }

  /** Goes on in a copy of its file, of which `sizeBytes` are known. What was seen of the old one and is not in the copy is gone. */
  moveTo(handle: SourceHandle, sizeBytes: number): boolean {
    this.detach();
    const seenBytes = this.verifiedBytes;
    if (!this.attach(handle)) return false;
    this.possibleLossBytes += Math.max(0, seenBytes - sizeBytes);
    this.verifiedBytes = 0;
    this.sizeBytes = 0;
    this.ending = undefined;
    this.#dryBytes = -1;
    return true;
  }

  /** Nothing was read of it, and nothing will be: another source has its content. */
  endAsCopy(): void {
    this.isHeld = false;
    this.ending = 'copy';
    this.sizeBytes = 0;
    this.place = undefined;
    this.detach();
  }

  ownedBy(input: string, lineBytesMax: number): void {
    this.input = input;
    this.lineBytesMax = lineBytesMax;
    this.reader.lineBytesMax = lineBytesMax;
  }

  /** Whether a file holds what this source has read: its head, and the bytes below the position. */
  isIn(handle: SourceHandle): boolean {
    return this.#isSame(handle);
  }

  override close(nowMs: number): void {
    if (this.ending === 'missing') this.possibleLossBytes += Math.max(0, this.known - this.reader.position);
    super.close(nowMs);
  }

  override entry(): RegistryEntry {
    return {
      ...super.entry(),
      // What was decided must not be asked again after a crash: the file may be another source's by then.
      ...(this.ending === 'copy' ? { closedBy: 'copy', closedAtMs: this.closedAtMs ?? this.quietSinceMs } : {}),
      ...(this.file === undefined ? {} : { file: this.file }),
      ...(this.headBytes === undefined ? {} : { headBytes: this.headBytes }),
      ...(this.isHeadPartial ? { isHeadPartial: true } : {}),
      ...(this.copyOf === undefined ? {} : { copyOf: this.copyOf }),
      samples: this.#samples.all,
    };
  }

  /** Up to where a file that ends below this source's position is known to hold what the source had there. */
  knownIn(handle: SourceHandle, sizeBytes: number): number | undefined {
    if (sizeBytes >= this.reader.position || !this.#hasSameHead(handle)) return undefined;
    return this.#samples.knownIn(handle, sizeBytes);
  }

  /** Whether a last line without its end is a line. */
  get #takesTail(): boolean {
    return this.ending !== undefined && this.copies === 0;
  }

  #isSame(handle: SourceHandle): boolean {
    return this.#hasSameHead(handle) && tailAt(handle, this.reader.position) === this.reader.tail;
  }

  #hasSameHead(handle: SourceHandle): boolean {
    return this.headBytes === undefined || hasIdentity(handle, this.identity, this.headBytes);
  }
}
