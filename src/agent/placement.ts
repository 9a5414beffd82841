import { present } from '../lib/assert.ts';
import { isMutant } from '../lib/mutant.ts';
import { EMPTY_TAIL } from '../record/source.ts';
import type { Notify } from './events.ts';
import { HeldCopies, isAllRead } from './held-copies.ts';
import { type Head, identityOf, lastLineEnd, readHead, tailAt } from './identity.ts';
import type { AgentLimits } from './limits.ts';
import type { OpenFiles } from './open-files.ts';
import { Presence } from './presence.ts';
import type { RegistryEntry } from './registry.ts';
import { isSourceFailure, noRoom, problemOf } from './scan-problem.ts';
import type { FoundSource, ScanProblem, SourceFinder, SourceHandle } from './source.ts';
import { isTwin, SourceIndex } from './source-index.ts';
import type { TrackedFile } from './tracked-file.ts';
import { newEntry } from './tracked-source.ts';

/** What one entry of `sources` says of the files it reads. */
export interface FileReading {
  readonly lineBytesMax: number;
  /** For how long a file with the content of another is not taken for a file of its own. */
  readonly copyGraceMs: number;
}

export interface PlacementOptions {
  readonly topic: string;
  readonly kind: string;
  readonly isOnce: boolean;
  readonly limits: AgentLimits;
  readonly openFiles: OpenFiles;
  readonly finder: SourceFinder;
  readonly notify: Notify;
  readonly inputs: ReadonlyMap<string, FileReading>;
  /** Whether one more source may be made. */
  readonly hasRoom: () => boolean;
  /** Makes a source of an entry that has a number of its own. */
  readonly create: (entry: Omit<RegistryEntry, 'number'>) => TrackedFile;
}

/** One look at everything. */
export interface Look {
  readonly nowMs: number;
  readonly wallMs: number;
}

/** Of sources with one head, a file is compared with so many: the nearest. Logs with a heading share it with all their like. */
const COMPARED_MAX = 32;

/** A file that is open to find out which source it is. */
interface OpenFile {
  readonly file: FoundSource;
  readonly handle: SourceHandle;
  readonly head: Head;
  /** Its own source, of which nothing was read yet. */
  readonly own: TrackedFile | undefined;
}

/**
 * Which source is in which file. A source is its content: it is found again by device, inode and birth time, and where those say nothing, by its
 * head and the bytes below its position. So it goes on in a copy when what it was read from is truncated, replaced or gone; as long as that
 * is whole, the copy is held and nothing is read of it. A wrong guess here is refused by the readers of the log, who compare the same bytes.
 */
export class Placement {
  readonly index: SourceIndex;
  readonly held = new HeldCopies();
  readonly #options: PlacementOptions;
  readonly #byPlace = new Map<string, TrackedFile>();
  readonly presence = new Presence();

  constructor(options: PlacementOptions, sources: Iterable<TrackedFile>) {
    this.#options = options;
    this.index = new SourceIndex(sources);
  }

  sourceAt(place: string): TrackedFile | undefined {
    return this.#byPlace.get(place);
  }

  /** Its file has another content: what is there now is found out in the same look. */
  displace(source: TrackedFile): void {
    this.#leave(source);
    source.displace();
  }

  /** Takes a closed source off its place; the file needs no second look until it changes. */
  close(source: TrackedFile): void {
    if (source.place === undefined) return;
    this.#leave(source);
    // What grew while it was being closed must be looked at again: it goes on as a new source.
    if (source.sizeBytes > source.position) return;
    this.presence.settle(source.place, source);
  }

  /** Finds out what each file is that has no live source: a known one, the copy of one, a new one, or none yet. */
  place(files: readonly FoundSource[], look: Look, problems: ScanProblem[]): void {
    const rest: FoundSource[] = [];
    // Files that are known by themselves come first: only then it is clear which sources have lost theirs.
    for (const file of files) {
      const isKnown = this.index.hasPlace(file.place);
      if (!isKnown || this.#open(file, problems, (open) => this.#placeKnown(open, look)) === false) rest.push(file);
    }
    this.decideHeld(look);
    for (const file of rest) {
      this.#open(file, problems, (open) => {
        this.#resolve(open, look);
        return true;
      });
    }
  }

  /** Sources without content that this look did not find elsewhere: a copy made while it went on is seen by the next. */
  endDisplaced(): void {
    for (const source of this.index) {
      if (source.displacedLooks === undefined) continue;
      if (this.#options.isOnce || source.displacedLooks > 0) source.endAsReplaced();
      else source.displacedLooks += 1;
    }
  }

  /** Whether what a held file is a copy of is still whole, and for how long it has been. */
  decideHeld(look: Look): void {
    for (const [copy, of] of this.held) {
      if (copy.closedBy !== undefined) this.held.release(copy);
      else if (!this.presence.isThere(copy)) this.#endAsCopy(copy);
      else if (!this.presence.isThere(of) || isLeft(of)) this.#decideCopyOf(copy, of, look);
      // Without a path it is on its way out, and the copy is what will be left of it.
      else if (
        !this.presence.isPathless(of) &&
        this.held.isOver(copy, this.#reading(copy.input).copyGraceMs, look.nowMs)
      )
        this.#keep(copy, of);
    }
  }

  attach(source: TrackedFile, handle: SourceHandle, file: FoundSource, nowMs: number): void {
    const { path, input } = file;
    this.index.move(source, handle.key);
    Object.assign(source, { place: file.place, path, lastSeenMs: nowMs, isUnreadable: false });
    source.ownedBy(input, this.#reading(input).lineBytesMax);
    if (this.#options.isOnce || source.until !== Infinity) source.ending ??= 'end';
    this.presence.unsettle(file.place);
    if (!source.attach(handle) || !source.see(file)) return this.displace(source);
    this.#byPlace.set(file.place, source);
    this.presence.foundWhole(source);
    this.#options.openFiles.keep(source);
  }

  #openToLook(path: string): SourceHandle {
    return this.#options.openFiles.openToLook(() => this.#options.finder.open(path));
  }

  #open(
    file: FoundSource,
    problems: ScanProblem[],
    use: (open: Omit<OpenFile, 'own'>) => boolean,
  ): boolean | undefined {
    let handle: SourceHandle | undefined;
    try {
      handle = this.#openToLook(file.path);
      // Between the look and the open another file may have come to this path: the next look sees it.
      if (handle.key.startsWith(`${file.place}:`)) return use({ file, handle, head: readHead(handle) });
      handle.close();
    } catch (error) {
      handle?.close();
      if (!isSourceFailure(error)) throw error;
      problems.push(problemOf(file.path, error));
    }
    return undefined;
  }

  /** A source that was read from this very file. False if there is none, and the handle is closed. */
  #placeKnown({ file, handle, head }: Omit<OpenFile, 'own'>, look: Look): boolean {
    const known = this.index.newestOf(handle, head);
    const isSame = known !== undefined && tailAt(handle, known.reader.position) === known.reader.tail;
    for (const source of this.index.ofFile(handle.key)) {
      // The file has another content: the source that had it has lost it.
      if (source.closedBy === undefined && source.until === Infinity && !(source === known && isSame))
        this.displace(source);
    }
    if (!isSame || isUndecided(known) || known.closedBy === 'truncated') {
      handle.close();
      return false;
    }
    if (known.closedBy === undefined) this.attach(known, handle, file, look.nowMs);
    else {
      this.presence.foundWhole(known);
      this.#continue(known, { file, handle, head, own: undefined }, look);
    }
    return true;
  }

  /** The file's own source, where nothing of it was read yet: it may be a copy that was held when the agent ended. */
  #untouched({ handle, head }: Omit<OpenFile, 'own'>): TrackedFile | undefined {
    const own = this.index.newestOf(handle, head);
    return own !== undefined && isUndecided(own) ? own : undefined;
  }

  /** Whether the file has the content of a source that was read elsewhere. */
  #resolve(given: Omit<OpenFile, 'own'>, look: Look): void {
    const { file, handle, head } = given;
    const likes = this.index.withHead(handle, head, file.path);
    // After a rebuilt registry its path is all that is known of it.
    const own = this.#untouched(given) ?? likes.find((source) => isUndecided(source) && isRebuiltAt(source, file.path));
    const open = { ...given, own };
    // Of two that nobody has read, the later is the copy.
    const isLater = (source: TrackedFile): boolean =>
      own !== undefined && source.isUntouched && source.number > own.number;
    const like = likes.filter((source) => source !== own && !isLater(source));
    let doubtfulBytes = 0;
    for (const source of isMutant('agent.copy_is_new') ? [] : like.slice(0, COMPARED_MAX)) {
      const isOfThisFile = source.file === handle.key;
      const isThere = this.presence.isThere(source);
      // Written anew with the same begin: that is what the truncation of a file says, whatever the bytes.
      const isRewritten = isOfThisFile && !isThere;
      if (isThere && !isOfThisFile && this.#isTwinOf(source, handle)) {
        const { copyGraceMs } = this.#reading(file.input);
        const ageMs = HeldCopies.ageMs(file, look.wallMs);
        if (ageMs < copyGraceMs || this.presence.isPathless(source)) return this.#hold(source, open, ageMs, look);
        doubtfulBytes = Math.max(doubtfulBytes, source.reader.position);
      } else if (!isThere && !isRewritten && source.isIn(handle)) return this.#continue(source, open, look);
      else if (!isThere && !isRewritten && this.#goOnBehind(source, open, look)) return;
      else if (isRewritten || source.isIn(handle) || this.#mayBeEdited(source, file.path))
        doubtfulBytes = Math.max(doubtfulBytes, source.reader.position);
    }
    this.#begin(open, look, Math.min(doubtfulBytes, file.sizeBytes));
  }

  /** Whether a file that begins as a source did may be what that has become: its own was lost, or replaced at its path. */
  #mayBeEdited(source: TrackedFile, path: string): boolean {
    if (this.presence.isThere(source) && !this.presence.isDeleted(source)) return false;
    return source.closedBy === undefined || (source.closedBy === 'end' && source.path === path);
  }

  /** A file of its own, from its begin, if it has a line and is text. */
  #begin({ file, handle, head, own }: OpenFile, look: Look, doubtfulBytes: number): void {
    if (own !== undefined) {
      this.#doubt(own, doubtfulBytes);
      return this.attach(own, handle, file, look.nowMs);
    }
    if (this.presence.foreign.take(handle, file)) return handle.close();
    if (!head.isComplete && !(this.#options.isOnce && head.bytes.length > 0)) return this.#settle(file, handle);
    const source = this.#create({ file, handle, head }, { origin: 0, tail: EMPTY_TAIL }, look);
    this.#doubt(source, doubtfulBytes);
    this.attach(source, handle, file, look.nowMs);
  }

  /** The file has all that was read of the source, which goes on there; if it is closed, as a new one that begins where it ended. */
  #continue(source: TrackedFile, open: OpenFile, look: Look): void {
    const { file, handle, own } = open;
    if (own !== undefined) this.#endAsCopy(own);
    if (source.closedBy === undefined) return this.#adopt(source, open, look);
    if (file.sizeBytes <= source.position) {
      source.place = file.place;
      source.path = file.path;
      return this.#settle(file, handle);
    }
    const { position: origin, tail } = source;
    this.attach(this.#create(open, { origin, tail }, look), handle, file, look.nowMs);
  }

  /**
   * The file is a copy of the beginning of what was read: what is added to it now is new. What lies between the last bytes that are known and its
   * end is the source's, too, where nobody writes to it; at the source's own path it may be new, and is read. False if nothing is known of it.
   */
  #goOnBehind(source: TrackedFile, open: OpenFile, look: Look): boolean {
    const { file, handle, own } = open;
    const isRead = own !== undefined && isAllRead(own, file.sizeBytes, source);
    const known = isRead ? file.sizeBytes : source.knownIn(handle, file.sizeBytes);
    if (known === undefined) return false;
    const isLive = source.path === file.path;
    const origin = isLive ? lastLineEnd(handle, known) : file.sizeBytes;
    const tail = tailAt(handle, origin);
    if (tail === undefined) return false;
    if (own !== undefined) this.#endAsCopy(own);
    const next = this.#create(open, { origin, tail }, look);
    if (isLive) this.#doubt(next, file.sizeBytes - origin);
    else next.possibleLossBytes = file.sizeBytes - known;
    this.attach(next, handle, file, look.nowMs);
    return true;
  }

  #adopt(source: TrackedFile, { file, handle }: OpenFile, look: Look): void {
    const before = source.path;
    this.#leave(source);
    const hasMoved = source.file !== undefined && source.file !== handle.key;
    if (!source.moveTo(handle, file.sizeBytes)) return this.displace(source);
    this.attach(source, handle, file, look.nowMs);
    if (hasMoved) this.#options.notify({ type: 'copy_continued', source: source.id, path: file.path, before });
  }

  #hold(of: TrackedFile, open: OpenFile, ageMs: number, look: Look): void {
    const { file, handle } = open;
    const copy = open.own ?? this.#create(open, { origin: 0, tail: EMPTY_TAIL }, look);
    copy.isHeld = true;
    this.attach(copy, handle, file, look.nowMs);
    this.held.hold(copy, of, { ageMs, nowMs: look.nowMs });
    const graceMs = this.#reading(file.input).copyGraceMs - ageMs;
    this.#options.notify({ type: 'copy_held', path: file.path, of: of.path, graceMs });
  }

  /** What it is a copy of has gone. */
  #decideCopyOf(copy: TrackedFile, of: TrackedFile, look: Look): void {
    const handle = copy.handle ?? this.#reopened(copy);
    // It cannot be had now, or has another content: the next look says which.
    if (handle === undefined) return;
    const { path, place, input, sizeBytes, modifiedMs } = copy;
    const file = { path, place: present(place, 'a held file has a place'), input, sizeBytes, modifiedMs, changedMs: 0 };
    const open = { file, handle, head: readHead(handle), own: copy };
    // It goes to another source now, or back to this one.
    copy.handle = undefined;
    if (of.isIn(handle)) return this.#continue(of, open, look);
    if (this.#goOnBehind(of, open, look)) return;
    copy.handle = handle;
    this.#keep(copy, of);
  }

  /** Both files are there: each is one of its own. */
  #keep(copy: TrackedFile, of: TrackedFile): void {
    this.held.release(copy);
    this.#doubt(copy, Math.min(copy.sizeBytes, of.reader.position));
    this.#options.notify({ type: 'copy_kept', path: copy.path, of: of.path });
  }

  #endAsCopy(copy: TrackedFile): void {
    this.#leave(copy);
    this.held.release(copy);
    this.index.hide(copy);
    copy.endAsCopy();
  }

  #doubt(source: TrackedFile, bytes: number): void {
    if (bytes === 0) return;
    source.possibleDoubleBytes = bytes;
    this.#options.notify({ type: 'possible_double', source: source.id, path: source.path, bytes });
  }

  #create(
    { file, handle, head }: Pick<OpenFile, 'file' | 'handle' | 'head'>,
    begin: { readonly origin: number; readonly tail: string },
    { wallMs }: Look,
  ): TrackedFile {
    const { hasRoom, limits, topic, kind, create, notify } = this.#options;
    const { path, input } = file;
    if (!hasRoom()) throw noRoom(path, limits.sourcesMax);
    const content = { identity: identityOf(head.bytes), headBytes: head.bytes.length };
    const partial = head.isComplete ? {} : { isHeadPartial: true };
    const fields = { topic, input, kind, path, file: handle.key, ...content, ...partial, ...begin } as const;
    const source = create(newEntry(fields, wallMs));
    this.index.add(source);
    notify({ type: 'source_found', source: source.id, path, sizeBytes: file.sizeBytes, origin: begin.origin });
    return source;
  }

  #settle({ place, sizeBytes, modifiedMs }: FoundSource, handle: SourceHandle): void {
    handle.close();
    this.presence.settle(place, { sizeBytes, modifiedMs });
  }

  #leave(source: TrackedFile): void {
    if (source.place !== undefined && this.#byPlace.get(source.place) === source) this.#byPlace.delete(source.place);
  }

  #isTwinOf(source: TrackedFile, handle: SourceHandle): boolean {
    if (source.handle !== undefined) return isTwin(source.handle, handle);
    const opened = this.#openToLook(source.path);
    try {
      return opened.key === source.file && isTwin(opened, handle);
    } finally {
      opened.close();
    }
  }

  #reopened(source: TrackedFile): SourceHandle | undefined {
    try {
      const handle = this.#openToLook(source.path);
      if (handle.key === source.file) return handle;
      handle.close();
    } catch (error) {
      if (!isSourceFailure(error)) throw error;
    }
    return undefined;
  }

  #reading(input: string): FileReading {
    return present(this.#options.inputs.get(input), 'a found file is of an input');
  }
}

/** Nothing of it was read: that its file is a copy may still show. */
function isUndecided(source: TrackedFile): boolean {
  return source.closedBy === undefined && source.isUntouched && source.origin === 0;
}

function isRebuiltAt({ file, path }: TrackedFile, at: string): boolean {
  return file === undefined && path === at;
}

/** It was read to its end, and no path leads to it any more. */
function isLeft({ ending, closedBy, hasMore }: TrackedFile): boolean {
  return closedBy === undefined && (ending === 'deleted' || ending === 'missing') && !hasMore;
}
