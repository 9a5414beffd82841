import type { BlockLines } from '../codecs/codec.ts';
import type { BlockHeader } from '../record/block.ts';

const NEWLINE = 10;

/**
 * The lines of a block from source offset `from` on: what lies below a reader's mark is trimmed by byte. `from` is a line start,
 * or the block's own start. Throws a RangeError where header and value do not fit: a mark must not move over bytes that never came.
 */
export function linesFrom(header: BlockHeader, value: Uint8Array, from: number): BlockLines {
  const { offsets, lengths, lines, start, end: blockEnd } = header;
  if (offsets === undefined && value.length !== blockEnd - start) {
    throw new RangeError(`the block has ${value.length} bytes, its header says ${blockEnd - start}`);
  }
  if (from <= start) return { bytes: value, lines, start, ...optional(offsets, lengths) };
  let skipped = 0;
  let at = 0;
  if (offsets === undefined && lengths === undefined) {
    at = Math.min(from - start, value.length);
    for (let next = value.indexOf(NEWLINE); next >= 0 && next < at; next = value.indexOf(NEWLINE, next + 1)) skipped++;
    return { bytes: value.subarray(at), lines: lines - skipped, start: start + at };
  }
  while (skipped < lines && lineOffset(header, skipped, at) < from) {
    const end = lengths === undefined ? value.indexOf(NEWLINE, at) : at + lengths[skipped]!;
    at = end < 0 || end >= value.length ? value.length : end + 1;
    skipped++;
  }
  return {
    bytes: value.subarray(at),
    lines: lines - skipped,
    start: start + at,
    ...optional(offsets?.slice(skipped), lengths?.slice(skipped)),
  };
}

function lineOffset(header: BlockHeader, line: number, at: number): number {
  return header.offsets?.[line] ?? header.start + at;
}

function optional(offsets: readonly number[] | undefined, lengths: readonly number[] | undefined): Partial<BlockLines> {
  return { ...(offsets === undefined ? {} : { offsets }), ...(lengths === undefined ? {} : { lengths }) };
}
