import type { ColumnData } from '../epoch/table.ts';
import { fmix32 } from '../lib/hash.ts';

/** Places of rows in the order of `ends`, and of their identity where these are the same: NULL first, texts by their bytes. */
export function rowOrder(ends: ArrayLike<number>, identity: readonly ColumnData[], length: number): Uint32Array {
  // Rows that end together mostly have all but their keys in common.
  const differing = identity.filter((column) => !isConstant(column, length));
  return Uint32Array.from({ length }, (_, row) => row).sort((left, right) => {
    const order = ends[left]! - ends[right]!;
    if (order !== 0) return order;
    for (const column of differing) {
      const byColumn =
        column.kind === 'string' ? compareTexts(column, left, right) : compareNumbers(column, left, right);
      if (byColumn !== 0) return byColumn;
    }
    return 0;
  });
}

function isConstant(column: ColumnData, length: number): boolean {
  if (column.kind === 'string') return false;
  for (let row = 1; row < length; row++) if (compareNumbers(column, 0, row) !== 0) return false;
  return true;
}

function compareTexts(
  { nulls, offsets, bytes }: Extract<ColumnData, { readonly kind: 'string' }>,
  left: number,
  right: number,
): number {
  if (nulls[left] === 1 || nulls[right] === 1) return nulls[right]! - nulls[left]!;
  const [from, other] = [offsets[left]!, offsets[right]!];
  const [length, otherLength] = [offsets[left + 1]! - from, offsets[right + 1]! - other];
  const both = Math.min(length, otherLength);
  for (let i = 0; i < both; i++) {
    const order = bytes[from + i]! - bytes[other + i]!;
    if (order !== 0) return order;
  }
  return length - otherLength;
}

function compareNumbers(column: Exclude<ColumnData, { readonly kind: 'string' }>, left: number, right: number): number {
  const [a, b] = [column.values[left]!, column.values[right]!];
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(b)) - Number(Number.isNaN(a));
  const rest = column.kind === 'number' ? column.rest : undefined;
  return a - b || (rest?.[left] ?? 0) - (rest?.[right] ?? 0);
}

/** The two lanes of a row's id, 32 bits each: of its table, by the seeds, and its identity. It stands in rows for ever: not free to change. */
export function rowHashes(
  [seedA, seedB]: readonly [number, number],
  identity: readonly ColumnData[],
  order: Uint32Array,
): readonly [Uint32Array, Uint32Array] {
  const a = new Uint32Array(order.length).fill(seedA);
  const b = new Uint32Array(order.length).fill(seedB);
  for (const column of identity) {
    if (column.kind === 'string') mixTexts(column, order, a, b);
    else mixNumbers(column, order, a, b);
  }
  for (let i = 0; i < order.length; i++) {
    a[i] = fmix32(a[i]!);
    b[i] = fmix32(b[i]!);
  }
  return [a, b];
}

function mixNumbers(
  column: Exclude<ColumnData, { readonly kind: 'string' }>,
  order: Uint32Array,
  a: Uint32Array,
  b: Uint32Array,
): void {
  const { values } = column;
  const rest = column.kind === 'number' ? column.rest : undefined;
  const number = new Float64Array(1);
  const words = new Uint32Array(number.buffer);
  for (let i = 0; i < order.length; i++) {
    const row = order[i]!;
    // One zero, one NULL.
    number[0] = Number.isNaN(values[row]!) ? Number.NaN : values[row]! + 0;
    mix(a, b, i, words[0]!);
    mix(a, b, i, words[1]!);
    mix(a, b, i, rest?.[row] ?? 0);
  }
}

function mixTexts(
  { nulls, offsets, bytes }: Extract<ColumnData, { readonly kind: 'string' }>,
  order: Uint32Array,
  a: Uint32Array,
  b: Uint32Array,
): void {
  for (let i = 0; i < order.length; i++) {
    const row = order[i]!;
    const [from, to] = [offsets[row]!, offsets[row + 1]!];
    mix(a, b, i, nulls[row] === 1 ? 0 : to - from + 1);
    for (let at = from; at < to; at++) mix(a, b, i, bytes[at]!);
  }
}

function mix(a: Uint32Array, b: Uint32Array, i: number, word: number): void {
  const x = Math.imul(a[i]! ^ word, 0x85ebca6b);
  a[i] = x ^ (x >>> 15);
  const y = Math.imul((b[i]! + word) | 0, 0xc2b2ae35);
  b[i] = y ^ (y >>> 13);
}
