import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { EXIT, OperatingError, describeError } from '../../lib/errors.ts';
import { WAREHOUSE_FORMAT_VERSION, laterTablesSql, schemaSql } from './schema.ts';

export interface DatabaseOptions {
  readonly path: string;
  /** DuckDB's own limit for its buffers; the process needs about 100 MB beside it. */
  readonly memoryLimit: string;
  readonly threads: number;
}

type AccessMode = 'READ_WRITE' | 'READ_ONLY';

/** What queries may spill to disk before they fail: they must not fill the volume the log is on. */
const TEMP_DIRECTORY_SIZE_MAX = '1GB';

/**
 * DuckDB's automatic checkpoint, as the last resort. The warehouse makes its own earlier (CHECKPOINT_WAL_BYTES), where a fault point can
 * stand; a reader may have kept that one from happening.
 */
const AUTO_CHECKPOINT = '64MB';

/** Opens the warehouse's file, making it first where there is none. OperatingErrors: locked by another process, newer format, damaged. */
export async function openDatabase(options: DatabaseOptions): Promise<DuckDBInstance> {
  if (!existsSync(options.path)) await createFile(options);
  return openExisting(options, 'READ_WRITE');
}

/** Opens a file that no process has open, changing nothing in it: what a crash left in its write-ahead log is read and stays. */
export function openForReading(options: DatabaseOptions): Promise<DuckDBInstance> {
  return openExisting(options, 'READ_ONLY');
}

async function openExisting(options: DatabaseOptions, mode: AccessMode): Promise<DuckDBInstance> {
  const instance = await openInstance(options.path, options, mode);
  const connection = await instance.connect();
  try {
    await checkFormat(connection, options.path);
    if (mode === 'READ_WRITE') for (const sql of laterTablesSql()) await connection.run(sql);
    await lockDown(connection);
  } catch (error) {
    connection.closeSync();
    instance.closeSync();
    throw error;
  }
  connection.closeSync();
  return instance;
}

/** A fault while DuckDB makes a file leaves one that cannot be opened: so it is made under another name, whole, and renamed. */
async function createFile(options: DatabaseOptions): Promise<void> {
  const folder = dirname(options.path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const prefix = `${basename(options.path)}.new-`;
  for (const name of readdirSync(folder))
    if (name.startsWith(prefix)) rmSync(join(folder, name), { force: true, recursive: true });
  const temporary = join(folder, prefix + randomUUID());
  const instance = await openInstance(temporary, options, 'READ_WRITE');
  const connection = await instance.connect();
  for (const sql of schemaSql()) await connection.run(sql);
  await connection.run('CHECKPOINT');
  connection.closeSync();
  instance.closeSync();
  await syncPath(temporary);
  renameSync(temporary, options.path);
  await syncPath(folder);
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function openInstance(
  path: string,
  { memoryLimit, threads }: DatabaseOptions,
  mode: AccessMode,
): Promise<DuckDBInstance> {
  try {
    return await DuckDBInstance.create(path, {
      access_mode: mode,
      memory_limit: memoryLimit,
      threads: String(threads),
      preserve_insertion_order: 'false',
      checkpoint_threshold: AUTO_CHECKPOINT,
      max_temp_directory_size: TEMP_DIRECTORY_SIZE_MAX,
      enable_external_access: 'false',
      autoload_known_extensions: 'false',
      autoinstall_known_extensions: 'false',
      allow_community_extensions: 'false',
    });
  } catch (error) {
    throw openError(path, error);
  }
}

function openError(path: string, error: unknown): OperatingError {
  const message = describeError(error);
  if (/conflicting lock/i.test(message)) {
    const holder = /PID (\d+)/.exec(message)?.[1];
    return new OperatingError(`${path} is in use${holder === undefined ? '' : ` by process ${holder}`}`, {
      code: 'WAREHOUSE_LOCKED',
      isRetryable: true,
      hint: 'only one process may open it: stop the other, or ask it through its socket (tailrace sql)',
      cause: error,
    });
  }
  if (isDiskFull(error)) return diskFullError(path, error);
  return new OperatingError(`cannot open ${path}: ${firstLine(message)}`, {
    code: 'WAREHOUSE_UNREADABLE',
    hint: 'move the file and its .wal away and start again: it is built anew from the log, as far as the log reaches back',
    cause: error,
  });
}

export function isDiskFull(error: unknown): boolean {
  return /no space left on device|disk quota exceeded/i.test(describeError(error));
}

/** Not a failure to give up on: however long it lasts, the next process goes on when there is space. */
export function diskFullError(path: string, error: unknown): OperatingError {
  return new OperatingError(`${path}: the disk is full`, {
    code: 'WAREHOUSE_DISK_FULL',
    isRetryable: true,
    hint: 'free space; the warehouse goes on by itself, nothing is lost',
    exitCode: EXIT.unreachable,
    cause: error,
  });
}

async function checkFormat(connection: DuckDBConnection, path: string): Promise<void> {
  let version: number;
  try {
    const reader = await connection.runAndReadAll(`SELECT value FROM tailrace.meta WHERE key = 'format_version'`);
    version = Number(reader.getRowsJS()[0]?.[0]);
  } catch (error) {
    throw new OperatingError(`${path} is not a warehouse of tailrace: ${firstLine(describeError(error))}`, {
      code: 'WAREHOUSE_UNREADABLE',
      hint: 'name another file for the sink, or move this one away',
      cause: error,
    });
  }
  if (version <= WAREHOUSE_FORMAT_VERSION) return;
  throw new OperatingError(
    `${path} has format version ${version}, this program reads up to ${WAREHOUSE_FORMAT_VERSION}`,
    {
      code: 'FORMAT_NEWER',
      hint: 'run the newer tailrace that wrote it',
      // A restart would not help.
      exitCode: EXIT.config,
    },
  );
}

/** From here on nobody, the warehouse included, can change a setting. */
async function lockDown(connection: DuckDBConnection): Promise<void> {
  await connection.run(`SET GLOBAL TimeZone = 'UTC'`);
  await connection.run('SET lock_configuration = true');
}

export function firstLine(text: string): string {
  return text.split('\n', 1)[0]!;
}
