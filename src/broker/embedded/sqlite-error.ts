import { EXIT, OperatingError } from '../../lib/errors.ts';

/** Primary result codes of SQLite (sqlite.org/rescode.html). */
const SQLITE_BUSY = 5;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

/** The primary result code of an error of node:sqlite, or undefined for any other value. */
function primaryCode(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return undefined;
  return Number(error.errcode) & 0xff;
}

export function isBusy(error: unknown): boolean {
  return primaryCode(error) === SQLITE_BUSY;
}

function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
}

/** After a failed write or fsync the page cache may hold what the disk does not: only a new process may look at the file again. */
export function isFatal(error: unknown): boolean {
  const code = primaryCode(error);
  return code === SQLITE_IOERR || code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
}

/** An error of SQLite as one of ours; errors that are not SQLite's come back as they are. */
export function asOperatingError(error: unknown, path: string): unknown {
  const code = primaryCode(error);
  if (code === undefined) return error;
  const said = messageOf(error);
  switch (code) {
    case SQLITE_BUSY:
      return new OperatingError(`${path}: another process holds the log's write lock too long`, {
        code: 'LOG_BUSY',
        isRetryable: true,
        hint: 'look for a stopped process that has the file open',
        cause: error,
      });
    case SQLITE_FULL:
      return diskFullError(path, 'the disk is full', error);
    case SQLITE_IOERR:
      return new OperatingError(`${path}: ${said}`, {
        code: 'LOG_IO_FAILED',
        hint: 'look at the disk, then start this process again: it must not go on with the file open',
        cause: error,
      });
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return new OperatingError(`${path}: ${said}`, {
        code: 'LOG_DAMAGED',
        hint: 'stop Tailrace and keep the file: copy what can be read with `sqlite3 broker.db .recover`',
        cause: error,
      });
    default:
      return new OperatingError(`${path}: ${said}`, { code: 'LOG_FAILED', isRetryable: true, cause: error });
  }
}

export function diskFullError(path: string, what: string, cause?: unknown): OperatingError {
  return new OperatingError(`${path}: ${what}`, {
    code: 'LOG_DISK_FULL',
    isRetryable: true,
    hint: 'free space or raise disk_max; appends go on by themselves',
    // Not a failure to give up on: however long it lasts, work goes on when there is space.
    exitCode: EXIT.unreachable,
    cause,
  });
}
