import { tailAt } from './identity.ts';
import type { SourceHandle } from './source.ts';

/** A position, and the hash of the at most 64 bytes below it. */
export type Sample = readonly [position: number, tail: string];

/** The first position that is remembered; each next one is twice as far, so 40 reach over every file there is. */
const FIRST = 128;
const STEP = 2;
/** Ends of the last blocks: a copy that was made while the source was read ends near them. */
const RECENT_MAX = 8;

/** What two sides remember of one source, each position once; where they differ, the later side is right. */
export function joinSamples(samples: readonly Sample[] = [], more: readonly Sample[] = []): readonly Sample[] {
  return kept([...samples, ...more]).flat();
}

/** Those at the fixed positions, of which there are 40 at most, and the last of the others. */
function kept(samples: readonly Sample[]): [spaced: Sample[], recent: Sample[]] {
  const sorted = [...new Map(samples)].toSorted(([left], [right]) => left - right);
  const isSpaced = ([position]: Sample): boolean => Number.isInteger(Math.log2(position / FIRST));
  return [sorted.filter(isSpaced), sorted.filter((sample) => !isSpaced(sample)).slice(-RECENT_MAX)];
}

/**
 * What is remembered of the content below a position: a file that is shorter than what was read of a source can still be known for a copy of
 * its beginning, such as an older backup, or one that was made a moment before the last lines came.
 */
export class ContentSamples {
  #samples: Sample[];
  #recent: Sample[];

  constructor(samples: readonly Sample[] = []) {
    const [spaced, recent] = kept(samples);
    this.#samples = spaced;
    this.#recent = recent;
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

  /**
   * Up to where a file of this size, with the source's head, is known to hold what the source had: the last sample in it, which must match.
   * Undefined where it holds something else, or nothing is known.
   */
  knownIn(handle: SourceHandle, sizeBytes: number): number | undefined {
    let last: Sample | undefined;
    for (const sample of this.all) if (sample[0] <= sizeBytes && sample[0] > (last?.[0] ?? 0)) last = sample;
    return last !== undefined && tailAt(handle, last[0]) === last[1] ? last[0] : undefined;
  }

  get #next(): number {
    const last = this.#samples.at(-1);
    return last === undefined ? FIRST : last[0] * STEP;
  }
}
