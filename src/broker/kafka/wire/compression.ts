import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { decompressLz4 } from './lz4.ts';
import { decompressSnappy } from './snappy.ts';

/** A batch is at most this long when it is unpacked: brokers' default limit is 1 MiB packed, and a bomb must not take the memory. */
export const UNPACKED_BYTES_MAX = 64 * 1024 * 1024;

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
      return zstdDecompressSync(bytes, { maxOutputLength: UNPACKED_BYTES_MAX });
    default:
      throw new RangeError(`compression codec ${codec}, which no Kafka has`);
  }
}
