import { CONTENT_SAMPLE_BYTES, foreignContent } from '../lib/file-content.ts';
import type { FoundSource, ScanProblem, SourceHandle } from './source.ts';

/**
 * The files of one input that hold no lines, such as those a rotation has compressed: they are named, and never read. As many as a scan
 * finds; each is opened again only when it changes.
 */
export class ForeignFiles {
  readonly #byPlace = new Map<string, { readonly file: FoundSource; readonly problem: ScanProblem }>();

  /** Whether this file is known as one of them, and has not changed since. */
  has({ place, sizeBytes, modifiedMs }: FoundSource): boolean {
    const known = this.#byPlace.get(place)?.file;
    return known !== undefined && known.sizeBytes === sizeBytes && known.modifiedMs === modifiedMs;
  }

  /** Looks at the begin of a file that would become a source. True if it is one of these. */
  take(handle: SourceHandle, file: FoundSource): boolean {
    const begin = Buffer.alloc(CONTENT_SAMPLE_BYTES);
    const found = foreignContent(begin.subarray(0, handle.read(begin, 0, begin.length, 0)));
    if (found === undefined) {
      this.#byPlace.delete(file.place);
      return false;
    }
    const { reason, hint } = found;
    // A pattern for rotated names finds what was compressed; a file that is named is meant.
    const isLeftOut = found.isCompressed && file.isNamed !== true;
    this.#byPlace.set(file.place, { file, problem: { path: file.path, reason, hint, isLeftOut } });
    return true;
  }

  /** What there is to say of those that a scan has found; the others are forgotten. */
  problems(found: readonly FoundSource[]): ScanProblem[] {
    const paths = new Map(found.map(({ place, path }) => [place, path]));
    const problems: ScanProblem[] = [];
    for (const [place, { problem }] of this.#byPlace) {
      const path = paths.get(place);
      if (path === undefined) this.#byPlace.delete(place);
      else problems.push({ ...problem, path });
    }
    return problems;
  }
}
