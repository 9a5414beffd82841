import { isUtf8 } from 'node:buffer';

// A byte order mark is part of the text: without it a key in a late line would not be the key of its row.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const HEX = '0123456789abcdef';

/**
 * UTF-8 text of any bytes: valid sequences stay as they are, every byte that is not part of one becomes `\xNN`. Tables and documents
 * hold text, so bytes that are none are shown as people write them; the bytes themselves stay in the log.
 */
export function escapeInvalidUtf8(bytes: Uint8Array): Uint8Array {
  if (isUtf8(bytes)) return bytes;
  const out: number[] = [];
  for (let i = 0; i < bytes.length;) {
    const length = sequenceLength(bytes, i);
    if (length === 0) {
      const byte = bytes[i++]!;
      out.push(0x5c, 0x78, HEX.charCodeAt(byte >> 4), HEX.charCodeAt(byte & 15));
    } else {
      for (let end = i + length; i < end; i++) out.push(bytes[i]!);
    }
  }
  return Uint8Array.from(out);
}

/** The text of any bytes, as {@link escapeInvalidUtf8} has it. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(escapeInvalidUtf8(bytes));
}

/** Length of the valid UTF-8 sequence that begins at `i`, or 0. */
function sequenceLength(bytes: Uint8Array, i: number): number {
  const first = bytes[i]!;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
  return length > 0 && i + length <= bytes.length && isUtf8(bytes.subarray(i, i + length)) ? length : 0;
}
