import { promisify } from 'node:util';
import { gunzip, gunzipSync, zstdDecompress, zstdDecompressSync } from 'node:zlib';
import { decompressLz4 } from './lz4.ts';
import { decompressSnappy } from './snappy.ts';

/** A batch is at most this long when it is unpacked: brokers' default limit is 1 MiB packed, and a bomb must not take the memory. */
export const UNPACKED_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Each piece of output costs: on the thread pool a journey there and back, and with node's 16 KiB a batch of 4 MiB took four times the CPU. A
 * zstd frame that says its size comes in one piece.
 */
const PIECE_BYTES = 1024 * 1024;
const ZSTD_MAGIC = 0xfd2fb528;
const ZSTD_HEAD_BYTES_MAX = 14;
/** So that a full piece is not taken for one that needs another behind it. */
const PIECE_ROOM_BYTES = 64;

/** Numbers of the codecs in a batch's attributes. */
export const CODECS = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;

const gunzipAside = promisify(gunzip);
const zstdDecompressAside = promisify(zstdDecompress);

/** Unpacks the records of a batch by the codec number of its attributes. Throws a RangeError or a zlib error where they are damaged. */
export function decompress(codec: number, bytes: Buffer): Buffer {
  switch (codec) {
    case CODECS.none:
      return bytes;
    case CODECS.gzip:
      return gunzipSync(bytes, { maxOutputLength: UNPACKED_BYTES_MAX });
    case CODECS.snappy:
      return decompressSnappy(bytes, UNPACKED_BYTES_MAX);
    case CODECS.lz4:
      return decompressLz4(bytes, UNPACKED_BYTES_MAX);
    case CODECS.zstd:
      return zstdDecompressSync(bytes, { maxOutputLength: UNPACKED_BYTES_MAX, chunkSize: zstdPieceBytes(bytes) });
    default:
      throw new RangeError(`compression codec ${codec}, which no Kafka has`);
  }
}

/** As {@link decompress}, but on the thread pool and up to `bytesMax`: large batches of ours, which are packed by zstd or gzip. */
export async function decompressAside(codec: number, bytes: Buffer, bytesMax: number): Promise<Buffer> {
  switch (codec) {
    case CODECS.gzip:
      return gunzipAside(bytes, { maxOutputLength: bytesMax, chunkSize: PIECE_BYTES });
    case CODECS.zstd:
      return zstdDecompressAside(bytes, { maxOutputLength: bytesMax, chunkSize: zstdPieceBytes(bytes) });
    default:
      // A topic's own compression.type may have packed it again.
      return decompress(codec, bytes);
  }
}

/** Room for the content of a zstd frame, where its head (RFC 8878, 3.1.1.1) says a size within reason; else a piece. */
function zstdPieceBytes(frame: Buffer): number {
  if (frame.length < ZSTD_HEAD_BYTES_MAX || frame.readUInt32LE(0) !== ZSTD_MAGIC) return PIECE_BYTES;
  const descriptor = frame[4]!;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  const at = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes;
  const sizes = [isSingleSegment ? frame[at]! : PIECE_BYTES, frame.readUInt16LE(at) + 256, frame.readUInt32LE(at)];
  const size = sizes[descriptor >> 6] ?? PIECE_BYTES;
  return (size <= UNPACKED_BYTES_MAX ? size : PIECE_BYTES) + PIECE_ROOM_BYTES;
}
