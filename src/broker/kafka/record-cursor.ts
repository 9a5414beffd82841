import {
  BATCH_HEAD_BYTES,
  DamagedBatch,
  type KafkaRecord,
  type RecordBatch,
  type StoredRecord,
  checkBatch,
} from './record-batch.ts';
import { UNPACKED_BYTES_MAX, decompress, decompressAside } from './wire/compression.ts';

/** What a batch of our own topics may grow to when it is unpacked: a bound against a bomb, far above the largest append of ours. */
const OWN_UNPACKED_BYTES_MAX = 4 * UNPACKED_BYTES_MAX;
/** Each is some objects here, and may be seven bytes there: what writers of ours put in one batch is a thousandth of it. */
const RECORDS_MAX = 100_000;

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
    throw new DamagedBatch('a record does not end where it says', batch);
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
