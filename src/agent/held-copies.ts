import type { FoundSource } from './source.ts';
import type { TrackedFile } from './tracked-file.ts';

interface HeldCopy {
  /** The source whose content it has. */
  readonly of: TrackedFile;
  /** On the monotonic clock: since when nothing speaks against two files of the same content. */
  sinceMs: number;
  /** A file below this size may still be being copied. */
  readonly wholeBytes: number;
  sizeBytes: number;
}

/**
 * Files that were found with the content of a source that is whole where it was. Rotation by copy and truncation makes them, and so do
 * people who log the same lines twice: which of the two it is shows when one of the files changes, or after a time of grace.
 */
export class HeldCopies {
  readonly #held = new Map<TrackedFile, HeldCopy>();

  *[Symbol.iterator](): Iterator<[TrackedFile, TrackedFile]> {
    for (const [copy, { of }] of this.#held) yield [copy, of];
  }

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  /** How long it has been so that both files are there, as far as the file system tells. */
  static ageMs(file: FoundSource, wallMs: number): number {
    return Math.max(0, wallMs - file.changedMs);
  }

  hold(copy: TrackedFile, of: TrackedFile, { ageMs, nowMs }: { readonly ageMs: number; readonly nowMs: number }): void {
    this.release(copy);
    copy.isHeld = true;
    of.copies += 1;
    const { sizeBytes } = copy;
    const sinceMs = nowMs - ageMs;
    copy.copyOf = { number: of.number, sizeBytes };
    this.#held.set(copy, { of, sinceMs, wholeBytes: of.sizeBytes, sizeBytes });
  }

  /** Whether both have been whole for so long that each is a file of its own. A copy that still grows to its original's size is not whole. */
  isOver(copy: TrackedFile, graceMs: number, nowMs: number): boolean {
    const held = this.#held.get(copy);
    if (held === undefined) return true;
    if (copy.sizeBytes !== held.sizeBytes && held.sizeBytes < held.wholeBytes) held.sinceMs = nowMs;
    held.sizeBytes = copy.sizeBytes;
    return nowMs - held.sinceMs >= graceMs;
  }

  release(copy: TrackedFile): void {
    const held = this.#held.get(copy);
    if (held !== undefined) held.of.copies -= 1;
    copy.isHeld = false;
    copy.copyOf = undefined;
    this.#held.delete(copy);
  }
}

/** Whether all of a file is known to be the content of a source, and was read there: it was held, and is as it was. */
export function isAllRead({ copyOf }: TrackedFile, sizeBytes: number, of: TrackedFile): boolean {
  return copyOf?.number === of.number && copyOf.sizeBytes === sizeBytes && sizeBytes <= of.reader.position;
}
