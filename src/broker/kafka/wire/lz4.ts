import { copyWithin } from './snappy.ts';

const FRAME_MAGIC = 0x184d2204;
const HAS_DICTIONARY = 0x01;
const HAS_CONTENT_CHECKSUM = 0x04;
const HAS_CONTENT_SIZE = 0x08;
const HAS_BLOCK_CHECKSUM = 0x10;
/** The highest bit of a block's length: its bytes are as they are. */
const IS_PLAIN = 0x80000000;

/**
 * Unpacks an LZ4 frame (lz4_Frame_format.md 1.6), as all of Kafka's producers write it. Its xxHash checksums are not looked at: the record
 * batch around it has a CRC of its own.
 */
export function decompressLz4(bytes: Buffer, sizeBytesMax: number): Buffer {
  if (bytes.readUInt32LE(0) !== FRAME_MAGIC) throw new RangeError('lz4: not a frame');
  const flags = bytes.readUInt8(4);
  if ((flags & HAS_DICTIONARY) !== 0) throw new RangeError('lz4: a frame with a dictionary');
  const blockBytesMax = 1 << (8 + 2 * ((bytes.readUInt8(5) >>> 4) & 7));
  // Magic, two descriptor bytes, perhaps the size of the content, and the descriptor's checksum.
  let at = 7 + ((flags & HAS_CONTENT_SIZE) === 0 ? 0 : 8);
  const checksumBytes = (flags & HAS_BLOCK_CHECKSUM) === 0 ? 0 : 4;
  let out: Buffer = Buffer.allocUnsafe(Math.min(sizeBytesMax, Math.max(blockBytesMax, bytes.length * 4)));
  let end = 0;
  for (;;) {
    const head = bytes.readUInt32LE(at);
    at += 4;
    if (head === 0) break;
    const length = head % IS_PLAIN;
    const block = bytes.subarray(at, at + length);
    if (block.length < length) throw new RangeError('lz4: a block is cut off');
    out = withRoom(out, end, Math.max(blockBytesMax, length), sizeBytesMax);
    // Blocks may copy from those before them, so all unpack into one buffer.
    if (head >= IS_PLAIN) {
      if (end + length > out.length) throw new RangeError('lz4: a block is too long');
      end += block.copy(out, end);
    } else end = decompressBlock(block, out, end);
    at += length + checksumBytes;
  }
  if ((flags & HAS_CONTENT_CHECKSUM) !== 0) at += 4;
  if (at > bytes.length) throw new RangeError('lz4: the frame is cut off');
  return out.subarray(0, end);
}

function withRoom(out: Buffer, end: number, wanted: number, sizeBytesMax: number): Buffer {
  if (end + wanted <= out.length) return out;
  // The last block is seldom a full one: what does not fit is found out when it is unpacked.
  const size = Math.min(sizeBytesMax, Math.max(end + wanted, out.length * 2));
  if (size === out.length) return out;
  const grown = Buffer.allocUnsafe(size);
  out.copy(grown, 0, 0, end);
  return grown;
}

/** Sequences of literals and copies (lz4_Block_format.md). Returns the new end of `out`. */
function decompressBlock(block: Buffer, out: Buffer, start: number): number {
  let end = start;
  let at = 0;
  const longer = (length: number): number => {
    let sum = length;
    if (length !== 15) return sum;
    for (;;) {
      const byte = block.readUInt8(at++);
      sum += byte;
      if (byte !== 255) return sum;
    }
  };
  while (at < block.length) {
    const token = block[at++]!;
    const literals = longer(token >>> 4);
    if (at + literals > block.length || end + literals > out.length) throw new RangeError('lz4: literals are too long');
    block.copy(out, end, at, at + literals);
    at += literals;
    end += literals;
    // The last sequence has literals only.
    if (at >= block.length) break;
    const offset = block.readUInt16LE(at);
    at += 2;
    end = copyWithin(out, end, offset, longer(token & 15) + 4, out.length);
  }
  return end;
}
