/** Producers of the Java family wrap snappy blocks so: this magic, two 32-bit versions, then blocks after 32-bit lengths. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEAD_BYTES = 16;

/** Unpacks snappy as Kafka's producers write it: one plain block (librdkafka), or the framing of xerial (Java). */
export function decompressSnappy(bytes: Buffer, sizeBytesMax: number): Buffer {
  if (!bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return decompressBlock(bytes, sizeBytesMax);
  const parts: Buffer[] = [];
  let room = sizeBytesMax;
  for (let at = XERIAL_HEAD_BYTES; at < bytes.length;) {
    const length = bytes.readUInt32BE(at);
    if (at + 4 + length > bytes.length) throw new RangeError('snappy: a block is cut off');
    const part = decompressBlock(bytes.subarray(at + 4, at + 4 + length), room);
    room -= part.length;
    parts.push(part);
    at += 4 + length;
  }
  return Buffer.concat(parts);
}

/** The block format (google/snappy, format_description.txt): the length, then literals and copies. */
function decompressBlock(bytes: Buffer, sizeBytesMax: number): Buffer {
  let at = 0;
  let size = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = byteAt(bytes, at++);
    size += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
    if (shift > 28) throw new RangeError('snappy: no length');
  }
  if (size > sizeBytesMax) throw new RangeError(`snappy: ${size} bytes are more than ${sizeBytesMax}`);
  const out = Buffer.allocUnsafe(size);
  let end = 0;
  while (at < bytes.length) {
    const tag = bytes[at++]!;
    const kind = tag & 3;
    if (kind === 0) {
      let length = tag >>> 2;
      const extra = Math.max(0, length - 59);
      if (extra > 0) length = littleEndian(bytes, at, extra);
      at += extra;
      length += 1;
      if (at + length > bytes.length || end + length > size) throw new RangeError('snappy: a literal is too long');
      bytes.copy(out, end, at, at + length);
      at += length;
      end += length;
      continue;
    }
    const length = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    const offsetBytes = kind === 1 ? 1 : kind === 2 ? 2 : 4;
    const low = littleEndian(bytes, at, offsetBytes);
    at += offsetBytes;
    end = copyWithin(out, end, kind === 1 ? ((tag & 0xe0) << 3) | low : low, length, size);
  }
  if (end !== size) throw new RangeError(`snappy: ${end} bytes where ${size} were promised`);
  return out;
}

/** Copies `length` bytes from `offset` bytes back, which may be fewer: then they repeat. Returns the new end. */
export function copyWithin(out: Buffer, end: number, offset: number, length: number, limit: number): number {
  const from = end - offset;
  if (offset === 0 || from < 0 || end + length > limit)
    throw new RangeError('a copy reaches beyond the bytes there are');
  if (offset >= length) out.copyWithin(end, from, from + length);
  else for (let i = 0; i < length; i++) out[end + i] = out[from + i]!;
  return end + length;
}

function littleEndian(bytes: Buffer, at: number, length: number): number {
  let value = 0;
  for (let i = length - 1; i >= 0; i--) value = value * 256 + byteAt(bytes, at + i);
  return value;
}

function byteAt(bytes: Buffer, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new RangeError('snappy: the bytes are cut off');
  return byte;
}
