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

/** Whether `length` bytes are the same at both places: sixteen at a time, and last those at the end, for loops that end soon cost more than they do. */
export function sameBytes(
  array: Uint8Array,
  view: DataView,
  at: number,
  otherArray: Uint8Array,
  otherView: DataView,
  otherAt: number,
  length: number,
): boolean {
  if (length < 4) {
    for (let k = 0; k < length; k++) if (array[at + k] !== otherArray[otherAt + k]) return false;
    return true;
  }
  const step = length < 16 ? (length >>> 3) << 2 : 4;
  const last = length < 16 ? 0 : length - 16;
  for (let k = 0; k < last; k += 16) if (differ(view, at + k, otherView, otherAt + k, 4, 12) !== 0) return false;
  return differ(view, at + last, otherView, otherAt + last, step, length - last - 4) === 0;
}

/** 0 where four words are the same: the first, that `step` bytes behind it, that at `end` and that `step` bytes before it. */
function differ(view: DataView, at: number, otherView: DataView, otherAt: number, step: number, end: number): number {
  return (
    (view.getInt32(at, true) ^ otherView.getInt32(otherAt, true)) |
    (view.getInt32(at + step, true) ^ otherView.getInt32(otherAt + step, true)) |
    (view.getInt32(at + end - step, true) ^ otherView.getInt32(otherAt + end - step, true)) |
    (view.getInt32(at + end, true) ^ otherView.getInt32(otherAt + end, true))
  );
}

/** A hash of all the bytes, in the same steps. */
export function hashOf(array: Uint8Array, view: DataView, at: number, length: number): number {
  let hash = length + 1;
  if (length < 4) {
    for (let k = 0; k < length; k++) hash = Math.imul(hash ^ array[at + k]!, 0x01000193);
    return hash ^ (hash >>> 15);
  }
  const step = length < 16 ? (length >>> 3) << 2 : 4;
  const last = length < 16 ? 0 : length - 16;
  for (let k = 0; k < last; k += 16) hash = mixed(hash, view, at + k, 4, 12);
  hash = mixed(hash, view, at + last, step, length - last - 4);
  return hash ^ (hash >>> 15);
}

function mixed(hash: number, view: DataView, at: number, step: number, end: number): number {
  const first = Math.imul(hash ^ view.getInt32(at, true), 0x85ebca6b);
  const second = Math.imul(view.getInt32(at + step, true) ^ 0x165667b1, 0x9e3779b1);
  const third = Math.imul(view.getInt32(at + end - step, true) ^ 0x27d4eb2f, 0xc2b2ae35);
  const fourth = Math.imul(view.getInt32(at + end, true), 0x01000193);
  const both = Math.imul(first ^ (first >>> 15) ^ third, 0x9e3779b1) ^ second ^ (second >>> 13) ^ fourth;
  return both ^ (both >>> 16);
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

export function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
