/**
 * Kafka's record batch, version 2 (kafka.apache.org/documentation/#recordbatch), read here because kafkajs reads every batch of an answer at
 * once, makes objects of every record, and does not look at checksums. `batch-encoder.ts` writes them.
 */
import { crc32c } from './crc32c.ts';
import { UNPACKED_BYTES_MAX, decompress, decompressAside } from './wire/compression.ts';

export interface KafkaRecord {
  /** Null where there is none. */
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /** Names and values, in the order of the record; a name may come twice. */
  readonly headers: ReadonlyArray<readonly [name: string, value: Uint8Array | null]>;
}

export interface StoredRecord extends KafkaRecord {
  readonly offset: number;
  /** The broker's clock where the topic says LogAppendTime, else the producer's. Milliseconds. */
  readonly timestampMs: number;
}

/** Base offset (8 bytes) and length (4): what stands before the bytes the length counts. */
const OVERHEAD_BYTES = 12;
/** Where the records begin. */
export const BATCH_HEAD_BYTES = 61;
/** Of the formats before, which are named where they are met: with the byte that says which it is. */
const MESSAGE_BYTES_MIN = 17;
const MAGIC_AT = 16;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const MAGIC = 2;

const CODEC_BITS = 0x07;
const LOG_APPEND_TIME_BIT = 0x08;
const TRANSACTIONAL_BIT = 0x10;
const CONTROL_BIT = 0x20;

/** What a batch of our own topics may grow to when it is unpacked: a bound against a bomb, far above the largest append of ours. */
const OWN_UNPACKED_BYTES_MAX = 4 * UNPACKED_BYTES_MAX;
/** Each is some objects here, and may be seven bytes there: what writers of ours put in one batch is a thousandth of it. */
const RECORDS_MAX = 100_000;

/** A record batch as it stands in an answer: its head, of which {@link checkBatch} says whether it is true, and its records, perhaps packed. */
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
  /** All of it, head and records. */
  readonly bytes: Buffer;
  /** Length of the whole batch in the bytes it was read from. */
  readonly sizeBytes: number;
}

type BatchPlace = Pick<RecordBatch, 'baseOffset' | 'nextOffset' | 'sizeBytes'>;

/** A batch that cannot be read, whose place and length are known: who reads on knows where. */
export class DamagedBatch extends RangeError {
  readonly reason: string;
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly sizeBytes: number;

  constructor(reason: string, { baseOffset, nextOffset, sizeBytes }: BatchPlace) {
    super(`batch at offset ${baseOffset}: ${reason}`);
    this.reason = reason;
    this.baseOffset = baseOffset;
    this.nextOffset = nextOffset;
    this.sizeBytes = sizeBytes;
  }

  /** Else its offsets are what is wrong with it. */
  get isPlaceKnown(): boolean {
    return this.baseOffset !== NOWHERE;
  }
}

const NOWHERE = -1;

/** A batch whose offsets are those of no batch; `sizeBytes` is what is left of the answer from it on, none of which can be trusted. */
export function damagedPlace(reason: string, sizeBytes: number): DamagedBatch {
  return new DamagedBatch(reason, { baseOffset: NOWHERE, nextOffset: NOWHERE, sizeBytes });
}

/**
 * The batch that begins at `at`, or undefined where the bytes end before it does: brokers cut the last one of an answer anywhere. Throws a
 * {@link DamagedBatch} for a length or offsets that no batch has; nothing else is checked yet.
 */
export function batchAt(bytes: Buffer, at: number): RecordBatch | undefined {
  if (at + BATCH_HEAD_BYTES > bytes.length) return undefined;
  const sizeBytes = OVERHEAD_BYTES + bytes.readInt32BE(at + 8);
  if (at + sizeBytes > bytes.length) return undefined;
  const baseOffset = i64(bytes, at);
  const isKnown = bytes.readInt8(at + MAGIC_AT) === MAGIC;
  // What is wrong with it may be its length, too: reading on one offset further makes progress whatever it is.
  const nextOffset = baseOffset + Math.max(0, isKnown ? bytes.readInt32BE(at + 23) : 0) + 1;
  const left = bytes.length - at;
  if (!(baseOffset >= 0 && Number.isSafeInteger(nextOffset))) throw damagedPlace(`an offset of ${baseOffset}`, left);
  // Where the next one begins is not known then, and nothing that follows can be read.
  if (sizeBytes < (isKnown ? BATCH_HEAD_BYTES : MESSAGE_BYTES_MIN))
    throw new DamagedBatch(`a length of ${sizeBytes} bytes`, { baseOffset, nextOffset, sizeBytes: left });
  const attributes = bytes.readInt16BE(at + ATTRIBUTES_AT);
  return {
    baseOffset,
    nextOffset,
    sizeBytes,
    isControl: (attributes & CONTROL_BIT) !== 0,
    isTransactional: (attributes & TRANSACTIONAL_BIT) !== 0,
    codec: attributes & CODEC_BITS,
    baseTimestampMs: i64(bytes, at + 27),
    appendedAtMs: (attributes & LOG_APPEND_TIME_BIT) === 0 ? undefined : i64(bytes, at + 35),
    producerId: i64(bytes, at + 43),
    count: bytes.readInt32BE(at + 57),
    bytes: bytes.subarray(at, at + sizeBytes),
  };
}

/** Throws a {@link DamagedBatch} where its format is not this one, its checksum is wrong, or it counts fewer than no records. */
export function checkBatch(batch: RecordBatch): void {
  const { bytes, count } = batch;
  const magic = bytes.readInt8(MAGIC_AT);
  if (magic !== MAGIC) throw new DamagedBatch(`message format ${magic}, which Kafka gave up with version 4`, batch);
  if (crc32c(bytes.subarray(ATTRIBUTES_AT)) !== bytes.readUInt32BE(CRC_AT))
    throw new DamagedBatch('its bytes do not match their checksum', batch);
  if (count < 0) throw new DamagedBatch(`${count} records`, batch);
}

/** The batches of a record set, unchecked; a cut one at its end is left out, as the protocol has it. Throws as {@link batchAt}. */
export function* batchesOf(recordSet: Buffer): Generator<RecordBatch> {
  for (let at = 0; ;) {
    const batch = batchAt(recordSet, at);
    if (batch === undefined) return;
    yield batch;
    at += batch.sizeBytes;
  }
}

/**
 * The batches, unchecked, of a record set that was fetched from an offset on. Throws a RangeError unless it is empty or brings a reader
 * further: it would be asked for again at once, for ever. Brokers answer with the batch that an offset is in, whole however large it is,
 * and those behind it.
 */
export function batchesFrom(recordSet: Buffer, from: number): readonly RecordBatch[] {
  const batches = [...batchesOf(recordSet)];
  let next = 0;
  for (const { baseOffset, nextOffset } of batches) {
    if (baseOffset < next) throw new RangeError(`a batch at offset ${baseOffset} behind ${next - 1}`);
    next = nextOffset;
  }
  if (recordSet.length > 0 && next <= from)
    throw new RangeError(`records up to ${next - 1}, asked for from ${from} on`);
  return batches;
}

/** The records of a batch of our own topics, checked, and unpacked on the thread pool; what is wrong with its bytes is returned, not thrown. */
export async function recordsOf(batch: RecordBatch): Promise<readonly StoredRecord[] | DamagedBatch> {
  const cursor = new RecordCursor();
  try {
    checkBatch(batch);
    if (batch.count > RECORDS_MAX) throw new DamagedBatch(`${batch.count} records in one batch`, batch);
    cursor.open(batch, await unpacked(batch));
    const records: StoredRecord[] = [];
    while (cursor.next()) records.push(cursor.record());
    return records;
  } catch (error) {
    if (error instanceof DamagedBatch) return error;
    throw error;
  }
}

async function unpacked(batch: RecordBatch): Promise<Buffer> {
  try {
    return await decompressAside(batch.codec, batch.bytes.subarray(BATCH_HEAD_BYTES), OWN_UNPACKED_BYTES_MAX);
  } catch (error) {
    throw unpackable(error, batch);
  }
}

function unpackable(error: unknown, batch: RecordBatch): DamagedBatch {
  return new DamagedBatch(error instanceof Error ? error.message : String(error), batch);
}

const NO_HEADERS: KafkaRecord['headers'] = [];

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

  /** Stands before the first record of a checked batch, whose records are unpacked here if they are not given. Throws a {@link DamagedBatch}. */
  open(batch: RecordBatch, records?: Buffer): void {
    this.#left = 0;
    try {
      this.bytes = records ?? decompress(batch.codec, batch.bytes.subarray(BATCH_HEAD_BYTES));
    } catch (error) {
      throw unpackable(error, batch);
    }
    this.#batch = batch;
    this.#left = batch.count;
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
    if (this.#at !== end || this.offset < batch.baseOffset || this.offset >= batch.nextOffset) this.#damaged(batch);
    return true;
  }

  /** The record it stands on as an object, whose bytes are views of the batch's. */
  record(): StoredRecord {
    const { offset, timestampMs } = this;
    const key = this.#view(this.keyStart, this.keyLength);
    const value = this.#view(this.valueStart, this.valueLength);
    if (this.headers === 0) return { offset, timestampMs, key, value, headers: NO_HEADERS };
    const headers: Array<readonly [string, Uint8Array | null]> = [];
    this.eachHeader((nameStart, nameLength, start, length) => {
      headers.push([this.bytes.toString('utf8', nameStart, nameStart + nameLength), this.#view(start, length)]);
    });
    return { offset, timestampMs, key, value, headers };
  }

  #view(start: number, length: number): Uint8Array | null {
    return length < 0 ? null : new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + start, length);
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
