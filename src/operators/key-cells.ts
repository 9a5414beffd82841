import { isUtf8 } from 'node:buffer';
import type { ColumnData } from '../epoch/table.ts';
import { assert } from '../lib/assert.ts';
import { exactInteger, restOf } from '../lib/exact-integer.ts';
import { escapeInvalidUtf8 } from '../lib/text.ts';
import type { Batch, Column, NumberColumn } from '../record/batch.ts';

/** In place of the length of a text in a batch of rows: NULL, and the row is that of all keys that have none of their own. */
export const OTHER_LENGTH = -2;

/** One value of a key: text as UTF-8 bytes, a whole number beyond 2^53 as a bigint, NULL as null or NaN. */
export type KeyCell = Uint8Array | number | bigint | null;

export interface LineKey {
  readonly cells: readonly KeyCell[];
  readonly hash: number;
  /** It has bytes that are not valid UTF-8: these are its cells as they are shown. */
  readonly isShown: boolean;
  /** A number in it is too large for its type, and no row can say which it was; or it comes from a row of such keys. */
  readonly isOther: boolean;
}

/** The key of a line; its `hash` where that is known. Two byte strings that would be shown alike are one key. */
export function keyOfLine(batch: Batch, columns: readonly Column[], line: number, hash?: number): LineKey {
  const cells = columns.map((column) =>
    column.kind === 'number' ? numberCell(column, line) : (batch.stringBytes(column, line) ?? null),
  );
  const isOther =
    cells.some((cell) => cell === Infinity || cell === -Infinity) ||
    columns.some((column) => column.kind === 'string' && column.length[line] === OTHER_LENGTH);
  if (cells.every((cell) => !(cell instanceof Uint8Array) || isUtf8(cell)))
    return { cells, hash: hash ?? hashKey(cells), isShown: false, isOther };
  const shown = cells.map((cell) => (cell instanceof Uint8Array && !isUtf8(cell) ? escapeInvalidUtf8(cell) : cell));
  return { cells: shown, hash: hashKey(shown), isShown: true, isOther };
}

/** A key's value out of the column of an epoch. */
export function restoredCell(column: ColumnData, at: number): KeyCell {
  if (column.kind === 'number') return numberCell(column, at);
  assert(column.kind === 'string', 'keys are texts or numbers');
  return column.nulls[at] === 1 ? null : column.bytes.subarray(column.offsets[at], column.offsets[at + 1]);
}

/** The number at a place of a column of a batch, a table or an epoch. */
export function numberCell(
  { values, rest }: Pick<NumberColumn, 'values'> & { readonly rest?: Float64Array | undefined },
  at: number,
): number | bigint {
  return rest === undefined ? values[at]! : exactInteger(values[at]!, rest[at]!);
}

/** The hash of a key; keyed-loop.ts generates the same arithmetic over batch columns. Not stored anywhere: free to change. */
export function hashKey(cells: readonly KeyCell[]): number {
  let h = 0;
  for (const cell of cells) {
    if (typeof cell === 'number') {
      h = Math.imul(h ^ (cell | 0), 0x85ebca6b);
      continue;
    }
    if (typeof cell === 'bigint') {
      h = Math.imul(h ^ (Number(cell) | 0) ^ Math.imul(restOf(cell), 0x9e3779b1), 0x85ebca6b);
      continue;
    }
    h = Math.imul(h ^ ((cell === null ? -1 : cell.length) + 1), 0x9e3779b1);
    if (cell !== null) h = hashText(h, cell);
  }
  return h ^ (h >>> 15);
}

/** Four bytes at a time, then the rest one by one; the shift brings what differs in a word's high bits down to the slot. */
function hashText(seed: number, text: Uint8Array): number {
  const view = new DataView(text.buffer, text.byteOffset, text.byteLength);
  let h = seed;
  let at = 0;
  for (; at + 4 <= text.length; at += 4) {
    h = Math.imul(h ^ view.getInt32(at, true), 0x85ebca6b);
    h ^= h >>> 15;
  }
  for (; at < text.length; at++) h = Math.imul(h ^ text[at]!, 0x01000193);
  return h;
}
