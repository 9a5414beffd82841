import type { BlockLines } from '../codecs/codec.ts';
import type { BlockHeader } from '../record/block.ts';

const NEWLINE = 10;

/**
 * The lines of a block from source offset `from` on: what lies below a reader's mark is trimmed by byte. `from` is a line start,
 * or the block's own start.
 */
export function linesFrom(header: BlockHeader, value: Uint8Array, from: number): BlockLines {
  const { offsets, lengths, lines, start } = header;
  if (from <= start) return { bytes: value, lines, start, ...optional(offsets, lengths) };
  let skipped = 0;
  let at = 0;
  if (offsets === undefined && lengths === undefined) {
    at = Math.min(from - start, value.length);
    for (let next = value.indexOf(NEWLINE); next >= 0 && next < at; next = value.indexOf(NEWLINE, next + 1)) skipped++;
    return { bytes: value.subarray(at), lines: lines - skipped, start: start + at };
  }
  while (skipped < lines && lineOffset(header, skipped, at) < from) {
    at = lengths === undefined ? value.indexOf(NEWLINE, at) + 1 : at + lengths[skipped]! + 1;
    skipped++;
  }
  return { bytes: value.subarray(at), lines: lines - skipped, start: start + at, ...optional(offsets?.slice(skipped), lengths?.slice(skipped)) };
}

function lineOffset(header: BlockHeader, line: number, at: number): number {
  return header.offsets?.[line] ?? header.start + at;
}

function optional(offsets: readonly number[] | undefined, lengths: readonly number[] | undefined): Partial<BlockLines> {
  return { ...(offsets === undefined ? {} : { offsets }), ...(lengths === undefined ? {} : { lengths }) };
}
