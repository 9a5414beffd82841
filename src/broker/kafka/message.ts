import { MESSAGE_KINDS, type Message, type MessageKind, type OutgoingMessage } from '../broker.ts';
import { DamagedBatch, type KafkaRecord, type RecordBatch, type StoredRecord } from './record-batch.ts';
import { recordsOf } from './record-cursor.ts';

/**
 * A message as a Kafka record: its value is the record's value, so that any consumer sees plain log lines; its header is the one record
 * header, whose name says the kind.
 */
const HEADER_PREFIX = 'tailrace.';
const NO_BYTES = new Uint8Array(0);
const NAMES = Object.fromEntries(MESSAGE_KINDS.map((kind) => [kind, HEADER_PREFIX + kind])) as Record<
  MessageKind,
  string
>;
const KINDS = new Map(MESSAGE_KINDS.map((kind) => [HEADER_PREFIX + kind, kind]));

export function recordOf({ kind, header, value }: OutgoingMessage): KafkaRecord {
  return { key: null, value, headers: [[NAMES[kind], header]] };
}

function messageOf(record: StoredRecord, hasValues: boolean): Message {
  const { offset, timestampMs: appendedAtMs } = record;
  for (const [name, header] of record.headers) {
    const kind = KINDS.get(name);
    if (kind === undefined) continue;
    return {
      offset,
      appendedAtMs,
      kind,
      header: header ?? NO_BYTES,
      value: hasValues ? (record.value ?? NO_BYTES) : NO_BYTES,
    };
  }
  return nothing(offset, appendedAtMs, 'it was not written by Tailrace');
}

/** The messages of a batch from offset `from` on. What cannot be read is named, and stands for itself: offsets have no holes. */
export async function messagesOf(batch: RecordBatch, from: number, hasValues: boolean): Promise<Message[]> {
  if (batch.isControl) return [];
  const records = await recordsOf(batch);
  if (!(records instanceof DamagedBatch)) {
    return records.filter(({ offset }) => offset >= from).map((record) => messageOf(record, hasValues));
  }
  const first = Math.max(from, batch.baseOffset);
  const count = Math.min(DAMAGED_MESSAGES_MAX, batch.nextOffset - first);
  return Array.from({ length: Math.max(0, count) }, (_, i) => nothing(first + i, 0, records.reason));
}

/** The count of a damaged batch may be damaged, too. */
const DAMAGED_MESSAGES_MAX = 100_000;

function nothing(offset: number, appendedAtMs: number, damaged: string): Message {
  return { offset, appendedAtMs, kind: 'block', header: NO_BYTES, value: NO_BYTES, damaged };
}
