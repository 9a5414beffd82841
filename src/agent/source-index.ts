import { hasIdentity, type Head, identityOf, tailAt } from './identity.ts';
import type { SourceHandle } from './source.ts';
import type { TrackedFile } from './tracked-file.ts';

/** Every source of files that the registry knows of one topic: by the file it was last read from, and by the content it began with. */
export class SourceIndex implements Iterable<TrackedFile> {
  readonly #all = new Set<TrackedFile>();
  /** By device and inode of the file; of a rebuilt registry none is known. */
  readonly #byPlace = new Map<string, Set<TrackedFile>>();
  readonly #byIdentity = new Map<string, Set<TrackedFile>>();
  /** Those that may have begun with less than a whole line: what is a whole line now does not give their identity. */
  readonly #partial = new Set<TrackedFile>();

  constructor(sources: Iterable<TrackedFile>) {
    for (const source of sources) this.add(source);
  }

  add(source: TrackedFile): void {
    this.#all.add(source);
    // Nothing was ever read of it, so nothing can go on where it ended.
    if (source.closedBy !== undefined && source.isUntouched) return;
    if (source.file !== undefined) addTo(this.#byPlace, placeOf(source.file), source);
    addTo(this.#byIdentity, source.identity, source);
    if (source.isHeadPartial || source.headBytes === undefined) this.#partial.add(source);
  }

  /** The source is read from this file now. */
  move(source: TrackedFile, file: string): void {
    if (source.file === file) return;
    if (source.file !== undefined) removeFrom(this.#byPlace, placeOf(source.file), source);
    source.file = file;
    addTo(this.#byPlace, placeOf(file), source);
  }

  /** It keeps its number, and is found no more. */
  hide(source: TrackedFile): void {
    if (source.file !== undefined) removeFrom(this.#byPlace, placeOf(source.file), source);
    removeFrom(this.#byIdentity, source.identity, source);
    this.#partial.delete(source);
  }

  forget(source: TrackedFile): void {
    this.hide(source);
    this.#all.delete(source);
  }

  /** Whether any source was read from a file at this place, be it this one or another that had the inode before. */
  hasPlace(place: string): boolean {
    return this.#byPlace.has(place);
  }

  /** Sources that were read from this file; its key names it on this machine for its life. */
  ofFile(key: string): TrackedFile[] {
    return [...(this.#byPlace.get(placeOf(key)) ?? [])].filter(({ file }) => file === key);
  }

  /** The newest source that was read from this file and has its head. */
  newestOf(handle: SourceHandle, head: Head): TrackedFile | undefined {
    let newest: TrackedFile | undefined;
    for (const source of this.ofFile(handle.key)) {
      if (newest !== undefined && newest.number > source.number) continue;
      if (hasIdentity(handle, source.identity, source.headBytes ?? head.bytes.length)) newest = source;
    }
    return newest;
  }

  /** Sources that began as this file does, wherever they were read; the likeliest first: of the same path, then read furthest. */
  withHead(handle: SourceHandle, head: Head, path: string): TrackedFile[] {
    const found = new Set(this.#byIdentity.get(identityOf(head.bytes)));
    for (const source of found) source.headBytes ??= head.bytes.length;
    for (const source of this.#partial) {
      if (found.has(source)) continue;
      const length = source.headBytes ?? source.position;
      if (length === 0 || length > head.bytes.length || !hasIdentity(handle, source.identity, length)) continue;
      source.headBytes = length;
      found.add(source);
    }
    return [...found]
      .filter((source) => source.until === Infinity)
      .sort(
        (left, right) =>
          Number(left.isUntouched) - Number(right.isUntouched) ||
          Number(right.path === path) - Number(left.path === path) ||
          Number(left.closedBy !== undefined) - Number(right.closedBy !== undefined) ||
          right.reader.position - left.reader.position ||
          right.number - left.number,
      );
  }

  [Symbol.iterator](): Iterator<TrackedFile> {
    return this.#all[Symbol.iterator]();
  }
}

/** Two files are compared at so many places, each time half as far from their begin. */
const TWIN_PLACES = 8;

/** Whether two files with the same head hold the same bytes as far as both reach, as far as samples say. */
export function isTwin(left: SourceHandle, right: SourceHandle): boolean {
  let at = Math.min(left.look().sizeBytes, right.look().sizeBytes);
  for (let i = 0; i < TWIN_PLACES && at > 0; i++) {
    const tail = tailAt(left, at);
    if (tail === undefined || tail !== tailAt(right, at)) return false;
    at = Math.floor(at / 2);
  }
  return true;
}

/** Device and inode, without the birth time. */
function placeOf(key: string): string {
  return key.slice(0, key.lastIndexOf(':'));
}

function addTo(map: Map<string, Set<TrackedFile>>, key: string, source: TrackedFile): void {
  const group = map.get(key);
  if (group === undefined) map.set(key, new Set([source]));
  else group.add(source);
}

function removeFrom(map: Map<string, Set<TrackedFile>>, key: string, source: TrackedFile): void {
  const group = map.get(key);
  group?.delete(source);
  if (group?.size === 0) map.delete(key);
}
