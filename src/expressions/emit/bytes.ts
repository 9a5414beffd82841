import { isUtf8 } from 'node:buffer';
import type { Batch } from '../../record/batch.ts';

/** Whether all bytes are below 0x80. */
export function isAsciiAt(array: Uint8Array, view: DataView, at: number, length: number): boolean {
  let place = at;
  for (const end = at + length - 3; place < end; place += 4)
    if ((view.getInt32(place, true) & 0x80808080) !== 0) return false;
  for (const end = at + length; place < end; place++) if (array[place]! >= 0x80) return false;
  return true;
}

/** Whether the bytes are UTF-8: then they are those of their text (lib/text.ts). */
export function isUtf8At(array: Uint8Array, view: DataView, at: number, length: number): boolean {
  return isAsciiAt(array, view, at, length) || isUtf8(array.subarray(at, at + length));
}

/** Whether `length` bytes are the same at both places. */
export function sameBytes(
  array: Uint8Array,
  view: DataView,
  at: number,
  otherArray: Uint8Array,
  otherView: DataView,
  otherAt: number,
  length: number,
): boolean {
  let k = 0;
  while (k < length - 3 && view.getInt32(at + k, true) === otherView.getInt32(otherAt + k, true)) k += 4;
  while (k < length && array[at + k] === otherArray[otherAt + k]) k++;
  return k >= length;
}

/** The order of two texts by their bytes: below 0, 0, above 0. */
export function orderOfBytes(
  array: Uint8Array,
  at: number,
  length: number,
  otherArray: Uint8Array,
  otherAt: number,
  otherLength: number,
): number {
  const least = Math.min(length, otherLength);
  for (let k = 0; k < least; k++) {
    const order = array[at + k]! - otherArray[otherAt + k]!;
    if (order !== 0) return order;
  }
  return length - otherLength;
}

/** Appends to the scratch of a batch, where there is room. */
export function copyBytes(array: Uint8Array, at: number, length: number, batch: Batch): void {
  const { scratch, scratchLength } = batch;
  for (let k = 0; k < length; k++) scratch[scratchLength + k] = array[at + k]!;
  batch.scratchLength = scratchLength + length;
}
