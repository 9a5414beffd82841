import { present } from '../lib/assert.ts';
import { OperatingError } from '../lib/errors.ts';
import { EMPTY_TAIL } from '../record/source.ts';
import type { Notify } from './events.ts';
import { ForeignFiles } from './foreign-files.ts';
import { hasIdentity, type Head, identityOf, readHead, tailAt } from './identity.ts';
import type { AgentLimits } from './limits.ts';
import type { OpenFiles } from './open-files.ts';
import type { RegistryEntry } from './registry.ts';
import { ProblemBoard, isSourceFailure, problemOf } from './scan-problem.ts';
import type {
  BlockRoom,
  FoundSource,
  ReadOutcome,
  ScanProblem,
  SourceFinder,
  SourceHandle,
  SourceInput,
} from './source.ts';
import { TrackedFile } from './tracked-file.ts';
import { newEntry } from './tracked-source.ts';

export interface ScannerOptions {
  readonly topic: string;
  readonly isOnce: boolean;
  readonly limits: AgentLimits;
  readonly openFiles: OpenFiles;
  readonly finder: SourceFinder;
  readonly notify: Notify;
  /** Whether one more source may be made. */
  readonly hasRoom: () => boolean;
  /** Makes a source of an entry that has a number of its own. */
  readonly create: (entry: Omit<RegistryEntry, 'number'>) => TrackedFile;
}

/** Matches what one input finds on disk with the sources the agent knows, and says which are new, gone or replaced. */
export class Scanner implements SourceInput {
  readonly #options: ScannerOptions;
  /** Every source of this input's topic that the registry knows. */
  readonly #sources = new Set<TrackedFile>();
  /** The same by the file they were read from; those of a rebuilt registry, whose file is not known, are under the empty name. */
  readonly #byFile = new Map<string, Set<TrackedFile>>();
  readonly #byPlace = new Map<string, TrackedFile>();
  /** Files that are no source now, and need no second look until they change: closed ones, and those without a whole line. */
  readonly #settled = new Map<string, { readonly sizeBytes: number; readonly modifiedMs: number }>();
  readonly #foreign = new ForeignFiles();
  readonly #problems: ProblemBoard;
  /** Known sources that could not be opened or read, until that succeeds. */
  readonly #failures = new Map<string, ScanProblem>();
  /** Files that were read lately and are looked at more often than scans come. */
  readonly #hot = new Set<TrackedFile>();

  constructor(options: ScannerOptions, sources: Iterable<TrackedFile>) {
    this.#options = options;
    this.#problems = new ProblemBoard(options.notify);
    for (const source of sources) this.#remember(source);
  }

  /** Files are looked at on the spot: there is nothing to wait for. */
  async start(): Promise<void> {}

  async stop(): Promise<void> {}

  /** Looks at everything once, and makes the sources that are new, oldest first. What it saw holds at `wallMs` or later. */
  scan(nowMs: number, wallMs: number, admits: boolean): number {
    const { found, problems } = this.#options.finder.scan();
    const seen = new Set<string>();
    const candidates: FoundSource[] = [];
    for (const file of found) {
      if (seen.has(file.place)) continue;
      seen.add(file.place);
      const source = this.#byPlace.get(file.place);
      if (source === undefined) {
        if (this.#isCandidate(file)) candidates.push(file);
      } else if (!this.#see(source, file, nowMs)) candidates.push(file);
    }
    candidates.sort((left, right) => left.modifiedMs - right.modifiedMs || (left.path < right.path ? -1 : 1));
    const all = [...problems];
    if (admits) for (const file of candidates) this.#identify(file, nowMs, wallMs, all);
    this.#problems.show([...all, ...this.#foreign.problems(found), ...this.#failures.values()]);
    for (const source of this.#sources) {
      if (source.closedBy === undefined && (source.place === undefined || !seen.has(source.place)))
        this.#lookAtUnseen(source, nowMs, all);
    }
    for (const place of this.#settled.keys()) if (!seen.has(place)) this.#settled.delete(place);
    return wallMs;
  }

  get nextPollMs(): number {
    let nextMs = Infinity;
    for (const source of this.#hot) nextMs = Math.min(nextMs, source.nextPollMs);
    return nextMs;
  }

  /** Looks at what was read lately, ever later while nothing comes. True if a scan is needed to see what is there now. */
  poll(nowMs: number): boolean {
    let needsScan = false;
    for (const source of this.#hot) {
      const { handle } = source;
      if (handle === undefined) this.#hot.delete(source);
      else if (nowMs >= source.nextPollMs && !source.hasMore) {
        const look = this.attempt(source, () => handle.look());
        if (look === undefined) continue;
        if (!source.see(look)) {
          this.replace(source);
          needsScan = true;
        } else if (!source.hasMore) {
          source.pauseMs *= 2;
          source.nextPollMs = nowMs + source.pauseMs;
          if (source.pauseMs >= this.#options.limits.scanMs) this.#hot.delete(source);
        }
      }
    }
    return needsScan;
  }

  read(source: TrackedFile, room: BlockRoom, nowMs: number, readAtMs: number): ReadOutcome {
    if (source.handle === undefined && !this.reopen(source)) return 'nothing';
    const result = this.attempt(source, () => source.read(room.memory, room.at, readAtMs));
    if (result === undefined) return 'nothing';
    if (result === 'more') return 'more';
    if (result === 'replaced') {
      this.replace(source);
      return 'replaced';
    }
    // Look again soon, and ever later while nothing comes.
    source.pauseMs = this.#options.limits.lingerMs;
    source.nextPollMs = nowMs + this.#options.limits.lingerMs;
    this.#hot.add(source);
    return result;
  }

  /** Opens a file again that was closed to stay within the limit of open files. False if it cannot be had now. */
  reopen(source: TrackedFile): boolean {
    const { finder, openFiles } = this.#options;
    const handle = this.attempt(source, () => openFiles.open(source, () => finder.open(source.path)));
    if (handle === undefined) return false;
    if (handle.key === source.file) {
      source.handle = handle;
      return true;
    }
    // Another file has its path: the next scan finds out where this one is now.
    handle.close();
    source.isUnreadable = true;
    return false;
  }

  /** What `use` returns, or undefined where the system gives an error: the source is then unreadable until the next scan. */
  attempt<Result>(source: TrackedFile, use: () => Result): Result | undefined {
    try {
      const result = use();
      this.#failures.delete(source.path);
      return result;
    } catch (error) {
      if (!isSourceFailure(error)) throw error;
      const problem = problemOf(source.path, error);
      this.#failures.set(source.path, problem);
      this.#problems.add(problem);
      source.isUnreadable = true;
      source.detach();
      return undefined;
    }
  }

  /** Another content has taken the source's place: what is there now will be found as new. */
  replace(source: TrackedFile): void {
    if (source.place !== undefined) this.#byPlace.delete(source.place);
    this.#failures.delete(source.path);
    source.endAsReplaced();
  }

  forget(source: TrackedFile): void {
    this.#sources.delete(source);
    const sameFile = this.#byFile.get(source.file ?? '');
    sameFile?.delete(source);
    if (sameFile?.size === 0) this.#byFile.delete(source.file ?? '');
  }

  /** Takes a closed source off its place; the file needs no second look until it changes. */
  close(source: TrackedFile): void {
    if (source.place === undefined) return;
    if (this.#byPlace.get(source.place) === source) this.#byPlace.delete(source.place);
    // What grew while it was being closed must be looked at again: it goes on as a new source.
    if (source.sizeBytes > source.position) return;
    this.#settled.set(source.place, { sizeBytes: source.sizeBytes, modifiedMs: source.modifiedMs });
  }

  /** A disk answers at once. */
  readonly unsettled = undefined;

  isSettledAt(source: TrackedFile): boolean {
    return source.place !== undefined && this.#settled.has(source.place);
  }

  #isCandidate(file: FoundSource): boolean {
    if (this.#foreign.has(file)) return false;
    const settled = this.#settled.get(file.place);
    return settled === undefined || settled.sizeBytes !== file.sizeBytes || settled.modifiedMs !== file.modifiedMs;
  }

  /** False if the file was replaced and is a candidate now. */
  #see(source: TrackedFile, file: FoundSource, nowMs: number): boolean {
    source.path = file.path;
    source.lastSeenMs = nowMs;
    source.isUnreadable = false;
    if (source.see(file)) return true;
    this.replace(source);
    return false;
  }

  /** A source whose file no pattern finds: renamed away, deleted, or not there since the start. */
  #lookAtUnseen(source: TrackedFile, nowMs: number, problems: readonly ScanProblem[]): void {
    const { limits, isOnce } = this.#options;
    if (source.ending !== undefined) return;
    if (source.handle === undefined) {
      if (source.until !== Infinity) return this.#openRewound(source);
      source.isUnreadable = problems.some((problem) => source.path === problem.path && problem.isAbsent !== true);
      if (!source.isUnreadable && (isOnce || nowMs - source.lastSeenMs >= limits.missingMs)) source.ending = 'missing';
      return;
    }
    const { handle } = source;
    const look = this.attempt(source, () => handle.look());
    if (look === undefined) return;
    const sizeBefore = source.sizeBytes;
    if (!source.see(look)) return this.replace(source);
    if (source.sizeBytes !== sizeBefore || source.hasMore) source.lastSeenMs = nowMs;
    const graceMs = look.isDeleted ? limits.deletedQuietMs : limits.missingMs;
    if (nowMs - source.lastSeenMs >= graceMs) source.ending = look.isDeleted ? 'deleted' : 'missing';
  }

  /** Finds out what a file is that has no live source: a known one, or a new one, or none yet. */
  #identify(file: FoundSource, nowMs: number, wallMs: number, problems: ScanProblem[]): void {
    let handle: SourceHandle | undefined;
    try {
      handle = this.#options.openFiles.openToLook(() => this.#options.finder.open(file.path));
      // Between the look and the open another file may have come to this path: the next scan sees it.
      if (handle.key.startsWith(`${file.place}:`)) this.#place(handle, file, nowMs, wallMs);
      else handle.close();
    } catch (error) {
      handle?.close();
      if (!isSourceFailure(error)) throw error;
      problems.push(problemOf(file.path, error));
    }
  }

  #place(handle: SourceHandle, file: FoundSource, nowMs: number, wallMs: number): void {
    const head = readHead(handle);
    const known = this.#find(handle, head);
    const isSame = known !== undefined && tailAt(handle, known.position) === known.tail;
    for (const source of this.#byFile.get(handle.key) ?? []) {
      const isOpen = source.closedBy === undefined && source.until === Infinity;
      // The file has another content: the source that had it is over.
      if (isOpen && !(source === known && isSame)) this.replace(source);
    }
    if (known?.closedBy === undefined && isSame) {
      this.#attach(known!, handle, file, nowMs);
      return;
    }
    const continues = isSame && known?.closedBy !== 'truncated';
    const isOver = continues && file.sizeBytes <= known!.position;
    if (!continues && this.#foreign.take(handle, file)) return handle.close();
    const isTooShort = !head.isComplete && !(this.#options.isOnce && head.bytes.length > 0);
    if (isOver || (isTooShort && !continues)) {
      handle.close();
      this.#settled.set(file.place, { sizeBytes: file.sizeBytes, modifiedMs: file.modifiedMs });
      if (isOver) known!.place = file.place;
      return;
    }
    if (!this.#options.hasRoom()) throw noRoom(file.path, this.#options.limits.sourcesMax);
    // A file that grew after its source was closed goes on as a new source, from where the old one ended.
    const origin = continues ? known!.position : 0;
    const headBytes = head.bytes.length;
    const identity = identityOf(handle.key, origin, head.bytes);
    const tail = continues ? known!.tail : EMPTY_TAIL;
    const entry = newEntry(
      { number: 0, topic: this.#options.topic, identity, origin, tail, path: file.path, file: handle.key, headBytes },
      wallMs,
    );
    const source = this.#options.create(entry);
    this.#remember(source);
    this.#attach(source, handle, file, nowMs);
    const { id, path } = source;
    this.#options.notify({ type: 'source_found', source: id, path, sizeBytes: file.sizeBytes, origin });
  }

  #attach(source: TrackedFile, handle: SourceHandle, file: FoundSource, nowMs: number): void {
    source.place = file.place;
    source.path = file.path;
    source.file = handle.key;
    source.lastSeenMs = nowMs;
    source.isUnreadable = false;
    if (this.#options.isOnce || source.until !== Infinity) source.ending ??= 'end';
    this.#settled.delete(file.place);
    if (!source.attach(handle) || !source.see(file)) return this.replace(source);
    this.#byPlace.set(file.place, source);
    this.#options.openFiles.keep(source);
  }

  /** A rewound source that another has gone on from: it is read again beside it, to where it ended. */
  #openRewound(source: TrackedFile): void {
    if (!this.reopen(source)) return;
    const handle = present(source.handle, 'a reopened source is open');
    if (source.attach(handle) && source.see(handle.look())) source.ending = 'end';
    else this.replace(source);
  }

  /** The newest source this file can be. After a rebuilt registry only the identity is known, not the file. */
  #find(handle: SourceHandle, head: Head): TrackedFile | undefined {
    for (const source of this.#byFile.get('') ?? []) {
      const headBytes = [head.bytes.length, source.position].find(
        (length) =>
          length <= head.bytes.length &&
          identityOf(handle.key, source.origin, head.bytes.subarray(0, length)) === source.identity,
      );
      if (headBytes === undefined) continue;
      this.#byFile.get('')?.delete(source);
      source.file = handle.key;
      source.headBytes = headBytes;
      this.#remember(source);
    }
    let newest: TrackedFile | undefined;
    for (const source of this.#byFile.get(handle.key) ?? []) {
      const headBytes = source.headBytes ?? head.bytes.length;
      if (newest !== undefined && newest.number > source.number) continue;
      if (hasIdentity(handle, source.identity, source.origin, headBytes)) newest = source;
    }
    return newest;
  }

  #remember(source: TrackedFile): void {
    this.#sources.add(source);
    const file = source.file ?? '';
    const sameFile = this.#byFile.get(file) ?? new Set();
    this.#byFile.set(file, sameFile.add(source));
  }
}

export function noRoom(path: string, sourcesMax: number): OperatingError {
  return new OperatingError(`${path}: the agent knows ${sourcesMax} files already, this one waits`, {
    code: 'SOURCES_MAX',
    hint: 'name fewer files, or let another agent read some of them',
  });
}
