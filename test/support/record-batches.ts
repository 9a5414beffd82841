// Record batches as a producer or a broker writes them, made by code that shares nothing with what reads them but the checksum.
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { crc32c } from '../../src/broker/kafka/crc32c.ts';

export interface SampleRecord {
  readonly offset: number;
  readonly value: Uint8Array | string | null;
  readonly key?: Uint8Array | string | null;
  readonly headers?: readonly (readonly [name: string, value: string | null])[];
  readonly timestampMs?: number;
}

export interface SampleBatch {
  readonly records: readonly SampleRecord[];
  readonly codec?: 'none' | 'gzip' | 'zstd';
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
  readonly producerId?: number;
  /** Of all records, where the broker's clock counts. */
  readonly appendedAtMs?: number;
  /** Beyond the last record: compaction has taken those behind it. */
  readonly lastOffset?: number;
}

const CODECS = { none: 0, gzip: 1, zstd: 4 } as const;

export function encodeBatch(batch: SampleBatch): Buffer {
  const { records, codec = 'none', isTransactional = false, isControl = false, producerId = -1, appendedAtMs } = batch;
  const baseOffset = records[0]!.offset;
  const baseMs = records[0]!.timestampMs ?? 0;
  const plain = Buffer.concat(records.map((record) => encodeRecord(record, baseOffset, baseMs)));
  const packed = codec === 'gzip' ? gzipSync(plain) : codec === 'zstd' ? zstdCompressSync(plain) : plain;
  const head = Buffer.alloc(61);
  head.writeBigInt64BE(BigInt(baseOffset), 0);
  head.writeInt32BE(61 - 12 + packed.length, 8);
  head.writeInt8(2, 16);
  const clock = appendedAtMs === undefined ? 0 : 8;
  head.writeInt16BE(CODECS[codec] | clock | (isTransactional ? 16 : 0) | (isControl ? 32 : 0), 21);
  head.writeInt32BE((batch.lastOffset ?? records.at(-1)!.offset) - baseOffset, 23);
  head.writeBigInt64BE(BigInt(baseMs), 27);
  head.writeBigInt64BE(BigInt(appendedAtMs ?? baseMs), 35);
  head.writeBigInt64BE(BigInt(producerId), 43);
  head.writeInt16BE(-1, 51);
  head.writeInt32BE(-1, 53);
  head.writeInt32BE(records.length, 57);
  const bytes = Buffer.concat([head, packed]);
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return bytes;
}

/** The end of a transaction. */
export function encodeMarker(offset: number, producerId: number, isAbort: boolean): Buffer {
  const key = Buffer.from([0, 0, 0, isAbort ? 0 : 1]);
  return encodeBatch({
    records: [{ offset, key, value: Buffer.alloc(6) }],
    isControl: true,
    isTransactional: true,
    producerId,
  });
}

function encodeRecord(
  { offset, value, key = null, headers = [], timestampMs = 0 }: SampleRecord,
  baseOffset: number,
  baseMs: number,
): Buffer {
  const body = Buffer.concat([
    Buffer.from([0]),
    zigzag(timestampMs - baseMs),
    zigzag(offset - baseOffset),
    sized(key),
    sized(value),
    zigzag(headers.length),
    ...headers.flatMap(([name, text]) => [sized(name), sized(text)]),
  ]);
  return Buffer.concat([zigzag(body.length), body]);
}

function sized(bytes: Uint8Array | string | null): Buffer {
  if (bytes === null) return zigzag(-1);
  const given = Buffer.from(bytes as string);
  return Buffer.concat([zigzag(given.length), given]);
}

function zigzag(value: number): Buffer {
  let rest = value < 0 ? BigInt(value) * -2n - 1n : BigInt(value) * 2n;
  const bytes: number[] = [];
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}
