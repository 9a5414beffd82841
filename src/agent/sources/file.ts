import { closeSync, constants, fstatSync, openSync, readSync, statSync, type Stats } from 'node:fs';
import { z } from 'zod';
import { OperatingError } from '../../lib/errors.ts';
import { size } from '../../lib/units.ts';
import { fileKey } from '../../record/file-identity.ts';
import { NOT_REGULAR_HINT, problemOf } from '../scan-problem.ts';
import type {
  FoundSource,
  ScanProblem,
  ScanResult,
  SourceDefinition,
  SourceFinder,
  SourceHandle,
  SourceLook,
} from '../source.ts';
import { compileExclude, Glob } from './glob.ts';

/** Long enough for stack traces and fat JSON, short enough that a line is never a large part of a block. */
const LINE_BYTES_MAX_DEFAULT = '256KiB';

const pattern = z.string({ error: () => 'expects text' }).min(1, { error: () => 'must not be empty' });
const PATTERNS_FORM = 'expects a list of paths or patterns';

export const fileOptions = z.strictObject({
  include: z
    .array(pattern, { error: () => PATTERNS_FORM })
    .min(1, { error: () => 'must not be empty' })
    .describe('Paths or patterns (`*`, `?`, `[a-z]`, `{a,b}`, `**`). Include the rotated names too.'),
  exclude: z
    .array(pattern, { error: () => PATTERNS_FORM })
    .default([])
    .describe('Patterns of paths, or of names where there is no slash, that are left out.'),
  line_bytes_max: size({ min: '64B', max: '511KiB' })
    .prefault(LINE_BYTES_MAX_DEFAULT)
    .describe('Bytes of a line that are kept; a longer line is cut and flagged. Less than a block.'),
});

/** Files, by paths and patterns: growth, rotation by renaming, truncation; each line once. */
export const fileSource: SourceDefinition<z.output<typeof fileOptions>> = {
  type: 'file',
  summary: 'Lines of files, by paths and patterns, through growth, rotation and truncation.',
  options: fileOptions,
  examples: [
    {
      title: 'An access log with the names its rotation gives it',
      options: { include: ['/var/log/nginx/access.log*'], exclude: ['*.gz'] },
    },
  ],
};

// O_NONBLOCK: opening a FIFO that took a file's place between stat and open must not wait for a writer.
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

export class FileFinder implements SourceFinder {
  readonly #globs: readonly Glob[];
  readonly #isExcluded: (path: string) => boolean;

  constructor(options: { readonly include: readonly string[]; readonly exclude: readonly string[] }) {
    this.#globs = options.include.map((pattern) => new Glob(pattern));
    this.#isExcluded = compileExclude(options.exclude);
  }

  scan(): ScanResult {
    const found = new Map<string, FoundSource>();
    const problems: ScanProblem[] = [];
    for (const glob of this.#globs) {
      // A name that happens to hold pattern characters, such as `app[1].log`, is meant as it is written.
      const asWritten = glob.literal === undefined && isThere(glob.pattern) ? [glob.pattern] : [];
      const paths = glob.expand((directory, error) => problems.push(problemOf(directory, error)));
      for (const path of [...asWritten, ...paths]) {
        if (found.has(path) || this.#isExcluded(path)) continue;
        lookAt(path, glob.literal !== undefined, found, problems);
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
      throw new OperatingError(`${path}: not a regular file`, {
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

function lookAt(path: string, isLiteral: boolean, found: Map<string, FoundSource>, problems: ScanProblem[]): void {
  let stats: Stats | undefined;
  try {
    stats = statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    problems.push(problemOf(path, error));
    return;
  }
  if (stats === undefined) {
    if (isLiteral)
      problems.push({
        path,
        reason: 'no such file',
        hint: 'create it or correct the path; it is looked for each second',
      });
  } else if (stats.isFile()) {
    found.set(path, { path, place: placeOf(path, stats), sizeBytes: stats.size, modifiedMs: stats.mtimeMs });
  } else if (stats.isDirectory()) {
    if (isLiteral) problems.push({ path, reason: 'is a directory', hint: `write ${path}/* to read the files in it` });
  } else {
    problems.push({ path, reason: 'not a regular file', hint: NOT_REGULAR_HINT });
  }
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
