import { present } from '../lib/assert.ts';
import { type Look, Placement, type PlacementOptions } from './placement.ts';
import { ProblemBoard, isSourceFailure, problemOf } from './scan-problem.ts';
import type { FoundSource, ScanProblem } from './source.ts';
import type { ReadOutcome, SourceInput } from './source-input.ts';
import type { TrackedFile } from './tracked-file.ts';

/** Looks at the files of all entries of `sources` that read into one topic, and says which are new, gone, replaced or moved. */
export class Scanner implements SourceInput {
  readonly #options: PlacementOptions;
  readonly #placement: Placement;
  readonly #problems: ProblemBoard;
  /** Known sources that could not be opened or read, until that succeeds. */
  readonly #failures = new Map<string, ScanProblem>();
  /** Files that were read lately, which are checked more often than scans come. */
  readonly #hot = new Set<TrackedFile>();

  constructor(options: PlacementOptions, sources: Iterable<TrackedFile>) {
    this.#options = options;
    this.#problems = new ProblemBoard(options.notify);
    this.#placement = new Placement(options, sources);
  }

  /** Files are checked at once: there is nothing to wait for. */
  async start(): Promise<void> {}

  async stop(): Promise<void> {}

  /**
   * Looks at everything once, and makes the sources that are new, oldest first. What it saw holds at `wallMs` or later. A source whose file
   * has another content ends in the look that makes a source of what is there now: in between nothing would hold the clock.
   */
  scan(nowMs: number, wallMs: number, admits: boolean): number {
    const { found, problems } = this.#options.finder.scan();
    const look = { nowMs, wallMs };
    const seen = new Set<string>();
    this.#placement.presence.beginLook(seen);
    const candidates: FoundSource[] = [];
    for (const file of found) {
      if (seen.has(file.place)) continue;
      seen.add(file.place);
      const source = this.#placement.sourceAt(file.place);
      if (source === undefined) {
        if (this.#placement.presence.isCandidate(file)) candidates.push(file);
      } else if (!this.#see(source, file, nowMs)) candidates.push(file);
    }
    const unseen = (): TrackedFile[] =>
      [...this.#placement.index].filter(
        ({ closedBy, place }) => closedBy === undefined && (place === undefined || !seen.has(place)),
      );
    for (const source of unseen()) if (source.handle !== undefined) this.#lookAtPathless(source, look);
    candidates.sort((left, right) => left.modifiedMs - right.modifiedMs || (left.path < right.path ? -1 : 1));
    const all = [...problems];
    if (admits) this.#placement.place(candidates, look, all);
    else this.#placement.decideHeld(look);
    this.#placement.endDisplaced();
    this.#problems.show([...all, ...this.#placement.presence.endLook(found), ...this.#failures.values()]);
    for (const source of unseen()) if (source.handle === undefined) this.#lookForLost(source, look, all);
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

  read(source: TrackedFile, room: Buffer, nowMs: number, readAtMs: number): ReadOutcome {
    if (source.handle === undefined && !this.reopen(source)) return 'nothing';
    const result = this.attempt(source, () => source.read(room, readAtMs));
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

  /** Another content has taken the source's place: a scan finds out what is there now. */
  replace(source: TrackedFile): void {
    this.#failures.delete(source.path);
    this.#placement.displace(source);
  }

  forget(source: TrackedFile): void {
    this.#placement.index.forget(source);
  }

  close(source: TrackedFile): void {
    this.#placement.close(source);
  }

  /** A disk answers at once. */
  readonly unsettled = undefined;

  isSettledAt(source: TrackedFile): boolean {
    return this.#placement.presence.isSettledAt(source);
  }

  /** False if the file was replaced and is a candidate now. */
  #see(source: TrackedFile, file: FoundSource, nowMs: number): boolean {
    source.path = file.path;
    source.lastSeenMs = nowMs;
    source.isUnreadable = false;
    // Where it is not open nothing is read, and no failure has ended.
    const isSame = source.handle === undefined ? source.see(file) : this.attempt(source, () => source.see(file));
    if (isSame === false) this.replace(source);
    else this.#placement.presence.foundWhole(source);
    return isSame !== false;
  }

  /** A source whose file no pattern finds, and that is open: renamed away or deleted. */
  #lookAtPathless(source: TrackedFile, { nowMs }: Look): void {
    const { limits } = this.#options;
    const handle = present(source.handle, 'it is open');
    const look = this.attempt(source, () => handle.look());
    if (look === undefined) return;
    const sizeBefore = source.sizeBytes;
    const isSame = this.attempt(source, () => source.see(look));
    if (isSame === undefined) return;
    if (!isSame) return this.replace(source);
    this.#placement.presence.foundPathless(source, look.isDeleted);
    if (source.ending !== undefined) return;
    if (source.sizeBytes !== sizeBefore || source.hasMore) source.lastSeenMs = nowMs;
    const graceMs = look.isDeleted ? limits.deletedQuietMs : limits.missingMs;
    if (nowMs - source.lastSeenMs >= graceMs) source.ending = look.isDeleted ? 'deleted' : 'missing';
  }

  /** A source whose file was not found: not there since the start, or it cannot be reached now. */
  #lookForLost(source: TrackedFile, { nowMs }: Look, problems: readonly ScanProblem[]): void {
    const { limits, isOnce } = this.#options;
    if (source.ending !== undefined || source.isDisplaced) return;
    if (source.until !== Infinity) return this.#openRewound(source);
    source.isUnreadable = problems.some((problem) => source.path === problem.path && problem.isAbsent !== true);
    if (!source.isUnreadable && (isOnce || nowMs - source.lastSeenMs >= limits.missingMs)) source.ending = 'missing';
  }

  /** A rewound source that another has gone on from: it is read again beside it, to where it ended. */
  #openRewound(source: TrackedFile): void {
    if (!this.reopen(source)) return;
    const handle = present(source.handle, 'a reopened source is open');
    if (source.attach(handle) && source.see(handle.look())) source.ending = 'end';
    else this.replace(source);
  }
}
