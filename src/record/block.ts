import { assert } from '../lib/assert.ts';
import { ByteReader, ByteWriter } from '../lib/bytes.ts';
import { checkShape, decodeHead, encodeHead } from './head.ts';
import { type SourceId, isSourceId } from './source.ts';

/** A block is at most this long before compression: large enough that its costs vanish per line, small enough for every broker's limit. */
export const BLOCK_BYTES_MAX = 512 * 1024;

const MAGIC = 0x42; // 'B'
const VERSION = 1;
const SHAPE = {
  source: 'text',
  identity: 'text',
  origin: 'count',
  prev: 'count',
  start: 'count',
  end: 'count',
  tail: 'text',
  endTail: 'text',
  lines: 'count',
  readAtMs: 'number',
} as const;

/**
 * The header of a block: whole lines of ONE source as they were read. The value holds the lines, each with the bytes of the
 * file up to and including its newline; a source's unterminated last line has none. Byte positions are those of the file.
 */
export interface BlockHeader {
  readonly source: SourceId;
  /** Hash of file system id, inode, birth time and first complete line: 16 hex digits. */
  readonly identity: string;
  /** Where the agent was told to begin: 0 as a rule. */
  readonly origin: number;
  /** `end` of the block of this source before this one in this partition; `origin` for the first. */
  readonly prev: number;
  /** First byte of the first line. */
  readonly start: number;
  /** One past the last byte. */
  readonly end: number;
  /** Hash of the 64 bytes before `start`. */
  readonly tail: string;
  /**
   * Hash of the 64 bytes of the file before `end`: what a reader's mark keeps. A reader cannot make it from the value, which may be shorter,
   * and lacks what was cut.
   */
  readonly endTail: string;
  readonly lines: number;
  /** The agent's clock when it read the bytes, milliseconds. */
  readonly readAtMs: number;
  /** File offset of each line, only where lines are not contiguous in the file (a cut line leaves a hole). */
  readonly offsets?: readonly number[];
  /** Length of each line in the value, only where a line may hold a newline (joined lines). */
  readonly lengths?: readonly number[];
  /** Indices of lines that were cut at the line limit; the rest of such a line is in no block. */
  readonly cut?: readonly number[];
}

/** Layout: head (see head.ts) of the plain fields, then `offsets` as delta varints, then `lengths` as varints. */
export function encodeBlockHeader(header: BlockHeader): Uint8Array {
  const { offsets, lengths, ...plain } = header;
  const out = new ByteWriter();
  encodeHead(out, MAGIC, VERSION, { ...plain, hasOffsets: offsets !== undefined, hasLengths: lengths !== undefined });
  if (offsets !== undefined) {
    assert(offsets.length === header.lines, 'a block lists the offset of each line or of none');
    let previous = header.start;
    for (const offset of offsets) {
      out.varint(offset - previous);
      previous = offset;
    }
  }
  if (lengths !== undefined) {
    assert(lengths.length === header.lines, 'a block lists the length of each line or of none');
    for (const length of lengths) out.varint(length);
  }
  return out.view().slice();
}

/** Throws an OperatingError for a newer version, a RangeError or SyntaxError for damaged bytes. */
export function decodeBlockHeader(bytes: Uint8Array): BlockHeader {
  const reader = new ByteReader(bytes);
  const head = decodeHead(reader, MAGIC, VERSION, 'block');
  checkShape(head, SHAPE, 'block');
  const { hasOffsets, hasLengths, ...plain } = head as unknown as BlockHeader & {
    hasOffsets: boolean;
    hasLengths: boolean;
  };
  if (!isSourceId(plain.source)) throw new RangeError(`block: "${plain.source}" is not a source`);
  if (plain.start > plain.end) throw new RangeError(`block: begins at ${plain.start} and ends at ${plain.end}`);
  return {
    ...plain,
    ...(hasOffsets ? { offsets: readOffsets(reader, plain.lines, plain.start) } : {}),
    ...(hasLengths ? { lengths: Array.from({ length: plain.lines }, () => reader.varint()) } : {}),
  };
}

function readOffsets(reader: ByteReader, lines: number, start: number): number[] {
  const offsets: number[] = [];
  let previous = start;
  for (let i = 0; i < lines; i++) {
    previous += reader.varint();
    offsets.push(previous);
  }
  return offsets;
}
