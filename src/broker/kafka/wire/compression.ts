import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { decompressLz4 } from './lz4.ts';
import { decompressSnappy } from './snappy.ts';

/** A batch is at most this long when it is unpacked: brokers' default limit is 1 MiB packed, and a bomb must not take the memory. */
export const UNPACKED_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Each piece of output costs: on the thread pool a journey there and back, and with node's 16 KiB a batch of 4 MiB took four times the CPU. A
 * zstd frame that says its size comes in one piece.
 */
export const PIECE_BYTES = 1024 * 1024;
const ZSTD_MAGIC = 0xfd2fb528;
const ZSTD_HEAD_BYTES_MAX = 14;
/** So that a full piece is not taken for one that needs another behind it. */
const PIECE_ROOM_BYTES = 64;

const NAMES = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

/** Unpacks the records of a batch by the codec number of its attributes. Throws a RangeError or a zlib error where they are damaged. */
export function decompress(codec: number, bytes: Buffer): Buffer {
  switch (NAMES[codec]) {
    case 'none':
      return bytes;
    case 'gzip':
      return gunzipSync(bytes, { maxOutputLength: UNPACKED_BYTES_MAX });
    case 'snappy':
      return decompressSnappy(bytes, UNPACKED_BYTES_MAX);
    case 'lz4':
      return decompressLz4(bytes, UNPACKED_BYTES_MAX);
    case 'zstd':
      return zstdDecompressSync(bytes, { maxOutputLength: UNPACKED_BYTES_MAX, chunkSize: zstdPieceBytes(bytes) });
    default:
      throw new RangeError(`compression codec ${codec}, which no Kafka has`);
  }
}

/** Room for the content of a zstd frame, where its head (RFC 8878, 3.1.1.1) says a size within reason; else a piece. */
export function zstdPieceBytes(frame: Buffer): number {
  if (frame.length < ZSTD_HEAD_BYTES_MAX || frame.readUInt32LE(0) !== ZSTD_MAGIC) return PIECE_BYTES;
  const descriptor = frame[4]!;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  const at = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes;
  const sizes = [isSingleSegment ? frame[at]! : PIECE_BYTES, frame.readUInt16LE(at) + 256, frame.readUInt32LE(at)];
  const size = sizes[descriptor >> 6] ?? PIECE_BYTES;
  return (size <= UNPACKED_BYTES_MAX ? size : PIECE_BYTES) + PIECE_ROOM_BYTES;
}
