import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { EXIT, OperatingError } from '../../lib/errors.ts';
import type { Message, ReadOptions } from '../broker.ts';
import type { ChangeWatch } from './change-watch.ts';
import type { Connection } from './connection.ts';
import type { PartitionTable } from './partition-table.ts';
import { messageId, readMessage } from './stored-message.ts';
import type { MessageRow } from './stored-message.ts';

const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** Bounds a batch of beats, or of envelopes, whose values have no bytes to count. */
const BATCH_MESSAGES_MAX = 4096;
const WAIT_MS_MAX = 1000;

interface BatchRequest {
  readonly number: number;
  readonly from: number;
  readonly hasValues: boolean;
  readonly bytesMax: number;
}

/** Reads partitions in short transactions; decompression happens outside of them. */
export class PartitionReader {
  readonly #connection: Connection;
  readonly #partitions: PartitionTable;
  readonly #watch: ChangeWatch;
  readonly #messages: StatementSync;
  readonly #envelopes: StatementSync;

  constructor(connection: Connection, partitions: PartitionTable, watch: ChangeWatch) {
    this.#connection = connection;
    this.#partitions = partitions;
    this.#watch = watch;
    this.#messages = prepareSelect(connection.database, ', value');
    this.#envelopes = prepareSelect(connection.database, '');
  }

  async *read(
    topic: string,
    partition: number,
    from: number,
    options: ReadOptions,
  ): AsyncGenerator<readonly Message[]> {
    const { signal, isFollowing, waitMsMax = WAIT_MS_MAX, hasValues = true } = options;
    const { clock } = this.#connection;
    const { number } = await this.#connection.read(() => this.#partitions.find(topic, partition));
    const request = { number, hasValues, bytesMax: options.batchBytesMax ?? BATCH_BYTES_MAX };
    let next = from;
    let emptyAtMs = clock.monotonicMs() + waitMsMax;
    const isEnded = (): boolean => signal?.aborted === true || this.#connection.isClosed;
    while (!isEnded()) {
      const rows = await this.#connection.read(() => this.#rows(topic, { ...request, from: next }));
      const last = rows.at(-1);
      if (last !== undefined) {
        const batch = rows.map(readMessage);
        next = batch.at(-1)!.offset + 1;
        yield batch;
        // A reader that is never at the end must leave the event loop to others now and then.
        await nextTurn();
        emptyAtMs = clock.monotonicMs() + waitMsMax;
        continue;
      }
      if (!isFollowing) return;
      await this.#watch.wait(emptyAtMs - clock.monotonicMs(), signal);
      if (isEnded() || clock.monotonicMs() < emptyAtMs) continue;
      yield [];
      emptyAtMs = clock.monotonicMs() + waitMsMax;
    }
  }

  #rows(topic: string, request: BatchRequest): MessageRow[] {
    const { number, from, hasValues, bytesMax } = request;
    const { partition, start_offset: start, end_offset: end } = this.#partitions.byNumber(number);
    if (from < start || from > end) throw outsideError(`${topic}/${partition}`, from, { start, end });
    const statement = hasValues ? this.#messages : this.#envelopes;
    const rows: MessageRow[] = [];
    let bytes = 0;
    for (const row of statement.iterate(messageId(number, from), messageId(number, end))) {
      const message = row as unknown as MessageRow;
      rows.push(message);
      bytes += message.header.length + (hasValues ? message.value_bytes : 0);
      if (bytes >= bytesMax || rows.length === BATCH_MESSAGES_MAX) break;
    }
    return rows;
  }
}

function prepareSelect(database: DatabaseSync, value: string): StatementSync {
  return database.prepare(
    `SELECT id, kind, codec, appended_at_ms, value_bytes, head_crc, value_crc, header${value}
     FROM messages WHERE id >= ? AND id < ? ORDER BY id`,
  );
}

function outsideError(where: string, from: number, ends: { start: number; end: number }): OperatingError {
  if (from < ends.start) {
    return new OperatingError(`${where}: offset ${from} is trimmed, the log begins at ${ends.start}`, {
      code: 'LOG_TRIMMED',
      exitCode: EXIT.mismatch,
      hint: `${ends.start - from} messages are gone: rebuild this reader from what the log still has`,
    });
  }
  return new OperatingError(`${where}: offset ${from} is past the log's end ${ends.end}`, {
    code: 'LOG_FORKED',
    exitCode: EXIT.mismatch,
    hint: 'this is not the log that was read before: put the right broker.db back, or rebuild this reader from this one',
  });
}
