import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { MESSAGE_KINDS, type MessageKind } from '../../src/broker/broker.ts';

export interface TopicEnds {
  readonly start: number;
  readonly end: number;
}

/** Where the raw topic and the epoch topic of one stream begin and end, added up over its partitions. */
export interface LogEnds {
  readonly raw: TopicEnds;
  readonly epochs: TopicEnds;
}

const NOTHING: TopicEnds = { start: 0, end: 0 };
const NOWHERE: LogEnds = { raw: NOTHING, epochs: NOTHING };

/** Of the log of a data_dir, read from broker.db by plain SQL. Undefined ends are zero: the log is not there yet. */
export function logEnds(dataDir: string): LogEnds {
  if (!existsSync(join(dataDir, 'broker.db'))) return NOWHERE;
  // A connection that may only read changes nothing, not even when it is the last to close.
  return withLog(dataDir, { readOnly: true }, (database) => {
    if (database.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'partitions'`).get() === undefined) return NOWHERE;
    const rows = database.prepare('SELECT topic, start_offset, end_offset FROM partitions').all();
    const endsOf = (part: string): TopicEnds => {
      const found = rows.filter(({ topic }) => String(topic).includes(part));
      const sum = (column: string): number => found.reduce((total, row) => total + Number(row[column]), 0);
      return { start: sum('start_offset'), end: sum('end_offset') };
    };
    return { raw: endsOf('.raw.'), epochs: endsOf('.epochs.') };
  });
}

/** The raw offset up to which a pipeline says it has decided; 0 before it says anything. */
export function decidedTo(dataDir: string): number {
  return reportOf(dataDir, 'pipeline.web');
}

/** The epoch offset up to which the warehouse says it has stored. */
export function storedTo(dataDir: string): number {
  return reportOf(dataDir, 'web.warehouse');
}

function reportOf(dataDir: string, group: string): number {
  return withLog(dataDir, { readOnly: true }, (database) => {
    const row = database.prepare('SELECT max(cursor_offset) AS n FROM reports WHERE consumer_group = ?').get(group);
    return Number(row?.['n'] ?? 0);
  });
}

/** How many messages of a kind the log holds now. */
export function messagesOfKind(dataDir: string, kind: MessageKind): number {
  return withLog(dataDir, { readOnly: true }, (database) => {
    const row = database.prepare('SELECT count(*) AS n FROM messages WHERE kind = ?').get(MESSAGE_KINDS.indexOf(kind));
    return Number(row?.['n']);
  });
}

/** Whether nobody holds the log's write lock at this moment. */
export function isLogFree(dataDir: string): boolean {
  return withLog(dataDir, { timeout: 100 }, (database) => {
    try {
      database.exec('BEGIN IMMEDIATE; ROLLBACK');
      return true;
    } catch {
      return false;
    }
  });
}

/** Opens broker.db for a moment. */
export function withLog<T>(
  dataDir: string,
  options: { readonly readOnly?: boolean; readonly timeout?: number },
  work: (database: DatabaseSync) => T,
): T {
  const database = new DatabaseSync(join(dataDir, 'broker.db'), { timeout: 5000, ...options });
  try {
    return work(database);
  } finally {
    database.close();
  }
}
