import { escapeBytes } from '../lib/text.ts';

/** So much of a bad line is kept: its begin, which says what it is, and its end, where long lines break. */
export const DEAD_LETTER_BYTES_MAX = 4096;
const END_BYTES = 1024;
const BEGIN_BYTES = DEAD_LETTER_BYTES_MAX - END_BYTES;

/** So long is the text that says why a line could not be read. */
const DETAIL_CHARACTERS_MAX = 200;

/** A text that says why a line could not be read, cut to what is kept of it. */
export function keptOfDetail(text: string): string {
  if (text.length <= DETAIL_CHARACTERS_MAX) return text;
  // Without the first half of a character outside the Basic Multilingual Plane.
  return `${text.slice(0, DETAIL_CHARACTERS_MAX - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** A copy of a line, of a longer one its begin and its end: a view would hold the whole block until the epoch is written. */
export function keptOfLine(line: Uint8Array): Uint8Array {
  if (line.length <= DEAD_LETTER_BYTES_MAX) return new Uint8Array(line);
  const kept = new Uint8Array(DEAD_LETTER_BYTES_MAX);
  kept.set(line.subarray(0, BEGIN_BYTES));
  kept.set(line.subarray(line.length - END_BYTES), BEGIN_BYTES);
  return kept;
}

/** What was kept of a line as text that is safe to show, with a mark where bytes were left out. */
export function shownLine(kept: Uint8Array, lengthBytes: number): string {
  if (lengthBytes <= kept.length) return escapeBytes(kept);
  const left = `[… ${lengthBytes - kept.length} bytes …]`;
  return escapeBytes(kept.subarray(0, BEGIN_BYTES)) + left + escapeBytes(kept.subarray(BEGIN_BYTES));
}
