/**
 * Kafka's record batch, version 2 (kafka.apache.org/documentation/#recordbatch), written and read here because kafkajs reads every batch
 * of an answer at once, does not look at checksums, and cannot say how large a batch will be before it is sent.
 */
import { constants, gunzip, gzip, zstdCompress, zstdDecompress } from 'node:zlib';
import { promisify } from 'node:util';
import { crc32c } from './crc32c.ts';
import type { BatchStamp } from './fenced-producer.ts';
import { PIECE_BYTES, decompress, zstdPieceBytes } from './wire/compression.ts';

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

/** A batch as it stands in an answer: nothing of it is decompressed yet. */
export interface StoredBatch {
  readonly firstOffset: number;
  readonly lastOffset: number;
  /** Markers of transactions, which are no records. */
  readonly isControl: boolean;
  readonly bytes: Buffer;
}

/** Records of a batch, or why they cannot be read; bytes of the records decompressed. */
export type DecodedBatch =
  | { readonly records: readonly StoredRecord[]; readonly damaged: undefined }
  | { readonly records: undefined; readonly damaged: string };

const LOG_OVERHEAD = 12;
const AT_MAGIC = 16;
const AT_CRC = 17;
const AT_ATTRIBUTES = 21;
const AT_LAST_OFFSET_DELTA = 23;
const AT_FIRST_TIMESTAMP = 27;
const AT_MAX_TIMESTAMP = 35;
const AT_PRODUCER = 43;
const AT_COUNT = 57;
const AT_RECORDS = 61;
export const BATCH_OVERHEAD_BYTES = AT_RECORDS;

const MAGIC = 2;
const CODEC_MASK = 0x07;
const LOG_APPEND_TIME = 0x08;
const CONTROL = 0x20;
const CODEC = { none: 0, gzip: 1, zstd: 4 } as const;

/** What one batch may grow to when it is decompressed: a bound against a bomb, far above the largest append of ours. */
const INFLATED_BYTES_MAX = 256 * 1024 * 1024;
/** Each is some objects here, and may be seven bytes there: what writers of ours put in one batch is a thousandth of it. */
const RECORDS_MAX = 100_000;
/** Smaller than this a frame costs more than it saves. */
const COMPRESS_BYTES_MIN = 128;
/** Logs come out at a tenth: room for an eighth is one piece for most, and little that is made for nothing. Many small pieces cost more. */
const DEFLATED_PARTS = 8;
const DEFLATED_PIECE_BYTES_MIN = 64 * 1024;
/** Level 1 compresses log lines to within a tenth of level 3, at 500 MB/s. */
const ZSTD_OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

const compressZstd = promisify(zstdCompress);
const compressGzip = promisify(gzip);
const decompressZstd = promisify(zstdDecompress);
const decompressGzip = promisify(gunzip);

/** How a batch is compressed: zstd, or gzip where clients of others must read it. */
export type BatchCodec = 'zstd' | 'gzip';

/**
 * The batch of some records, in order; its offsets and time are given by the broker. Compresses on the thread pool. `scratch` holds the
 * plain records meanwhile, if they fit.
 */
export async function encodeBatch(
  records: readonly KafkaRecord[],
  timestampMs: number,
  codec: BatchCodec = 'zstd',
  scratch?: Buffer,
  stamp?: BatchStamp,
): Promise<Buffer> {
  const plain = encodeRecords(records, scratch);
  const isCompressed = plain.length >= COMPRESS_BYTES_MIN;
  const body = isCompressed ? await deflate(plain, codec) : plain;
  const batch = Buffer.allocUnsafe(AT_RECORDS + body.length);
  batch.writeBigInt64BE(0n, 0);
  batch.writeInt32BE(batch.length - LOG_OVERHEAD, 8);
  batch.writeInt32BE(-1, 12);
  batch.writeInt8(MAGIC, AT_MAGIC);
  batch.writeInt16BE(isCompressed ? CODEC[codec] : CODEC.none, AT_ATTRIBUTES);
  batch.writeInt32BE(records.length - 1, AT_LAST_OFFSET_DELTA);
  batch.writeBigInt64BE(BigInt(Math.trunc(timestampMs)), AT_FIRST_TIMESTAMP);
  batch.writeBigInt64BE(BigInt(Math.trunc(timestampMs)), AT_MAX_TIMESTAMP);
  if (stamp === undefined) {
    // No producer id, no sequence: duplicates are the readers' business.
    batch.fill(0xff, AT_PRODUCER, AT_COUNT);
  } else {
    batch.writeBigInt64BE(stamp.producerId, AT_PRODUCER);
    batch.writeInt16BE(stamp.producerEpoch, AT_PRODUCER + 8);
    batch.writeInt32BE(stamp.baseSequence, AT_PRODUCER + 10);
  }
  batch.writeInt32BE(records.length, AT_COUNT);
  batch.set(body, AT_RECORDS);
  batch.writeUInt32BE(crc32c(batch.subarray(AT_ATTRIBUTES)), AT_CRC);
  return batch;
}

function deflate(plain: Buffer, codec: BatchCodec): Promise<Buffer> {
  const chunkSize = Math.max(DEFLATED_PIECE_BYTES_MIN, Math.ceil(plain.length / DEFLATED_PARTS));
  if (codec === 'gzip') return compressGzip(plain, { chunkSize });
  // A frame that says its size is unpacked in one piece, by us and by clients of others.
  return compressZstd(plain, { ...ZSTD_OPTIONS, chunkSize, pledgedSrcSize: plain.length });
}

/** The whole batches of a record set; a cut one at its end is left out, as the protocol has it. Throws a RangeError for offsets that can be none. */
export function* batchesOf(recordSet: Buffer): Generator<StoredBatch> {
  for (let at = 0; at + AT_RECORDS <= recordSet.length;) {
    const end = at + LOG_OVERHEAD + recordSet.readInt32BE(at + 8);
    if (end > recordSet.length) return;
    if (end < at + AT_RECORDS) throw new RangeError(`a batch of ${end - at} bytes`);
    const bytes = recordSet.subarray(at, end);
    const firstOffset = Number(bytes.readBigInt64BE(0));
    // A count that is damaged is found when it is decoded; it has its first record all the same.
    const lastOffset = firstOffset + Math.max(0, bytes.readInt32BE(AT_LAST_OFFSET_DELTA));
    if (!(firstOffset >= 0 && Number.isSafeInteger(lastOffset)))
      throw new RangeError(`a batch at offset ${firstOffset}`);
    const isControl = (bytes.readInt16BE(AT_ATTRIBUTES) & CONTROL) !== 0;
    yield { firstOffset, lastOffset, isControl, bytes };
    at = end;
  }
}

/**
 * Throws a RangeError unless a record set, fetched from an offset on, is empty or brings a reader further: it would be asked for again at
 * once, for ever. Brokers answer with the batch that an offset is in, whole however large it is, and those behind it.
 */
export function checkProgress(recordSet: Buffer, from: number): void {
  let next = 0;
  for (const { firstOffset, lastOffset } of batchesOf(recordSet)) {
    if (firstOffset < next) throw new RangeError(`a batch at offset ${firstOffset} behind ${next - 1}`);
    next = lastOffset + 1;
  }
  if (recordSet.length > 0 && next <= from)
    throw new RangeError(`records up to ${next - 1}, asked for from ${from} on`);
}

/** Checks, decompresses and reads a batch. What is wrong with its bytes is in the answer, not thrown. */
export async function decodeBatch(batch: StoredBatch): Promise<DecodedBatch> {
  const { bytes } = batch;
  const magic = bytes.readInt8(AT_MAGIC);
  if (magic !== MAGIC) return damage(`a record batch of version ${magic}`);
  if (bytes.readUInt32BE(AT_CRC) !== crc32c(bytes.subarray(AT_ATTRIBUTES)))
    return damage('the checksum does not match');
  try {
    const plain = await inflate(bytes.readInt16BE(AT_ATTRIBUTES) & CODEC_MASK, bytes.subarray(AT_RECORDS));
    return { records: readRecords(batch, plain), damaged: undefined };
  } catch (error) {
    return damage(error instanceof Error ? error.message : String(error));
  }
}

function damage(damaged: string): DecodedBatch {
  return { records: undefined, damaged };
}

async function inflate(codec: number, body: Buffer): Promise<Buffer> {
  const options = { maxOutputLength: INFLATED_BYTES_MAX, chunkSize: PIECE_BYTES };
  switch (codec) {
    case CODEC.none:
      return body;
    case CODEC.zstd:
      return decompressZstd(body, { ...options, chunkSize: zstdPieceBytes(body) });
    case CODEC.gzip:
      return decompressGzip(body, options);
    default:
      // A topic's own compression.type may have packed it again.
      return decompress(codec, body);
  }
}

function readRecords(batch: StoredBatch, plain: Buffer): StoredRecord[] {
  const { bytes, firstOffset, lastOffset } = batch;
  const count = bytes.readInt32BE(AT_COUNT);
  if (count < 0 || count > RECORDS_MAX) throw new RangeError(`${count} records in one batch`);
  const isLogTime = (bytes.readInt16BE(AT_ATTRIBUTES) & LOG_APPEND_TIME) !== 0;
  const timestampMs = Number(bytes.readBigInt64BE(isLogTime ? AT_MAX_TIMESTAMP : AT_FIRST_TIMESTAMP));
  const reader = new RecordReader(plain);
  const records: StoredRecord[] = [];
  for (let i = 0; i < count; i++) {
    const end = reader.beginRecord();
    const timestampDelta = reader.varint();
    const offset = firstOffset + reader.varint();
    if (!(offset >= firstOffset && offset <= lastOffset)) throw new RangeError('a record is not of its batch');
    const key = reader.bytes();
    const value = reader.bytes();
    const headers = reader.headers();
    if (reader.at !== end) throw new RangeError('a record does not end where it says');
    records.push({ offset, timestampMs: isLogTime ? timestampMs : timestampMs + timestampDelta, key, value, headers });
  }
  return records;
}

const NO_HEADERS: KafkaRecord['headers'] = [];

/** Every read is of bytes of the record it stands in, or a RangeError: nobody else's bytes, and each but once. */
class RecordReader {
  readonly #bytes: Buffer;
  #end = 0;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Stands behind the record's attributes, all unused; returns where it ends. */
  beginRecord(): number {
    this.#end = this.#bytes.length;
    const length = this.varint();
    if (!(length >= 1 && this.at + length <= this.#bytes.length)) throw cutShort();
    this.#end = this.at + length;
    this.at++;
    return this.#end;
  }

  /** Zigzag. Ten bytes at most. */
  varint(): number {
    const bytes = this.#bytes;
    if (this.at >= this.#end) throw cutShort();
    const first = bytes[this.at]!;
    if (first < 0x80) {
      this.at++;
      return first & 1 ? -((first + 1) >>> 1) : first >>> 1;
    }
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      if (this.at >= this.#end) throw cutShort();
      const byte = bytes[this.at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
      scale *= 128;
    }
    throw new RangeError('a number is longer than ten bytes');
  }

  bytes(): Uint8Array | null {
    const length = this.varint();
    if (length < 0) return null;
    const start = this.#take(length);
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, length);
  }

  headers(): KafkaRecord['headers'] {
    const count = this.varint();
    if (count === 0) return NO_HEADERS;
    if (!(count > 0 && count <= this.#end - this.at)) throw cutShort();
    const headers: Array<readonly [string, Uint8Array | null]> = [];
    for (let i = 0; i < count; i++) {
      const length = this.varint();
      const start = this.#take(length);
      headers.push([this.#bytes.toString('utf8', start, start + length), this.bytes()]);
    }
    return headers;
  }

  #take(length: number): number {
    const start = this.at;
    if (!(length >= 0 && start + length <= this.#end)) throw cutShort();
    this.at = start + length;
    return start;
  }
}

function cutShort(): RangeError {
  return new RangeError('a record is cut short');
}

function encodeRecords(records: readonly KafkaRecord[], scratch: Buffer | undefined): Buffer {
  const bodies = records.map((record, i) => bodyBytes(record, i));
  const total = bodies.reduce((sum, body) => sum + body + varintBytes(body), 0);
  const fits = scratch !== undefined && scratch.length >= total;
  const writer = new RecordWriter(fits ? scratch.subarray(0, total) : Buffer.allocUnsafe(total));
  for (const [i, { key, value, headers }] of records.entries()) {
    writer.varint(bodies[i]!);
    writer.zero();
    writer.zero();
    writer.varint(i);
    writer.bytes(key);
    writer.bytes(value);
    writer.varint(headers.length);
    for (const [name, bytes] of headers) {
      writer.bytes(Buffer.from(name));
      writer.bytes(bytes);
    }
  }
  return writer.buffer;
}

/** Bytes of a record after its own length: attributes and time delta are one zero byte each. */
function bodyBytes({ key, value, headers }: KafkaRecord, index: number): number {
  let bytes = 2 + varintBytes(index) + runBytes(key) + runBytes(value) + varintBytes(headers.length);
  for (const [name, header] of headers) {
    const nameBytes = Buffer.byteLength(name);
    bytes += varintBytes(nameBytes) + nameBytes + runBytes(header);
  }
  return bytes;
}

function runBytes(bytes: Uint8Array | null): number {
  return bytes === null ? 1 : varintBytes(bytes.length) + bytes.length;
}

/** Of a zigzag number that is not negative. */
function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value * 2; rest >= 0x80; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

class RecordWriter {
  readonly buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }

  zero(): void {
    this.buffer[this.#at++] = 0;
  }

  varint(value: number): void {
    let rest = value * 2;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) this.buffer[this.#at++] = (rest % 128) | 0x80;
    this.buffer[this.#at++] = rest;
  }

  bytes(bytes: Uint8Array | null): void {
    if (bytes === null) {
      this.buffer[this.#at++] = 1;
      return;
    }
    this.varint(bytes.length);
    this.buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }
}
