import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { EXIT, OperatingError } from '../../lib/errors.ts';
import { asOperatingError, isBusy } from './sqlite-error.ts';

/** 'TRLG', so that `file` and we tell broker.db from other SQLite files. */
const APPLICATION_ID = 0x54524c47;
const FORMAT_VERSION = 1;

/** Older ones may corrupt the file when a checkpoint and a commit of two processes meet (WAL reset bug, sqlite.org/wal.html). */
const SQLITE_VERSION_MIN = '3.51.3';

/** Measured with 60 KB blocks: 4 KiB pages cost a fifth more a commit, 16 KiB pages gain nothing and double the log's idle growth. */
const PAGE_SIZE_BYTES = 8192;
const PAGE_CACHE_KIB = 8192;
/** How long a call may block the event loop for a lock; {@link Connection} waits longer, without blocking. */
const BUSY_TIMEOUT_MS = 20;
const CREATE_ATTEMPTS = 250;
/** What the WAL file may keep after a checkpoint: overwriting a file is cheaper than letting it grow again. */
const WAL_KEPT_BYTES = 16 * 1024 * 1024;

/**
 * A message's id is its partition's number × 2^40 + its offset, so that one partition's messages lie together in order.
 * `head_crc` covers id, kind, codec, time, sizes, `value_crc` and header; `value_crc` the value as stored, so that an envelope can be
 * checked without its value. The value comes last: SQLite then reads the columns before it without touching its pages.
 */
const SCHEMA = `
  CREATE TABLE partitions (
    number INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    message_bytes_max INTEGER NOT NULL,
    start_offset INTEGER NOT NULL,
    end_offset INTEGER NOT NULL,
    appended_at_ms INTEGER NOT NULL,
    UNIQUE (topic, partition)
  ) STRICT;
  CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    codec INTEGER NOT NULL,
    appended_at_ms INTEGER NOT NULL,
    value_bytes INTEGER NOT NULL,
    head_crc INTEGER NOT NULL,
    value_crc INTEGER NOT NULL,
    header BLOB NOT NULL,
    value BLOB NOT NULL
  ) STRICT;
  CREATE TABLE reports (
    consumer_group TEXT NOT NULL,
    number INTEGER NOT NULL,
    cursor_offset INTEGER,
    cursor_id TEXT,
    reported_at_ms INTEGER NOT NULL,
    PRIMARY KEY (consumer_group, number)
  ) STRICT, WITHOUT ROWID;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${FORMAT_VERSION};
`;

/**
 * Opens the log's file, and makes it when it is not there. Safe when many processes do so at once.
 * OperatingErrors: `SQLITE_TOO_OLD`, `FORMAT_NEWER`, `LOG_FOREIGN_FILE`, and those of the disk.
 */
export function openDatabase(path: string): DatabaseSync {
  assertSqliteVersion(process.versions['sqlite']);
  makeFile(path);
  for (let attempt = 1; ; attempt++) {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
      prepareDatabase(database, path);
      return database;
    } catch (error) {
      database?.close();
      // Switching a new file to WAL fails at once, without the busy timeout, while another process does the same.
      if (!isBusy(error) || attempt === CREATE_ATTEMPTS) throw asOperatingError(error, path);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_TIMEOUT_MS);
    }
  }
}

export function assertSqliteVersion(version: string | undefined): void {
  const parts = (text: string): number[] => text.split('.').map(Number);
  const [major = 0, minor = 0, patch = 0] = parts(version ?? '0');
  const [majorMin = 0, minorMin = 0, patchMin = 0] = parts(SQLITE_VERSION_MIN);
  const difference = major - majorMin || minor - minorMin || patch - patchMin;
  if (difference >= 0) return;
  throw new OperatingError(
    `SQLite ${version ?? '(none)'} of this Node may damage the log, ${SQLITE_VERSION_MIN} is needed`,
    {
      code: 'SQLITE_TOO_OLD',
      hint: 'run Tailrace with the Node that comes with it',
    },
  );
}

/** The log holds what is in other people's log files: nobody else may read it. SQLite gives its side files the same mode. */
function makeFile(path: string): void {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, 'a', 0o600));
}

function prepareDatabase(database: DatabaseSync, path: string): void {
  assertFormat(database, path);
  database.exec(`PRAGMA page_size = ${PAGE_SIZE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;`);
  // Checkpoints come by the policy of `Checkpointer`, not by SQLite's own.
  database.exec(`PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = ${WAL_KEPT_BYTES};`);
  database.exec(`PRAGMA cache_size = -${PAGE_CACHE_KIB};`);
  if (pragma(database, 'user_version') !== 0) return;
  database.exec('BEGIN IMMEDIATE');
  try {
    if (pragma(database, 'user_version') === 0) database.exec(SCHEMA);
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function assertFormat(database: DatabaseSync, path: string): void {
  const version = pragma(database, 'user_version');
  const isEmpty = pragma(database, 'schema_version') === 0;
  // Nobody has made it yet, or another process is about to: its first table and its version come in one transaction.
  if (isEmpty && version === 0) return;
  if (pragma(database, 'application_id') !== APPLICATION_ID) {
    throw new OperatingError(`${path} is not a log of Tailrace`, {
      code: 'LOG_FOREIGN_FILE',
      hint: 'point data_dir to another folder, or move the file away',
    });
  }
  if (version > FORMAT_VERSION) {
    throw new OperatingError(`${path} has format version ${version}, this program reads up to ${FORMAT_VERSION}`, {
      code: 'FORMAT_NEWER',
      hint: 'run the newer tailrace that wrote it',
      // A restart would not help.
      exitCode: EXIT.config,
    });
  }
}

/** The value of a pragma that is a number. */
export function pragma(database: DatabaseSync, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get() ?? {};
  return Number(Object.values(row)[0]);
}
