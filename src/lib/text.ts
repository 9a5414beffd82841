import { isUtf8 } from 'node:buffer';
import { escapeText } from './escape.ts';

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const HEX = '0123456789abcdef';

/**
 * UTF-8 text of any bytes: valid sequences stay as they are, every byte that is not part of one becomes `\xNN`, so that different bytes do
 * not become the same U+FFFD. Tables and documents hold text; the bytes themselves stay in the log.
 */
export function escapeInvalidUtf8(bytes: Uint8Array): Uint8Array {
  if (isUtf8(bytes)) return bytes;
  const out: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at);
    if (length === 0) {
      const byte = bytes[at]!;
      out.push(0x5c, 0x78, HEX.charCodeAt(byte >> 4), HEX.charCodeAt(byte & 15));
    } else {
      for (let i = at; i < at + length; i++) out.push(bytes[i]!);
    }
    at += Math.max(1, length);
  }
  return Uint8Array.from(out);
}

/** The text of any bytes, as {@link escapeInvalidUtf8} has it. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(escapeInvalidUtf8(bytes));
}

/** Bytes of unknown origin as text that is safe to show: bytes that are no UTF-8 and control characters become visible escapes. */
export function escapeBytes(bytes: Uint8Array): string {
  return escapeText(textOf(bytes));
}

/** A user's text as messages quote it: enough to recognize it. */
export function cutText(text: string, lengthMax = 60): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1)}…`;
}

/** Length of the UTF-8 sequence at a place, 0 where there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  return length > 0 && at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}
