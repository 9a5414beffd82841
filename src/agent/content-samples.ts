import { tailAt } from './identity.ts';
import type { SourceHandle } from './source.ts';

/** A position, and the hash of the at most 64 bytes below it. */
export type Sample = readonly [position: number, tail: string];

/** The first position that is remembered; the next is four times as far, so 20 reach over every file there is. */
const FIRST = 128;
const STEP = 4;
/** Ends of the last blocks: a copy that was made while the source was read ends near them. */
const RECENT_MAX = 8;

/**
 * What is remembered of the content below a position: a file that is shorter than what was read of a source can still be known for a copy of
 * its beginning, such as an older backup, or one that was made a moment before the last lines came.
 */
export class ContentSamples {
  #samples: Sample[];
  #recent: Sample[];

  constructor(samples: readonly Sample[] = []) {
    const isSpaced = ([position]: Sample): boolean => Number.isInteger(Math.log2(position / FIRST) / Math.log2(STEP));
    this.#samples = samples.filter(isSpaced);
    this.#recent = samples.filter((sample) => !isSpaced(sample));
  }

  get all(): readonly Sample[] {
    return [...this.#samples, ...this.#recent];
  }

  /** The source was read up to `position`, below which lies what `tail` is the hash of. */
  readTo(position: number, tail: string, handle: SourceHandle): void {
    this.#recent.push([position, tail]);
    if (this.#recent.length > RECENT_MAX) this.#recent.shift();
    for (let at = this.#next; at <= position; at = this.#next) {
      const sample = tailAt(handle, at);
      if (sample === undefined) return;
      this.#samples.push([at, sample]);
    }
  }

  /** Whether a file of this size, with the source's head, holds what the source had there. */
  areIn(handle: SourceHandle, sizeBytes: number): boolean {
    let last: Sample | undefined;
    for (const sample of this.all) if (sample[0] <= sizeBytes && sample[0] > (last?.[0] ?? 0)) last = sample;
    // So little that the head is nearly all of it.
    if (last === undefined) return sizeBytes < FIRST;
    return tailAt(handle, last[0]) === last[1];
  }

  get #next(): number {
    const last = this.#samples.at(-1);
    return last === undefined ? FIRST : last[0] * STEP;
  }
}
