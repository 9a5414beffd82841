import type { LineSum } from '../record/line-id.ts';
import { BLOCK_BYTES_MAX } from '../record/block.ts';
import { HEAD_BYTES_MAX, identityOf } from '../record/file-identity.ts';
import { TAIL_BYTES, tailHash } from '../record/source.ts';
import { addLines } from './line-framing.ts';
import type { SourceHandle } from './source.ts';

export { identityOf };

/** The bytes at a file's begin that tell it from a later file with the same inode. */
export interface Head {
  readonly bytes: Buffer;
  /** Whether the bytes are the first complete line (or the first 4096 of it), and not the whole of a shorter file. */
  readonly isComplete: boolean;
}

export function readHead(handle: SourceHandle): Head {
  const bytes = Buffer.alloc(HEAD_BYTES_MAX);
  const length = handle.read(bytes, 0, HEAD_BYTES_MAX, 0);
  const newline = bytes.subarray(0, length).indexOf(10);
  if (newline >= 0) return { bytes: bytes.subarray(0, newline + 1), isComplete: true };
  return { bytes: bytes.subarray(0, length), isComplete: length === HEAD_BYTES_MAX };
}

/** Whether the first `headBytes` bytes of the file give this identity. */
export function hasIdentity(handle: SourceHandle, identity: string, headBytes: number): boolean {
  const head = Buffer.alloc(headBytes);
  return handle.read(head, 0, headBytes, 0) === headBytes && identityOf(head) === identity;
}

/** The hash of the at most 64 bytes below a position, or undefined if the file does not reach it. */
export function tailAt(handle: SourceHandle, position: number): string | undefined {
  const length = Math.min(TAIL_BYTES, position);
  const bytes = Buffer.alloc(length);
  return handle.read(bytes, 0, length, position - length) === length ? tailHash(bytes) : undefined;
}

/** Where the last whole line below `position` ends; 0 where there is none within a block. */
export function lastLineEnd(handle: SourceHandle, position: number): number {
  const bytes = Buffer.alloc(Math.min(BLOCK_BYTES_MAX, position));
  const from = position - bytes.length;
  const newline = bytes.subarray(0, handle.read(bytes, 0, bytes.length, from)).lastIndexOf(10);
  return newline < 0 ? 0 : from + newline + 1;
}

/** Adds the lines that begin in [from, to) to `sum`; a line begins at `from`. False if the file ends before `to`. */
export function countRange(
  handle: SourceHandle,
  from: number,
  to: number,
  seeds: readonly [number, number],
  sum: LineSum,
): boolean {
  const chunk = Buffer.allocUnsafe(Math.min(BLOCK_BYTES_MAX, Math.max(0, to - from)));
  let before = 10;
  for (let position = from; position < to;) {
    const length = handle.read(chunk, 0, Math.min(chunk.length, to - position), position);
    if (length === 0) return false;
    addLines(chunk.subarray(0, length), { start: position, before, seeds }, sum);
    before = chunk[length - 1]!;
    position += length;
  }
  return true;
}
