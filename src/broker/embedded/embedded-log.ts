import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { StatementSync } from 'node:sqlite';
import type { Clock } from '../../lib/clock.ts';
import { encodeGenesis } from '../../record/control.ts';
import type {
  Cursor,
  Log,
  Message,
  OutgoingMessage,
  PartitionEnds,
  ReadOptions,
  Report,
  TopicSpec,
} from '../broker.ts';
import { AppendQueue } from './append-queue.ts';
import { ChangeWatch } from './change-watch.ts';
import { Checkpointer } from './checkpointer.ts';
import { Connection } from './connection.ts';
import { openDatabase } from './database.ts';
import { DiskSpace } from './disk-space.ts';
import type { DiskUsage } from './disk-space.ts';
import { PartitionReader } from './partition-reader.ts';
import { PartitionTable } from './partition-table.ts';
import { ReportTable } from './report-table.ts';
import { messageId, prepareMessage } from './stored-message.ts';

const LOG_ID_BYTES = 16;
const REPORT_FLUSH_MS = 500;
/** Messages deleted in one transaction: what holds the write lock for some milliseconds, with blocks of 60 KB. */
const TRIM_MESSAGES = 128;

export interface EmbeddedLogOptions {
  /** The file, `<data_dir>/broker.db`; made when it is not there. */
  readonly path: string;
  readonly clock: Clock;
  /** Past this many bytes appends are refused with `LOG_DISK_FULL`; blocks a tenth earlier. */
  readonly diskMaxBytes: number;
}

/**
 * The log of one machine: one SQLite file, safe for many processes at once. See docs/decisions/0002-log-on-sqlite.md.
 * Throws the OperatingErrors `SQLITE_TOO_OLD`, `FORMAT_NEWER`, `LOG_FOREIGN_FILE` and those of the disk.
 */
export function openEmbeddedLog(options: EmbeddedLogOptions): EmbeddedLog {
  return new EmbeddedLog(options);
}

export class EmbeddedLog implements Log {
  readonly #connection: Connection;
  readonly #watch: ChangeWatch;
  readonly #partitions: PartitionTable;
  readonly #reports: ReportTable;
  readonly #space: DiskSpace;
  readonly #appends: AppendQueue;
  readonly #reader: PartitionReader;
  readonly #delete: StatementSync;
  readonly #closing = new AbortController();
  #reportFlush: Promise<void> | undefined;

  constructor({ path, clock, diskMaxBytes }: EmbeddedLogOptions) {
    const database = openDatabase(path);
    this.#watch = new ChangeWatch(database, clock);
    this.#connection = new Connection(database, path, clock, {
      checkpointer: new Checkpointer(database, clock),
      afterCommit: () => this.#watch.wakeAll(),
    });
    this.#partitions = new PartitionTable(database, path);
    this.#reports = new ReportTable(database);
    this.#space = new DiskSpace(database, diskMaxBytes);
    const tables = { partitions: this.#partitions, reports: this.#reports, space: this.#space };
    this.#appends = new AppendQueue(this.#connection, tables);
    this.#reader = new PartitionReader(this.#connection, this.#partitions, this.#watch);
    this.#delete = database.prepare('DELETE FROM messages WHERE id >= ? AND id < ?');
  }

  async ensureTopics(specs: readonly TopicSpec[]): Promise<void> {
    const isComplete = await this.#connection.read(() => specs.every((spec) => this.#partitions.isComplete(spec)));
    if (isComplete) return;
    await this.#connection.write(() => {
      for (const spec of specs) {
        for (const number of this.#partitions.create(spec))
          this.#appends.insertInto(number, [prepareMessage(genesis())]);
      }
    });
  }

  append(topic: string, partition: number, messages: readonly OutgoingMessage[]): Promise<number> {
    return this.#appends.append(topic, partition, messages);
  }

  read(topic: string, partition: number, from: number, options: ReadOptions): AsyncIterable<readonly Message[]> {
    return this.#reader.read(topic, partition, from, options);
  }

  async ends(topic: string): Promise<readonly PartitionEnds[]> {
    const rows = await this.#connection.read(() => this.#partitions.ofTopic(topic));
    return rows.map((row) => ({ start: row.start_offset, end: row.end_offset }));
  }

  async trim(topic: string, partition: number, before: number): Promise<void> {
    const number = await this.#numberOf(topic, partition);
    let isDone = false;
    while (!isDone) {
      isDone = await this.#connection.write(() => {
        const { start_offset: start, end_offset: end } = this.#partitions.byNumber(number);
        const target = Math.min(before, end);
        const stop = Math.min(target, start + TRIM_MESSAGES);
        if (stop <= start) return true;
        this.#delete.run(messageId(number, start), messageId(number, stop));
        this.#partitions.moveStart(number, stop);
        return stop === target;
      });
      await nextTurn();
    }
  }

  async report(group: string, topic: string, partition: number, cursor: Cursor | undefined): Promise<void> {
    const number = await this.#numberOf(topic, partition);
    this.#reports.add({ group, number, cursor, reportedAtMs: Math.trunc(this.#connection.clock.nowMs()) });
    // A registration holds trimming from the moment it is promised; a cursor may come late, which only holds more.
    if (cursor === undefined) await this.#flushReports();
    else this.#reportFlush ??= this.#flushReportsLater();
  }

  async reports(topic: string): Promise<readonly Report[]> {
    await this.#flushReports();
    return this.#connection.read(() => this.#reports.ofTopic(topic));
  }

  async forget(group: string): Promise<void> {
    this.#reports.dropPending(group);
    await this.#connection.write(() => this.#reports.forget(group));
  }

  /** Space taken and allowed. */
  usage(): DiskUsage {
    return this.#space.usage();
  }

  /** Readers end quietly, appends under way get their outcome, pending reports are written. */
  async close(): Promise<void> {
    if (this.#connection.isClosed) return;
    await this.#appends.drain();
    this.#closing.abort();
    await this.#reportFlush;
    await this.#flushReports().catch(() => undefined);
    this.#watch.close();
    this.#connection.close();
  }

  async #numberOf(topic: string, partition: number): Promise<number> {
    const row = await this.#connection.read(() => this.#partitions.find(topic, partition));
    return row.number;
  }

  async #flushReports(): Promise<void> {
    if (!this.#reports.hasPending) return;
    this.#reports.settle(await this.#connection.write(() => this.#reports.writePending()));
  }

  /** An error here loses nothing: the report goes on waiting for the next commit, and only holds trimming back. */
  async #flushReportsLater(): Promise<void> {
    await this.#connection.clock.sleep(REPORT_FLUSH_MS, this.#closing.signal);
    this.#reportFlush = undefined;
    await this.#flushReports().catch(() => undefined);
  }
}

function genesis(): OutgoingMessage {
  const header = encodeGenesis({ log: randomBytes(LOG_ID_BYTES).toString('hex') });
  return { kind: 'genesis', header, value: new Uint8Array(0) };
}
