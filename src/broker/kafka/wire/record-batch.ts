import { decompress } from './compression.ts';
import { crc32c } from '../crc32c.ts';

/** Base offset (8 bytes) and length (4): what stands before the bytes the length counts. */
const OVERHEAD_BYTES = 12;
/** Where the records begin. */
const HEAD_BYTES = 61;
/** Of the formats before, which are named where they are met: with the byte that says which it is. */
const MESSAGE_BYTES_MIN = 17;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const MAGIC = 2;

const CODEC_BITS = 0x07;
const LOG_APPEND_TIME_BIT = 0x08;
const TRANSACTIONAL_BIT = 0x10;
const CONTROL_BIT = 0x20;

/** The head of a record batch (KIP-98, format 2), with its records as they came: perhaps packed. */
export interface RecordBatch {
  readonly baseOffset: number;
  /** One past the last offset it covers; records of its own may lack there. */
  readonly nextOffset: number;
  /** Holds a marker of a transaction's end and no records. */
  readonly isControl: boolean;
  readonly isTransactional: boolean;
  readonly producerId: number;
  readonly codec: number;
  readonly count: number;
  readonly baseTimestampMs: number;
  /** Of all its records, where the broker's clock counts and not the producers'. */
  readonly appendedAtMs: number | undefined;
  readonly packed: Buffer;
  /** Length of the whole batch in the bytes it was read from. */
  readonly sizeBytes: number;
}

/** A batch that cannot be read, whose place and length are known: who reads on knows where. */
export class DamagedBatch extends RangeError {
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly sizeBytes: number;

  constructor(message: string, batch: Pick<RecordBatch, 'baseOffset' | 'nextOffset' | 'sizeBytes'>) {
    super(`batch at offset ${batch.baseOffset}: ${message}`);
    this.baseOffset = batch.baseOffset;
    this.nextOffset = batch.nextOffset;
    this.sizeBytes = batch.sizeBytes;
  }

  /** Else its offsets are what is wrong with it. */
  get isPlaceKnown(): boolean {
    return this.baseOffset !== NOWHERE;
  }
}

const NOWHERE = -1;

/** A batch whose offsets are those of no batch; `sizeBytes` is what is left of the answer from it on, none of which can be trusted. */
export function damagedPlace(message: string, sizeBytes: number): DamagedBatch {
  return new DamagedBatch(message, { baseOffset: NOWHERE, nextOffset: NOWHERE, sizeBytes });
}

/**
 * The batch that begins at `at`, or undefined where the bytes end before it does: brokers cut the last one of an answer anywhere.
 * Throws a {@link DamagedBatch} where its checksum is wrong or its format is not this one.
 */
export function readBatch(bytes: Buffer, at: number): RecordBatch | undefined {
  if (at + HEAD_BYTES > bytes.length) return undefined;
  const sizeBytes = OVERHEAD_BYTES + bytes.readInt32BE(at + 8);
  if (at + sizeBytes > bytes.length) return undefined;
  const baseOffset = i64(bytes, at);
  const magic = bytes.readInt8(at + 16);
  // What is wrong with it may be its length, too: reading on one offset further makes progress whatever it is.
  const nextOffset = magic === MAGIC ? baseOffset + bytes.readInt32BE(at + 23) + 1 : baseOffset + 1;
  const place = { baseOffset, nextOffset: Math.max(nextOffset, baseOffset + 1), sizeBytes };
  // Where the next one begins is not known then, and nothing that follows can be read.
  const rest = { ...place, sizeBytes: bytes.length - at };
  if (!(baseOffset >= 0 && place.nextOffset > baseOffset && Number.isSafeInteger(place.nextOffset)))
    throw damagedPlace(`an offset of ${baseOffset}`, rest.sizeBytes);
  if (sizeBytes < MESSAGE_BYTES_MIN) throw new DamagedBatch(`a length of ${sizeBytes} bytes`, rest);
  if (magic !== MAGIC) throw new DamagedBatch(`message format ${magic}, which Kafka gave up with version 4`, place);
  if (sizeBytes < HEAD_BYTES) throw new DamagedBatch(`a length of ${sizeBytes} bytes`, rest);
  if (crc32c(bytes.subarray(at + ATTRIBUTES_AT, at + sizeBytes)) !== bytes.readUInt32BE(at + CRC_AT))
    throw new DamagedBatch('its bytes do not match their checksum', place);
  const attributes = bytes.readInt16BE(at + ATTRIBUTES_AT);
  return {
    ...place,
    isControl: (attributes & CONTROL_BIT) !== 0,
    isTransactional: (attributes & TRANSACTIONAL_BIT) !== 0,
    codec: attributes & CODEC_BITS,
    baseTimestampMs: i64(bytes, at + 27),
    appendedAtMs: (attributes & LOG_APPEND_TIME_BIT) === 0 ? undefined : i64(bytes, at + 35),
    producerId: i64(bytes, at + 43),
    count: bytes.readInt32BE(at + 57),
    packed: bytes.subarray(at + HEAD_BYTES, at + sizeBytes),
  };
}

/**
 * Goes over the records of a batch, one after the other, with nothing made for each: its fields speak of the record it stands on,
 * and keys, values and headers are places in `bytes`.
 */
export class RecordCursor {
  bytes: Buffer = Buffer.alloc(0);
  offset = -1;
  timestampMs = 0;
  keyStart = 0;
  /** −1 where there is none. */
  keyLength = -1;
  valueStart = 0;
  /** −1 for a tombstone. */
  valueLength = -1;
  headers = 0;
  headersStart = 0;
  #at = 0;
  #left = 0;
  #batch: RecordBatch | undefined;

  /** Unpacks the batch and stands before its first record. Throws a {@link DamagedBatch}. */
  open(batch: RecordBatch): void {
    this.#left = 0;
    try {
      this.bytes = decompress(batch.codec, batch.packed);
    } catch (error) {
      throw new DamagedBatch(error instanceof Error ? error.message : String(error), batch);
    }
    this.#batch = batch;
    this.#left = Math.max(0, batch.count);
    this.#at = 0;
  }

  /** Goes to the next record; false behind the last. Throws a {@link DamagedBatch}. */
  next(): boolean {
    const batch = this.#batch;
    if (batch === undefined || this.#left === 0) return false;
    this.#left -= 1;
    const length = this.#varint();
    const end = this.#at + length;
    if (length < 0 || end > this.bytes.length) this.#damaged(batch);
    this.#at += 1; // attributes, all unused
    const timestampDeltaMs = this.#varint();
    this.timestampMs = batch.appendedAtMs ?? batch.baseTimestampMs + timestampDeltaMs;
    this.offset = batch.baseOffset + this.#varint();
    this.keyLength = this.#varint();
    this.keyStart = this.#at;
    this.#at += Math.max(0, this.keyLength);
    this.valueLength = this.#varint();
    this.valueStart = this.#at;
    this.#at += Math.max(0, this.valueLength);
    this.headers = this.#varint();
    this.headersStart = this.#at;
    if (this.headers !== 0) this.#passHeaders(batch, end);
    if (this.#at > end || this.offset < batch.baseOffset || this.offset >= batch.nextOffset) this.#damaged(batch);
    this.#at = end;
    return true;
  }

  /** So that who goes over them finds each where it is said to be. */
  #passHeaders(batch: RecordBatch, end: number): void {
    if (this.headers < 0) this.#damaged(batch);
    for (let left = this.headers; left > 0; left--) {
      for (const isName of [true, false]) {
        const length = this.#varint();
        if (isName && length < 0) this.#damaged(batch);
        this.#at += Math.max(0, length);
        if (!(this.#at <= end)) this.#damaged(batch);
      }
    }
  }

  /** Calls `take` with the places of each header's name and value (length −1 for none) of the record it stands on. */
  eachHeader(take: (nameStart: number, nameLength: number, valueStart: number, valueLength: number) => void): void {
    const resumeAt = this.#at;
    this.#at = this.headersStart;
    for (let i = 0; i < this.headers; i++) {
      const nameLength = this.#varint();
      const nameStart = this.#at;
      this.#at += nameLength;
      const valueLength = this.#varint();
      const valueStart = this.#at;
      this.#at += Math.max(0, valueLength);
      take(nameStart, nameLength, valueStart, valueLength);
    }
    this.#at = resumeAt;
  }

  /** A zigzag varint of up to 64 bits; beyond 32 it goes on in floating point, exact below 2^53. */
  #varint(): number {
    const { bytes } = this;
    let byte = bytes[this.#at++]!;
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    let value = byte & 0x7f;
    let scale = 0x80;
    for (let i = 0; i < 9; i++) {
      byte = bytes[this.#at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      scale *= 0x80;
    }
    // Also where the bytes have ended: undefined is below nothing.
    this.#left = 0;
    throw new DamagedBatch('a number of more than ten bytes', this.#batch!);
  }

  /** What follows a damaged record begins nobody knows where. */
  #damaged(batch: RecordBatch): never {
    this.#left = 0;
    throw new DamagedBatch('a record reaches beyond its bounds', batch);
  }
}

/** Whether the marker in a control batch says that its transaction was given up. */
export function isAbortMarker(batch: RecordBatch): boolean {
  const cursor = new RecordCursor();
  cursor.open(batch);
  if (!cursor.next() || cursor.keyLength < 4) return false;
  // Key: a version and the type, 16 bits each; 0 is an abort.
  return cursor.bytes.readInt16BE(cursor.keyStart + 2) === 0;
}

function i64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 0x100000000 + bytes.readUInt32BE(at + 4);
}
