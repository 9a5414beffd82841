import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  statSync,
  type Stats,
} from 'node:fs';
import { resolve } from 'node:path';
import { OperatingError } from '../../lib/errors.ts';
import { fileKey } from '../../record/file-identity.ts';
import { NOT_REGULAR_HINT, notUtf8, problemOf } from '../scan-problem.ts';
import type { FoundSource, ScanProblem, ScanResult, SourceFinder, SourceHandle, SourceLook } from '../source.ts';
import { compileExclude, Glob } from './glob.ts';

// O_NONBLOCK: opening a FIFO that took a file's place between stat and open must not wait for a writer.
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** What one entry of `sources` names. */
export interface FilePatterns {
  readonly name: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** Finds the files of all entries of `sources` that read into one topic. A file that several name is the first one's. */
export class FileFinder implements SourceFinder {
  readonly #inputs: readonly {
    readonly name: string;
    readonly globs: readonly Glob[];
    readonly isExcluded: (path: string) => boolean;
  }[];

  constructor(inputs: readonly FilePatterns[]) {
    this.#inputs = inputs.map(({ name, include, exclude }) => ({
      name,
      globs: include.map((pattern) => new Glob(pattern)),
      isExcluded: compileExclude(exclude),
    }));
  }

  scan(): ScanResult {
    const found = new Map<string, FoundSource>();
    const problems: ScanProblem[] = [];
    for (const { name, globs, isExcluded } of this.#inputs) {
      for (const glob of globs) {
        // A name that happens to hold pattern characters, such as `app[1].log`, is meant as it is written.
        const written = resolve(glob.pattern.replaceAll(/\\(.)/g, '$1'));
        const asWritten = glob.literal === undefined && isThere(written) ? [written] : [];
        const paths = glob.expand((directory, error) => problems.push(problemOf(directory, error)));
        for (const path of [...asWritten, ...paths]) {
          if (found.has(path) || isExcluded(path)) continue;
          lookAt({ path, input: name, isNamed: glob.literal !== undefined }, found, problems);
        }
      }
    }
    return { found: [...found.values()], problems };
  }

  open(path: string): SourceHandle {
    let descriptor: number;
    try {
      descriptor = openSync(path, OPEN_FLAGS);
    } catch (error) {
      const { reason, hint } = problemOf(path, error);
      throw new OperatingError(`${path}: ${reason}`, {
        code: 'SOURCE_UNREADABLE',
        isRetryable: true,
        hint,
        cause: error,
      });
    }
    try {
      return new FileHandle(descriptor, path);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }
}

class FileHandle implements SourceHandle {
  readonly key: string;
  readonly #descriptor: number;

  constructor(descriptor: number, path: string) {
    const stats = fstatSync(descriptor, { bigint: true });
    if (!stats.isFile()) {
      throw new OperatingError(`${path}: is not a regular file`, {
        code: 'SOURCE_UNREADABLE',
        isRetryable: true,
        hint: NOT_REGULAR_HINT,
      });
    }
    this.key = fileKey(stats);
    this.#descriptor = descriptor;
  }

  look(): SourceLook {
    const stats = fstatSync(this.#descriptor);
    return { sizeBytes: stats.size, modifiedMs: stats.mtimeMs, isDeleted: stats.nlink === 0 };
  }

  read(into: Buffer, at: number, length: number, position: number): number {
    let total = 0;
    while (total < length) {
      const read = readSync(this.#descriptor, into, at + total, length - total, position + total);
      if (read === 0) break;
      total += read;
    }
    return total;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

function lookAt(
  { path, input, isNamed }: { readonly path: string; readonly input: string; readonly isNamed: boolean },
  found: Map<string, FoundSource>,
  problems: ScanProblem[],
): void {
  let stats: Stats | undefined;
  try {
    stats = statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    problems.push(problemOf(path, error));
    return;
  }
  if (stats === undefined) {
    const problem = absence(path, isNamed);
    if (problem !== undefined) problems.push(problem);
  } else if (stats.isFile()) {
    const { size: sizeBytes, mtimeMs: modifiedMs, ctimeMs: changedMs } = stats;
    const named = isNamed ? { isNamed: true } : {};
    found.set(path, { path, input, place: placeOf(path, stats), sizeBytes, modifiedMs, changedMs, ...named });
  } else if (!stats.isDirectory()) {
    problems.push({ path, reason: `is ${kindOf(stats)}, not a regular file`, hint: NOT_REGULAR_HINT });
  } else if (isNamed) {
    // A pattern finds folders beside files, and means the files.
    const hint = `write ${path}/* to read the files in it`;
    problems.push({ path, reason: 'is a folder, not a regular file', hint });
  }
}

/** Why there is nothing at a path that was named or listed; undefined for what a listing saw and is gone since. */
function absence(path: string, isLiteral: boolean): ScanProblem | undefined {
  const target = linkTarget(path);
  if (target !== undefined) {
    const hint = 'mend the link or remove it; the agent looks again every second';
    return { path, reason: `is a link to ${target}, which is not there`, hint, isAbsent: true };
  }
  // The replacement for bytes that are not text: no system call finds the file by such a name.
  if (path.includes('\ufffd')) return notUtf8(path);
  if (!isLiteral) return undefined;
  const hint = 'create it or correct the path; the agent looks for it every second';
  return { path, reason: 'no such file', hint, isAbsent: true };
}

function linkTarget(path: string): string | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true ? readlinkSync(path) : undefined;
  } catch {
    return undefined;
  }
}

function kindOf(stats: Stats): string {
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isSocket()) return 'a socket';
  return stats.isCharacterDevice() || stats.isBlockDevice() ? 'a device' : 'something else';
}

function placeOf(path: string, stats: Stats): string {
  if (Number.isSafeInteger(stats.ino)) return `${stats.dev}:${stats.ino}`;
  // Inode numbers beyond 2^53 lose digits as numbers, and two files must not look like one.
  const exact = statSync(path, { bigint: true, throwIfNoEntry: false });
  return exact === undefined ? `${stats.dev}:${stats.ino}` : `${exact.dev}:${exact.ino}`;
}

function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}
