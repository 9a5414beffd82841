import { OperatingError, systemErrorCode } from '../lib/errors.ts';
import type { Notify } from './events.ts';
import type { ScanProblem } from './source.ts';

export const NOT_REGULAR_HINT = 'name regular files: positions of a pipe cannot be read again';

const HINTS: Readonly<Record<string, readonly [string, string]>> = {
  EACCES: ['permission denied', 'let the agent read it: run it as a user or in a group that may'],
  EPERM: ['permission denied', 'let the agent read it: run it as a user or in a group that may'],
  ENOENT: ['no such file', 'create it or correct the path; the agent looks for it every second'],
  ELOOP: ['its symbolic links lead in a circle', 'mend the link or remove it; the agent looks again every second'],
  EMFILE: ['too many open files in this process', 'it is tried again each second; raise `ulimit -n`'],
  ENFILE: ['too many open files on this machine', 'it is tried again each second; raise fs.file-max'],
  EIO: ['the disk gives an error', 'check the disk'],
  ENAMETOOLONG: ['the name is longer than the file system takes', 'correct the path'],
  ENXIO: ['is not a regular file', NOT_REGULAR_HINT],
};

/** A system error in the words of the person who has to act. */
export function problemOf(path: string, error: unknown): ScanProblem {
  if (error instanceof OperatingError)
    return { path, reason: error.message.replace(`${path}: `, ''), hint: error.hint ?? '' };
  const code = systemErrorCode(error) ?? 'unknown error';
  if (code === 'ENOENT' && path.includes('\ufffd')) return notUtf8(path);
  const [reason, hint] = HINTS[code] ?? [code, 'see the system error; it is tried again each second'];
  return { path, reason, hint, isAbsent: code === 'ENOENT' };
}

/** Names of files are bytes, and here they are text: what is not UTF-8 cannot be opened by the name that is left of it. */
export function notUtf8(path: string): ScanProblem {
  return { path, reason: 'its name is not UTF-8', hint: 'rename it: convmv shows how, or exclude it by a pattern' };
}

/** Whether it is the source's own failure, and not a defect of this program. */
export function isSourceFailure(error: unknown): boolean {
  return error instanceof OperatingError || (error instanceof Error && 'syscall' in error);
}

/** No more sources: what is found waits until one is forgotten. */
export function noRoom(path: string, sourcesMax: number): OperatingError {
  return new OperatingError(`${path}: the agent knows ${sourcesMax} files already, this one waits`, {
    code: 'SOURCES_MAX',
    hint: 'name fewer files, or let another agent read some of them',
  });
}

/** What went wrong, without the way out: a problem has its own. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Tells each problem of an input once, and when it has gone. */
export class ProblemBoard {
  readonly #notify: Notify;
  readonly #told = new Map<string, ScanProblem>();

  constructor(notify: Notify) {
    this.#notify = notify;
  }

  /** All problems there are now. */
  show(problems: readonly ScanProblem[]): void {
    const now = new Set(problems.map((problem) => problem.path));
    for (const [path, { isLeftOut }] of this.#told) {
      if (now.has(path)) continue;
      this.#told.delete(path);
      if (isLeftOut !== true) this.#notify({ type: 'readable', path });
    }
    for (const problem of problems) this.add(problem);
  }

  /** One more; it stays until the next `show`. */
  add(problem: ScanProblem): void {
    if (this.#told.get(problem.path)?.reason === problem.reason) return;
    this.#told.set(problem.path, problem);
    this.#notify({ type: 'unreadable', ...problem });
  }
}
