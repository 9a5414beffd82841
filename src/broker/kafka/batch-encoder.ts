import { promisify } from 'node:util';
import { constants, gzip, zstdCompress } from 'node:zlib';
import { crc32c } from './crc32c.ts';
import type { BatchStamp } from './fenced-producer.ts';
import { BATCH_HEAD_BYTES, type KafkaRecord } from './record-batch.ts';
import { CODECS } from './wire/compression.ts';

/** Holds the largest append of an agent, eight blocks, with their headers. */
const SCRATCH_BYTES = 4 * 1024 * 1024 + 256 * 1024;
/** Batches that are compressed at the same time in memory that is used again; more of them take their own. Kept for as long as the log. */
const SCRATCHES_MAX = 2;
/** Smaller batches are beats and cursors, for which a process needs no such memory. */
const SCRATCH_FROM_BYTES = 64 * 1024;

/** Smaller than this a frame costs more than it saves. */
const COMPRESS_BYTES_MIN = 128;
/** Logs come out at a tenth: room for an eighth is one piece for most, and little that is made for nothing. Many small pieces cost more. */
const DEFLATED_PARTS = 8;
const DEFLATED_PIECE_BYTES_MIN = 64 * 1024;
/** Level 1 compresses log lines to within a tenth of level 3, at 500 MB/s. */
const ZSTD_OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

const LENGTH_AT = 8;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const MAGIC = 2;
/** Of who writes without a stamp: duplicates are the readers' business then. */
const NO_STAMP: BatchStamp = { producerId: -1n, producerEpoch: -1, baseSequence: -1 };

const compressZstd = promisify(zstdCompress);
const compressGzip = promisify(gzip);

/** How a batch is compressed: zstd, or gzip where clients of others must read it. */
export type BatchCodec = 'zstd' | 'gzip';

/**
 * Encodes the batches of a log. Their plain records pass through memory that is used again: made anew for each, half of an agent's garbage
 * was that, and node's collector marks the whole heap for every 64 MiB of it.
 */
export class BatchEncoder {
  readonly #codec: BatchCodec;
  readonly #free: Buffer[] = [];
  #made = 0;

  constructor(codec: BatchCodec = 'zstd') {
    this.#codec = codec;
  }

  /** `bytes` is about the size of the records. */
  async encode(
    records: readonly KafkaRecord[],
    bytes: number,
    timestampMs: number,
    stamp?: BatchStamp,
  ): Promise<Buffer> {
    const scratch = bytes < SCRATCH_FROM_BYTES ? undefined : this.#take();
    try {
      return await encodeBatch(records, timestampMs, this.#codec, scratch, stamp);
    } finally {
      if (scratch !== undefined) this.#free.push(scratch);
    }
  }

  #take(): Buffer | undefined {
    const free = this.#free.pop();
    if (free !== undefined || this.#made >= SCRATCHES_MAX) return free;
    this.#made += 1;
    return Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  }
}

/**
 * The batch of some records, in order; its offsets and time are given by the broker. Compresses on the thread pool. `scratch` holds the
 * plain records meanwhile, if they fit.
 */
export async function encodeBatch(
  records: readonly KafkaRecord[],
  timestampMs: number,
  codec: BatchCodec = 'zstd',
  scratch?: Buffer,
  { producerId, producerEpoch, baseSequence }: BatchStamp = NO_STAMP,
): Promise<Buffer> {
  const plain = encodeRecords(records, scratch);
  const isCompressed = plain.length >= COMPRESS_BYTES_MIN;
  const body = isCompressed ? await deflate(plain, codec) : plain;
  const batch = Buffer.allocUnsafe(BATCH_HEAD_BYTES + body.length);
  batch.fill(0, 0, BATCH_HEAD_BYTES);
  batch.writeInt32BE(batch.length - LENGTH_AT - 4, LENGTH_AT);
  batch.writeInt32BE(-1, 12);
  batch.writeInt8(MAGIC, 16);
  batch.writeInt16BE(isCompressed ? CODECS[codec] : CODECS.none, ATTRIBUTES_AT);
  batch.writeInt32BE(records.length - 1, 23);
  batch.writeBigInt64BE(BigInt(Math.trunc(timestampMs)), 27);
  batch.writeBigInt64BE(BigInt(Math.trunc(timestampMs)), 35);
  batch.writeBigInt64BE(producerId, 43);
  batch.writeInt16BE(producerEpoch, 51);
  batch.writeInt32BE(baseSequence, 53);
  batch.writeInt32BE(records.length, 57);
  batch.set(body, BATCH_HEAD_BYTES);
  batch.writeUInt32BE(crc32c(batch.subarray(ATTRIBUTES_AT)), CRC_AT);
  return batch;
}

function deflate(plain: Buffer, codec: BatchCodec): Promise<Buffer> {
  const chunkSize = Math.max(DEFLATED_PIECE_BYTES_MIN, Math.ceil(plain.length / DEFLATED_PARTS));
  if (codec === 'gzip') return compressGzip(plain, { chunkSize });
  // A frame that says its size is unpacked in one piece, by us and by clients of others.
  return compressZstd(plain, { ...ZSTD_OPTIONS, chunkSize, pledgedSrcSize: plain.length });
}

function encodeRecords(records: readonly KafkaRecord[], scratch: Buffer | undefined): Buffer {
  const bodies = records.map((record, i) => bodyBytes(record, i));
  const total = bodies.reduce((sum, body) => sum + body + varintBytes(body), 0);
  const fits = scratch !== undefined && scratch.length >= total;
  const writer = new RecordWriter(fits ? scratch.subarray(0, total) : Buffer.allocUnsafe(total));
  for (const [i, { key, value, headers }] of records.entries()) {
    writer.varint(bodies[i]!);
    // Attributes and time delta.
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

/** Into memory of the right size. */
class RecordWriter {
  readonly buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }

  zero(): void {
    this.buffer[this.#at++] = 0;
  }

  /** Zigzag, of a number that is not negative. */
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
