import { parseLong } from '../lib/exact-integer.ts';
import { Batch, type FieldType, type NumberColumn } from '../record/batch.ts';
import { hexDigit, numberEnd } from './json-scan.ts';
import type { TimeReader } from './times/reader.ts';

/** Powers of ten that are exact as float64. */
const POWERS_OF_TEN = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/**
 * The number of a field with the value in [start, end), whose bounds valueEnd() found; NaN where the value is of another type.
 * A number in quotes counts as the number, `"true"` and `"false"` as the booleans. A `long` beyond 2^53 is rounded: storeLong() looks again.
 * Dates are for timeOfValue().
 */
export function numberOfValue(bytes: Buffer, start: number, end: number, isEscaped: boolean, type: FieldType): number {
  if (bytes[start] !== 0x22) return numberOfText(bytes, start, end, type, false);
  if (!isEscaped) return numberOfText(bytes, start + 1, end - 1, type, true);
  // Slow path: an escape in a number.
  const text = unescaped(bytes, start + 1, end - 1);
  return numberOfText(text, 0, text.length, type, true);
}

/** The time of a field with the value in [start, end), in milliseconds; NaN where it is none. */
export function timeOfValue(bytes: Buffer, start: number, end: number, isEscaped: boolean, times: TimeReader): number {
  if (bytes[start] !== 0x22) return isNumber(bytes[start]!) ? times.number(bytes, start, end) : Number.NaN;
  if (!isEscaped) return timeOfText(bytes, start + 1, end - 1, times);
  const text = unescaped(bytes, start + 1, end - 1);
  return timeOfText(text, 0, text.length, times);
}

function timeOfText(bytes: Buffer, start: number, end: number, times: TimeReader): number {
  const timeMs = times.text(bytes, start, end);
  if (timeMs === timeMs || !times.takesQuotedNumbers) return timeMs;
  return isNumber(bytes[start]!) && numberEnd(bytes, start) === end ? times.number(bytes, start, end) : Number.NaN;
}

/** Whether a value that begins so is a number. */
function isNumber(first: number): boolean {
  return first === 0x2d || (first >= 0x30 && first <= 0x39);
}

function numberOfText(bytes: Buffer, start: number, end: number, type: FieldType, isQuoted: boolean): number {
  if (type === 'boolean') return booleanOf(bytes, start, end);
  if (start === end || (isQuoted && numberEnd(bytes, start) !== end) || bytes[start]! > 0x39) return Number.NaN;
  const value = parseNumber(bytes, start, end);
  if (type === 'long')
    return Number.isSafeInteger(value) || Math.abs(value) > Number.MAX_SAFE_INTEGER ? value + 0 : Number.NaN;
  return value;
}

function booleanOf(bytes: Buffer, start: number, end: number): number {
  const isTrue = end - start === 4 && bytes[start] === 0x74 && bytes[start + 1] === 0x72 && bytes[start + 2] === 0x75;
  if (isTrue && bytes[start + 3] === 0x65) return 1;
  const isFalse = end - start === 5 && bytes[start] === 0x66 && bytes[start + 1] === 0x61 && bytes[start + 2] === 0x6c;
  return isFalse && bytes[start + 3] === 0x73 && bytes[start + 4] === 0x65 ? 0 : Number.NaN;
}

/**
 * The number whose text is [start, end), rounded as `Number()` does: where the digits make an exact integer and the power of
 * ten is exact too, one division is right (Clinger 1990, "How to read floating point numbers accurately"); else `Number()`.
 */
function parseNumber(bytes: Buffer, start: number, end: number): number {
  let digits = 0;
  let decimals = -1;
  const isNegative = bytes[start] === 0x2d;
  const first = isNegative ? start + 1 : start;
  let isSimple = end - first <= 16;
  for (let at = first; at < end && isSimple; at++) {
    const byte = bytes[at]!;
    if (byte === 0x2e) decimals = end - at - 1;
    else if (byte <= 0x39) digits = digits * 10 + byte - 0x30;
    else isSimple = false;
  }
  if (!isSimple || digits > Number.MAX_SAFE_INTEGER) return Number(bytes.toString('latin1', start, end));
  const value = decimals > 0 ? digits / POWERS_OF_TEN[decimals]! : digits;
  return isNegative ? -value : value;
}

/** Stores the value of a `long` in [start, end); `value` is what numberOfValue() made of it. */
export function storeLong(
  column: NumberColumn,
  row: number,
  value: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  column.values[row] = value;
  // What is found last in a line counts.
  if (column.rest !== undefined) column.rest[row] = 0;
  if (!(value > Number.MAX_SAFE_INTEGER || value < -Number.MAX_SAFE_INTEGER)) return;
  const text = bytes[start] === 0x22 ? unescaped(bytes, start + 1, end - 1) : bytes.subarray(start, end);
  const exact = parseLong(text.toString('latin1'));
  if (typeof exact === 'bigint') Batch.setLarge(column, row, exact);
  else column.values[row] = exact;
}

/** Appends the text in [start, end), which has escapes, to the batch's scratch without them, and gives its length. */
export function unescapeToScratch(batch: Batch, bytes: Buffer, start: number, end: number): number {
  batch.reserveScratch(end - start);
  const length = unescapeInto(batch.scratch, batch.scratchLength, bytes, start, end);
  batch.scratchLength += length;
  return length;
}

/** The text in [start, end) without its escapes. */
export function unescaped(bytes: Buffer, start: number, end: number): Buffer {
  const text = Buffer.alloc(end - start);
  return text.subarray(0, unescapeInto(text, 0, bytes, start, end));
}

/**
 * Writes the text in [start, end) with its escapes resolved, as UTF-8. A surrogate without its other half is written like any
 * code point (WTF-8), so that different texts stay different bytes.
 */
function unescapeInto(out: Uint8Array, position: number, bytes: Buffer, start: number, end: number): number {
  let to = position;
  for (let at = start; at < end;) {
    const byte = bytes[at]!;
    if (byte !== 0x5c) {
      out[to++] = byte;
      at++;
    } else if (bytes[at + 1] === 0x75) {
      let code = codeUnit(bytes, at + 2);
      at += 6;
      if (code >= 0xd800 && code < 0xdc00 && at + 6 <= end && bytes[at] === 0x5c && bytes[at + 1] === 0x75) {
        const low = codeUnit(bytes, at + 2);
        if (low >= 0xdc00 && low < 0xe000) {
          code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
          at += 6;
        }
      }
      to = writeCodePoint(out, to, code);
    } else {
      out[to++] = SIMPLE_ESCAPES.get(bytes[at + 1]!)!;
      at += 2;
    }
  }
  return to - position;
}

/** The byte after a backslash to the byte it stands for. */
const SIMPLE_ESCAPES: ReadonlyMap<number, number> = new Map([
  [0x22, 0x22],
  [0x5c, 0x5c],
  [0x2f, 0x2f],
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
]);

function codeUnit(bytes: Buffer, at: number): number {
  return (
    (hexDigit(bytes[at]!) << 12) |
    (hexDigit(bytes[at + 1]!) << 8) |
    (hexDigit(bytes[at + 2]!) << 4) |
    hexDigit(bytes[at + 3]!)
  );
}

function writeCodePoint(out: Uint8Array, position: number, code: number): number {
  let to = position;
  if (code < 0x80) out[to++] = code;
  else if (code < 0x800) {
    out[to++] = 0xc0 | (code >> 6);
    out[to++] = 0x80 | (code & 0x3f);
  } else {
    if (code < 0x10000) out[to++] = 0xe0 | (code >> 12);
    else {
      out[to++] = 0xf0 | (code >> 18);
      out[to++] = 0x80 | ((code >> 12) & 0x3f);
    }
    out[to++] = 0x80 | ((code >> 6) & 0x3f);
    out[to++] = 0x80 | (code & 0x3f);
  }
  return to;
}
