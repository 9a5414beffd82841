import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { assert, present } from '../../lib/assert.ts';
import { describeError } from '../../lib/errors.ts';
import { MESSAGE_KINDS } from '../broker.ts';
import type { Message, MessageKind, OutgoingMessage } from '../broker.ts';

const CODEC_RAW = 0;
const CODEC_ZSTD = 1;
/** Smaller values stay as they are: a zstd context costs more than it saves. */
const COMPRESS_BYTES_MIN = 1024;
/** Logs come out at a tenth: room for an eighth is one piece for most, and little that is made for nothing. */
const DEFLATED_PARTS = 8;
/** Output buffers a little larger than the result, so that zlib makes one and not two that must be joined. */
const CHUNK_SLACK_BYTES = 4096;
const OFFSETS_A_PARTITION = 2 ** 40;
/** Ids stay safe integers. */
export const PARTITIONS_MAX = 2 ** 13 - 1;

const EMPTY = new Uint8Array(0);

/** An {@link OutgoingMessage} ready for its row: compressed, and its value summed, outside of any transaction. */
export interface PreparedMessage {
  readonly kind: number;
  readonly codec: number;
  readonly header: Uint8Array;
  readonly value: Uint8Array;
  readonly valueBytes: number;
  readonly valueCrc: number;
}

/** A row of `messages`; `value` only where it was selected. */
export interface MessageRow {
  readonly id: number;
  readonly kind: number;
  readonly codec: number;
  readonly appended_at_ms: number;
  readonly value_bytes: number;
  readonly head_crc: number;
  readonly value_crc: number;
  readonly header: Uint8Array;
  readonly value?: Uint8Array;
}

export function messageId(number: number, offset: number): number {
  return number * OFFSETS_A_PARTITION + offset;
}

export function prepareMessage(message: OutgoingMessage): PreparedMessage {
  const kind = MESSAGE_KINDS.indexOf(message.kind);
  assert(kind >= 0, `unknown message kind '${message.kind}'`);
  const valueBytes = message.value.length;
  const compressed = valueBytes >= COMPRESS_BYTES_MIN ? compress(message.value) : undefined;
  const isSmaller = compressed !== undefined && compressed.length < valueBytes;
  const value = isSmaller ? compressed : message.value;
  return {
    kind,
    codec: isSmaller ? CODEC_ZSTD : CODEC_RAW,
    header: message.header,
    value,
    valueBytes,
    valueCrc: crc32(value),
  };
}

function compress(value: Uint8Array): Uint8Array {
  return zstdCompressSync(value, {
    chunkSize: Math.max(COMPRESS_BYTES_MIN, Math.ceil(value.length / DEFLATED_PARTS)),
    params: { [constants.ZSTD_c_compressionLevel]: 1 },
  });
}

export function storedBytes(message: PreparedMessage): number {
  return message.header.length + message.value.length;
}

/** Sum of everything but the value, whose own sum it covers. */
export function headCrc(id: number, appendedAtMs: number, message: Omit<PreparedMessage, 'value'>): number {
  const fields = `${id} ${message.kind} ${message.codec} ${appendedAtMs} ${message.valueBytes} ${message.valueCrc}`;
  return crc32(message.header, crc32(fields));
}

/** The message of a row; one that does not match its sums comes empty, with `damaged` set. */
export function readMessage(row: MessageRow): Message {
  const envelope = { offset: row.id % OFFSETS_A_PARTITION, appendedAtMs: row.appended_at_ms };
  const damaged = (why: string): Message => {
    const kind: MessageKind = MESSAGE_KINDS[row.kind] ?? 'control';
    return { ...envelope, kind, header: EMPTY, value: EMPTY, damaged: why };
  };
  const head = { ...row, valueBytes: row.value_bytes, valueCrc: row.value_crc };
  if (headCrc(row.id, row.appended_at_ms, head) !== row.head_crc)
    return damaged('its header does not match its checksum');
  const kind = present(MESSAGE_KINDS[row.kind], `message kind ${row.kind} with a right checksum`);
  if (row.value === undefined) return { ...envelope, kind, header: row.header, value: EMPTY };
  if (crc32(row.value) !== row.value_crc) return damaged('its value does not match its checksum');
  try {
    return { ...envelope, kind, header: row.header, value: plainValue(row.codec, row.value, row.value_bytes) };
  } catch (error) {
    return damaged(`its value cannot be decompressed: ${describeError(error)}`);
  }
}

function plainValue(codec: number, stored: Uint8Array, valueBytes: number): Uint8Array {
  if (codec === CODEC_RAW) return stored;
  return zstdDecompressSync(stored, { chunkSize: valueBytes + CHUNK_SLACK_BYTES, maxOutputLength: valueBytes });
}
