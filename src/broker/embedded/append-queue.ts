import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { OperatingError } from '../../lib/errors.ts';
import { MESSAGE_KINDS } from '../broker.ts';
import type { OutgoingMessage } from '../broker.ts';
import type { Connection } from './connection.ts';
import type { DiskSpace } from './disk-space.ts';
import type { PartitionTable } from './partition-table.ts';
import type { ReportTable } from './report-table.ts';
import { diskFullError } from './sqlite-error.ts';
import { headCrc, messageId, prepareMessage, storedBytes } from './stored-message.ts';
import type { PreparedMessage } from './stored-message.ts';

/** Appends that wait for their commit; at the bound `append` waits before it compresses. */
const QUEUED_BYTES_MAX = 64 * 1024 * 1024;
/** Stored bytes in one transaction: it holds the write lock until all are on disk. */
const GROUP_BYTES_MAX = 16 * 1024 * 1024;
const BLOCK_KIND = MESSAGE_KINDS.indexOf('block');

interface QueuedAppend {
  readonly number: number;
  readonly messages: readonly PreparedMessage[];
  readonly bytes: number;
  readonly resolve: (offset: number) => void;
  readonly reject: (error: unknown) => void;
}

/** Offset of the first message, or why nothing was written. */
type Outcome = number | OperatingError;

export interface AppendTables {
  readonly partitions: PartitionTable;
  readonly reports: ReportTable;
  readonly space: DiskSpace;
}

/** Group commit: appends of one turn of the event loop share a transaction, and so its fsync. */
export class AppendQueue {
  readonly #connection: Connection;
  readonly #tables: AppendTables;
  readonly #insert: StatementSync;
  readonly #waiting: Array<() => void> = [];
  #queue: QueuedAppend[] = [];
  #queuedBytes = 0;
  #pump: Promise<void> | undefined;

  constructor(connection: Connection, tables: AppendTables) {
    this.#connection = connection;
    this.#tables = tables;
    this.#insert = prepareInsert(connection.database);
  }

  async append(topic: string, partition: number, messages: readonly OutgoingMessage[]): Promise<number> {
    const row = await this.#connection.read(() => this.#tables.partitions.find(topic, partition));
    if (messages.length === 0) return row.end_offset;
    assertSizes(messages, topic, row.message_bytes_max);
    while (this.#queuedBytes >= QUEUED_BYTES_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const prepared = messages.map(prepareMessage);
    const bytes = prepared.reduce((sum, message) => sum + storedBytes(message), 0);
    return new Promise((resolve, reject) => {
      this.#queuedBytes += bytes;
      this.#queue.push({ number: row.number, messages: prepared, bytes, resolve, reject });
      this.#pump ??= this.#commitAll();
    });
  }

  /** Resolves when everything appended so far has its outcome. */
  async drain(): Promise<void> {
    await this.#pump;
  }

  /** Inside a transaction: gives the messages their offsets and writes them. */
  insertInto(number: number, messages: readonly PreparedMessage[]): number {
    const { partitions } = this.#tables;
    const row = partitions.byNumber(number);
    const appendedAtMs = Math.max(row.appended_at_ms, Math.trunc(this.#connection.clock.nowMs()));
    let offset = row.end_offset;
    for (const message of messages) {
      const id = messageId(number, offset++);
      const { kind, codec, valueBytes, valueCrc, header, value } = message;
      const crc = headCrc(id, appendedAtMs, message);
      this.#insert.run(id, kind, codec, appendedAtMs, valueBytes, crc, valueCrc, header, value);
    }
    partitions.advance(number, offset, appendedAtMs);
    return row.end_offset;
  }

  async #commitAll(): Promise<void> {
    while (this.#queue.length > 0) {
      await nextTurn();
      const group = this.#takeGroup();
      await this.#commit(group);
      for (const append of group) this.#queuedBytes -= append.bytes;
      for (const admit of this.#waiting.splice(0)) admit();
    }
    this.#pump = undefined;
  }

  #takeGroup(): QueuedAppend[] {
    let bytes = 0;
    const beyond = this.#queue.findIndex((append, index) => (bytes += append.bytes) > GROUP_BYTES_MAX && index > 0);
    return this.#queue.splice(0, beyond < 0 ? this.#queue.length : beyond);
  }

  async #commit(group: readonly QueuedAppend[]): Promise<void> {
    try {
      const { reports, outcomes } = await this.#connection.write(
        () => {
          const reports = this.#tables.reports.writePending();
          return { reports, outcomes: group.map((append) => this.#insertAppend(append)) };
        },
        { isAppend: true },
      );
      this.#tables.reports.settle(reports);
      group.forEach((append, index) => settle(append, outcomes[index]!));
    } catch (error) {
      for (const append of group) append.reject(error);
    }
  }

  #insertAppend(append: QueuedAppend): Outcome {
    const isBlocks = append.messages.every((message) => message.kind === BLOCK_KIND);
    const { space } = this.#tables;
    if (!space.hasRoom(append.bytes, append.messages.length, isBlocks)) {
      const { bytes, maxBytes } = space.usage();
      return diskFullError(this.#connection.path, `the log holds ${bytes} bytes of ${maxBytes} allowed`);
    }
    return this.insertInto(append.number, append.messages);
  }
}

function settle(append: QueuedAppend, outcome: Outcome): void {
  if (typeof outcome === 'number') append.resolve(outcome);
  else append.reject(outcome);
}

function prepareInsert(database: DatabaseSync): StatementSync {
  return database.prepare(
    'INSERT INTO messages (id, kind, codec, appended_at_ms, value_bytes, head_crc, value_crc, header, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  );
}

function assertSizes(messages: readonly OutgoingMessage[], topic: string, messageBytesMax: number): void {
  for (const { header, value } of messages) {
    const bytes = header.length + value.length;
    if (bytes <= messageBytesMax) continue;
    throw new OperatingError(`topic '${topic}' takes messages up to ${messageBytesMax} bytes, this one has ${bytes}`, {
      code: 'LOG_MESSAGE_TOO_LARGE',
      hint: 'start with larger limits for blocks or epochs',
    });
  }
}
