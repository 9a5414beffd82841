import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { EXIT, OperatingError, describeError, systemErrorCode } from './errors.ts';

const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;

/** A role of one `data_dir`, held by this process until `release` or its death. */
export interface RoleLock {
  readonly role: string;
  release(): void;
}

export interface RoleLockOptions {
  /** How long to wait for the holder to end, blocking this process. Default 0. */
  readonly busyTimeoutMs?: number;
}

/** A connection that nobody refers to is closed by the garbage collector, and its lock with it: this set refers to all of them. */
const held = new Set<DatabaseSync>();

/**
 * Takes `<role>.lock` in `runFolder`: an open `BEGIN EXCLUSIVE`, which the kernel ends with the process, however it dies.
 * The holder's pid stands in `<role>.pid`, for people only. Throws an OperatingError: `ROLE_LOCKED` while another holds it,
 * `LOCK_DISK_FULL`, `LOCK_UNUSABLE` where the folder cannot be written.
 */
export function acquireRoleLock(runFolder: string, role: string, options: RoleLockOptions = {}): RoleLock {
  const lockPath = join(runFolder, `${role}.lock`);
  const pidPath = join(runFolder, `${role}.pid`);
  const database = openLock(runFolder, lockPath, options.busyTimeoutMs ?? 0);
  try {
    database.exec('BEGIN EXCLUSIVE');
    writeFileSync(pidPath, `${process.pid}\n`);
  } catch (error) {
    database.close();
    if (sqliteCode(error) === SQLITE_BUSY) throw lockedError(role, lockPath, pidPath, error);
    if (sqliteCode(error) === SQLITE_FULL || systemErrorCode(error) === 'ENOSPC') throw fullError(runFolder, error);
    throw unusableError(lockPath, error);
  }
  held.add(database);
  return {
    role,
    release() {
      if (!held.delete(database)) return;
      // The pid goes first: once the lock is free, the file may be the next holder's.
      rmSync(pidPath, { force: true });
      database.close();
    },
  };
}

/** Whether a process holds the role. Looking may keep somebody who takes it waiting for a moment. */
export function isRoleHeld(runFolder: string, role: string): boolean {
  const lockPath = join(runFolder, `${role}.lock`);
  if (!existsSync(lockPath)) return false;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(lockPath, { readOnly: true });
    database.prepare('SELECT count(*) FROM sqlite_schema').get();
    return false;
  } catch (error) {
    return sqliteCode(error) === SQLITE_BUSY;
  } finally {
    database?.close();
  }
}

function openLock(runFolder: string, lockPath: string, busyTimeoutMs: number): DatabaseSync {
  try {
    mkdirSync(runFolder, { recursive: true, mode: 0o700 });
    return new DatabaseSync(lockPath, { timeout: busyTimeoutMs });
  } catch (error) {
    if (sqliteCode(error) === SQLITE_FULL || systemErrorCode(error) === 'ENOSPC') throw fullError(runFolder, error);
    throw unusableError(lockPath, error);
  }
}

/** The primary result code of an error of node:sqlite, or undefined for any other value. */
function sqliteCode(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return undefined;
  return Number(error.errcode) & 0xff;
}

function fullError(runFolder: string, cause: unknown): OperatingError {
  return new OperatingError(`${runFolder}: the disk is full`, {
    code: 'LOCK_DISK_FULL',
    isRetryable: true,
    hint: 'free space; work goes on by itself',
    exitCode: EXIT.unreachable,
    cause,
  });
}

function unusableError(lockPath: string, cause: unknown): OperatingError {
  return new OperatingError(`${lockPath} cannot be locked: ${describeError(cause)}`, {
    code: 'LOCK_UNUSABLE',
    hint: 'run it as the user the data_dir belongs to, or name another data_dir',
    cause,
  });
}

function lockedError(role: string, lockPath: string, pidPath: string, cause: unknown): OperatingError {
  const pid = readPid(pidPath);
  return new OperatingError(`role '${role}' is already run by ${pid ?? 'another process'} (${lockPath} is locked)`, {
    code: 'ROLE_LOCKED',
    // Waiting in a restart loop would only hide it: somebody started the role twice.
    isRetryable: false,
    hint: `stop ${pid ?? 'that process'}, or give this one a data_dir of its own`,
    cause,
  });
}

function readPid(pidPath: string): string | undefined {
  try {
    const text = readFileSync(pidPath, 'utf8').trim();
    return /^\d+$/.test(text) ? `process ${text}` : undefined;
  } catch {
    return undefined;
  }
}
