import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { assert } from '../../lib/assert.ts';
import { OperatingError } from '../../lib/errors.ts';
import type { TopicSpec } from '../broker.ts';
import { PARTITIONS_MAX } from './stored-message.ts';

/** SQLite's own limit for a BLOB is 10^9 bytes; with room for the rest of the row. */
const MESSAGE_BYTES_MAX = 512 * 1024 * 1024;

/** A row of `partitions`. */
export interface PartitionRow {
  /** Number of the (topic, partition) in this file; never changes and is never used again. */
  readonly number: number;
  readonly partition: number;
  readonly message_bytes_max: number;
  readonly start_offset: number;
  readonly end_offset: number;
  readonly appended_at_ms: number;
}

/** The partitions of the file: where each begins and ends. */
export class PartitionTable {
  readonly #path: string;
  readonly #find: StatementSync;
  readonly #ofTopic: StatementSync;
  readonly #count: StatementSync;
  readonly #add: StatementSync;
  readonly #allow: StatementSync;
  readonly #advance: StatementSync;
  readonly #moveStart: StatementSync;
  readonly #numbers = new Map<string, number>();
  readonly #byNumber: StatementSync;

  constructor(database: DatabaseSync, path: string) {
    this.#path = path;
    const columns = 'number, partition, message_bytes_max, start_offset, end_offset, appended_at_ms';
    this.#find = database.prepare(`SELECT ${columns} FROM partitions WHERE topic = ? AND partition = ?`);
    this.#byNumber = database.prepare(`SELECT ${columns} FROM partitions WHERE number = ?`);
    this.#ofTopic = database.prepare(`SELECT ${columns} FROM partitions WHERE topic = ? ORDER BY partition`);
    this.#count = database.prepare('SELECT count(*) AS count FROM partitions');
    this.#add = database.prepare(
      'INSERT INTO partitions (topic, partition, message_bytes_max, start_offset, end_offset, appended_at_ms) VALUES (?, ?, ?, 0, 0, 0)',
    );
    this.#allow = database.prepare(
      'UPDATE partitions SET message_bytes_max = max(message_bytes_max, ?) WHERE topic = ?',
    );
    this.#advance = database.prepare('UPDATE partitions SET end_offset = ?, appended_at_ms = ? WHERE number = ?');
    this.#moveStart = database.prepare('UPDATE partitions SET start_offset = ? WHERE number = ?');
  }

  /** The row as it is now. OperatingError `LOG_TOPIC_UNKNOWN` where there is none. */
  find(topic: string, partition: number): PartitionRow {
    const key = `${partition} ${topic}`;
    const number = this.#numbers.get(key);
    if (number !== undefined) return this.byNumber(number);
    const row = this.#find.get(topic, partition) as PartitionRow | undefined;
    if (row === undefined) {
      throw new OperatingError(`${this.#path} has no partition ${partition} of topic '${topic}'`, {
        code: 'LOG_TOPIC_UNKNOWN',
        hint: 'start `tailrace run` with the pipeline that makes the topic',
      });
    }
    this.#numbers.set(key, row.number);
    return row;
  }

  byNumber(number: number): PartitionRow {
    const row = this.#byNumber.get(number) as PartitionRow | undefined;
    assert(row !== undefined, `partition number ${number} is gone`);
    return row;
  }

  /** In order of partition; empty for an unknown topic. */
  ofTopic(topic: string): PartitionRow[] {
    return this.#ofTopic.all(topic) as unknown as PartitionRow[];
  }

  /** Whether `create` would have nothing to do. */
  isComplete(spec: TopicSpec): boolean {
    const rows = this.#checked(spec);
    return rows.length > 0 && rows.every((row) => row.message_bytes_max >= spec.messageBytesMax);
  }

  /** Adds what is missing of a topic; returns the numbers of the new partitions. */
  create(spec: TopicSpec): number[] {
    if (this.#checked(spec).length > 0) {
      this.#allow.run(spec.messageBytesMax, spec.topic);
      return [];
    }
    const { count } = this.#count.get() as { count: number };
    if (count + spec.partitions > PARTITIONS_MAX) {
      throw new OperatingError(
        `${this.#path} holds ${count} partitions of ${PARTITIONS_MAX}, no room for '${spec.topic}'`,
        {
          code: 'LOG_LIMIT',
          hint: 'give the stream fewer partitions',
        },
      );
    }
    return Array.from({ length: spec.partitions }, (_, partition) =>
      Number(this.#add.run(spec.topic, partition, spec.messageBytesMax).lastInsertRowid),
    );
  }

  advance(number: number, endOffset: number, appendedAtMs: number): void {
    this.#advance.run(endOffset, appendedAtMs, number);
  }

  moveStart(number: number, startOffset: number): void {
    this.#moveStart.run(startOffset, number);
  }

  #checked(spec: TopicSpec): PartitionRow[] {
    assert(
      Number.isInteger(spec.partitions) && spec.partitions > 0,
      `topic '${spec.topic}' with ${spec.partitions} partitions`,
    );
    if (spec.messageBytesMax > MESSAGE_BYTES_MAX) {
      throw new OperatingError(
        `topic '${spec.topic}': messages of ${spec.messageBytesMax} bytes, the embedded log takes ${MESSAGE_BYTES_MAX}`,
        { code: 'LOG_LIMIT', hint: 'make blocks or epochs smaller' },
      );
    }
    const rows = this.ofTopic(spec.topic);
    if (rows.length > 0 && rows.length !== spec.partitions) {
      throw new OperatingError(`topic '${spec.topic}' has ${rows.length} partitions, not ${spec.partitions}`, {
        code: 'LOG_PARTITIONS_FIXED',
        hint: 'a stream keeps its partition count for life: set it back, or name a new stream',
      });
    }
    return rows;
  }
}
