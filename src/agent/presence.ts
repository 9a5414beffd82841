import { ForeignFiles } from './foreign-files.ts';
import type { FoundSource, ScanProblem } from './source.ts';
import type { TrackedFile } from './tracked-file.ts';

interface FileState {
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** Which known sources one look has found, and which files are known not to be sources. */
export class Presence {
  readonly foreign = new ForeignFiles();
  /** Files that are not sources now, and need no second look until they change: closed ones, and those without a whole line. */
  readonly #settled = new Map<string, FileState>();
  /** Sources whose content is at a path. */
  readonly #whole = new Set<TrackedFile>();
  /** Sources whose file has no path, or none that is looked at, and is still there. */
  readonly #pathless = new Set<TrackedFile>();
  /** Those of them to which no name leads any more. */
  readonly #deleted = new Set<TrackedFile>();
  #seen: ReadonlySet<string> = new Set();

  /** `seen` fills with the places that this look finds. */
  beginLook(seen: ReadonlySet<string>): void {
    this.#seen = seen;
    this.#whole.clear();
    this.#pathless.clear();
    this.#deleted.clear();
  }

  /** What to report about files that are not sources. */
  endLook(found: readonly FoundSource[]): readonly ScanProblem[] {
    for (const place of this.#settled.keys()) if (!this.#seen.has(place)) this.#settled.delete(place);
    return this.foreign.problems(found);
  }

  foundWhole(source: TrackedFile): void {
    this.#whole.add(source);
  }

  foundPathless(source: TrackedFile, isDeleted: boolean): void {
    this.#pathless.add(source);
    if (isDeleted) this.#deleted.add(source);
  }

  /** Whether the content of a source is where it was read from. */
  isThere(source: TrackedFile): boolean {
    if (this.#whole.has(source) || this.#pathless.has(source)) return true;
    const { closedBy, place } = source;
    const isOver = closedBy !== undefined && closedBy !== 'truncated';
    return isOver && place !== undefined && this.#settled.has(place) && this.#seen.has(place);
  }

  isDeleted(source: TrackedFile): boolean {
    return this.#deleted.has(source);
  }

  isPathless(source: TrackedFile): boolean {
    return this.#pathless.has(source);
  }

  settle(place: string, { sizeBytes, modifiedMs }: FileState): void {
    this.#settled.set(place, { sizeBytes, modifiedMs });
  }

  unsettle(place: string): void {
    this.#settled.delete(place);
  }

  isSettledAt({ place }: TrackedFile): boolean {
    return place !== undefined && this.#settled.has(place);
  }

  /** A file without a live source, unless it is known not to become one. */
  isCandidate(file: FoundSource): boolean {
    if (this.foreign.has(file)) return false;
    const settled = this.#settled.get(file.place);
    const isUnchanged = settled?.sizeBytes === file.sizeBytes && settled.modifiedMs === file.modifiedMs;
    if (!isUnchanged) this.#settled.delete(file.place);
    return !isUnchanged;
  }
}
