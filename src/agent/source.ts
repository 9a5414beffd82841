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
