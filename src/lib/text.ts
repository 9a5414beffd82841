import { isUtf8 } from 'node:buffer';
import { escapeText } from './escape.ts';

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Bytes of unknown origin as text that is safe to show: bytes that are no UTF-8 and control characters become visible escapes. */
export function escapeBytes(bytes: Uint8Array): string {
  return escapeText(textOf(bytes));
}

/** Bytes as text, with those that are no UTF-8 as `\xNN`, so that different bytes do not become the same U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  if (isUtf8(bytes)) return decoder.decode(bytes);
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at);
    text +=
      length === 0 ? `\\x${bytes[at]!.toString(16).padStart(2, '0')}` : decoder.decode(bytes.subarray(at, at + length));
    at += Math.max(1, length);
  }
  return text;
}

/** Length of the UTF-8 sequence at a place, 0 where there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  return length > 0 && at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}
