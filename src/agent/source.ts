import type { z } from 'zod';
import type { LinesRead } from './block-reader.ts';
import type { TrackedSource } from './tracked-source.ts';

/** The bytes of one source, open. Synchronous: a read of a local file is a copy from the page cache. */
export interface SourceHandle {
  /** Names the file on this machine for its life, whatever its path: file system, inode and birth time. */
  readonly key: string;
  /** What is known without reading. Throws a system error. */
  look(): SourceLook;
  /** Reads into `into` at `at`, at most `length` bytes from `position` on; fewer only at the end. Throws a system error. */
  read(into: Buffer, at: number, length: number, position: number): number;
  close(): void;
}

export interface SourceLook {
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** No name leads to it any more: when its end is reached nothing will follow. */
  readonly isDeleted: boolean;
}

/** A source that a scan has seen. */
export interface FoundSource {
  readonly path: string;
  /** Cheap and unique among all that is there at this moment; not enough to recognise a source after a pause. */
  readonly place: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** The user named it itself, not a pattern that finds it. */
  readonly isNamed?: boolean;
  /** When its content, name or owner last changed, as the file system tells time. */
  readonly changedMs: number;
  /** The entry of `sources` that reads it: the first of those that name it. */
  readonly input: string;
}

/** Something the user asked for that cannot be read, and the way out. */
export interface ScanProblem {
  readonly path: string;
  readonly reason: string;
  readonly hint: string;
  /** There is nothing at the path: a source that was there may be over. */
  readonly isAbsent?: boolean;
  /** It is left out on purpose: said once, and nothing is missing. */
  readonly isLeftOut?: boolean;
}

export interface ScanResult {
  readonly found: readonly FoundSource[];
  readonly problems: readonly ScanProblem[];
}

/** What the agent needs of a kind of source that can be read again from any position. */
export interface SourceFinder {
  scan(): ScanResult;
  /** Opens what is at `path` now. Throws an OperatingError with the way out. */
  open(path: string): SourceHandle;
}

/** Memory for one block, from `at` on. */
export interface BlockRoom {
  readonly memory: Buffer;
  readonly at: number;
}

/**
 * `nothing`: no complete line is there now. `more`: something was passed over, call again. `replaced`: not the content any more that
 * the source had; a scan finds out what is there now.
 */
export type ReadOutcome = LinesRead | 'nothing' | 'more' | 'replaced';

/**
 * One entry of `sources` at work, whatever its kind: it finds its sources, makes those that are new, and reads them. A session asks it in
 * rounds, never waits for it, and gives it only sources that it made or was given at the start.
 */
export interface SourceInput {
  /** Finds out what must be known before the first scan. Does not throw for what is outside: a scan tells it, and it is tried again. */
  start(): Promise<void>;
  /**
   * Looks at everything, and makes sources of what is new if `admits`. Returns the moment (the agent's wall clock) at which, or later, all
   * it then says of its sources holds; `wallMs` is now.
   */
  scan(nowMs: number, wallMs: number, admits: boolean): number;
  /** When `poll` wants to be called, on the monotonic clock; Infinity for never. */
  readonly nextPollMs: number;
  /** Looks again at what a scan would be too rare for. True if a scan should follow at once. */
  poll(nowMs: number): boolean;
  /** Reads the next block of a source that has more. `room` has BLOCK_ROOM_BYTES. */
  read(source: TrackedSource, room: BlockRoom, nowMs: number, readAtMs: number): ReadOutcome;
  /** The source has closed: what is at its place may be another's now. */
  close(source: TrackedSource): void;
  /** A closed source that is still there as it was left: forgetting it would read it again. */
  isSettledAt(source: TrackedSource): boolean;
  forget(source: TrackedSource): void;
  /** In once mode: where and why it is not known yet that there is no more; undefined when it is. */
  readonly unsettled: string | undefined;
  /** Gives back connections; sources are detached one by one. */
  stop(): Promise<void>;
}

/** A kind of source: options, docs, example and code in one file, listed once in components.ts. */
export interface SourceDefinition<Options = unknown> {
  readonly type: string;
  readonly summary: string;
  readonly options: z.ZodType<Options>;
  /** Options as a user writes them. */
  readonly examples: readonly { readonly title: string; readonly options: Readonly<Record<string, unknown>> }[];
}
