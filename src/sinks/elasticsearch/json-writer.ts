import { DAY_MS, dateOfDay } from '../../lib/utc-date.ts';

/** What a byte below 0x80 becomes inside a JSON string: 0 as it is, 1 as `\u00XX`, else a backslash and this. */
const ESCAPES = new Uint8Array(128);
ESCAPES.fill(1, 0, 0x20);
ESCAPES[0x08] = 0x62;
ESCAPES[0x09] = 0x74;
ESCAPES[0x0a] = 0x6e;
ESCAPES[0x0c] = 0x66;
ESCAPES[0x0d] = 0x72;
ESCAPES[0x22] = 0x22;
ESCAPES[0x5c] = 0x5c;

const HEX = Buffer.from('0123456789abcdef', 'latin1');
/** The longest that one byte of text becomes: `\u001f`. */
const EXPANSION = 6;
const TIME_BYTES = 24;
const NUMBER_BYTES = 25;

/**
 * Writes JSON as bytes into one growing buffer: text goes from a block's bytes straight into a request, without a string in between. Text that
 * is no UTF-8 is written as lib/text.ts has it: each byte that is part of no sequence as `\xNN`.
 */
export class JsonWriter {
  bytes: Buffer;
  length = 0;
  /** The day written last, and its text `2026-11-26T`. */
  #day = Number.NaN;
  #dayText = Buffer.alloc(0);

  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafe(capacity);
  }

  /** Bytes that are JSON already. */
  raw(text: Uint8Array): void {
    this.reserve(text.length);
    this.bytes.set(text, this.length);
    this.length += text.length;
  }

  /** The inside of a JSON string from `from[start, end)`. */
  text(from: Uint8Array, start: number, end: number): void {
    this.reserve((end - start) * EXPANSION);
    const out = this.bytes;
    let to = this.length;
    for (let at = start; at < end;) {
      const byte = from[at]!;
      if (byte < 0x80) {
        const escape = ESCAPES[byte]!;
        if (escape === 0) out[to++] = byte;
        else to = writeEscape(out, to, byte, escape);
        at++;
        continue;
      }
      const length = sequenceLength(from, at, end);
      if (length === 0) {
        to = writeBadByte(out, to, byte);
        at++;
        continue;
      }
      for (const stop = at + length; at < stop; at++) out[to++] = from[at]!;
    }
    this.length = to;
  }

  /** A whole number from 0 to 2^53 − 1. */
  count(value: number): void {
    if (value >= 0x7fff_ffff) return this.number(value);
    this.reserve(NUMBER_BYTES);
    let digits = 1;
    for (let limit = 10; limit <= value && digits < 10; limit *= 10) digits++;
    let rest = value;
    for (let at = this.length + digits - 1; at >= this.length; at--) {
      const next = (rest / 10) | 0;
      this.bytes[at] = 0x30 + rest - next * 10;
      rest = next;
    }
    this.length += digits;
  }

  /** Any finite number. */
  number(value: number): void {
    this.reserve(NUMBER_BYTES);
    // JSON has no −0, and the store would show it.
    this.length += this.bytes.write(String(value + 0), this.length, 'latin1');
  }

  /** A time in quotes: `"2026-11-26T10:05:03.250Z"`. */
  time(ms: number): void {
    const day = Math.floor(ms / DAY_MS);
    if (day !== this.#day) this.#setDay(day);
    this.reserve(TIME_BYTES + 8);
    const out = this.bytes;
    let at = this.length;
    out[at++] = 0x22;
    out.set(this.#dayText, at);
    at += this.#dayText.length;
    let rest = Math.floor(ms) - day * DAY_MS;
    const hours = (rest / 3_600_000) | 0;
    rest -= hours * 3_600_000;
    const minutes = (rest / 60_000) | 0;
    rest -= minutes * 60_000;
    const seconds = (rest / 1000) | 0;
    rest -= seconds * 1000;
    at = writePair(out, at, hours, 0x3a);
    at = writePair(out, at, minutes, 0x3a);
    at = writePair(out, at, seconds, 0x2e);
    const hundreds = (rest / 100) | 0;
    out[at++] = 0x30 + hundreds;
    at = writePair(out, at, rest - hundreds * 100, 0x5a);
    out[at++] = 0x22;
    this.length = at;
  }

  /** Makes room for `sizeBytes` more. */
  reserve(sizeBytes: number): void {
    const needed = this.length + sizeBytes;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, Math.ceil(this.bytes.length * 1.5)));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  #setDay(day: number): void {
    const { year, month, day: dayOfMonth } = dateOfDay(day);
    const pad = (value: number, digits: number): string => String(value).padStart(digits, '0');
    this.#dayText = Buffer.from(`${pad(year, 4)}-${pad(month, 2)}-${pad(dayOfMonth, 2)}T`, 'latin1');
    this.#day = day;
  }
}

function writePair(out: Uint8Array, at: number, value: number, behind: number): number {
  const tens = (value / 10) | 0;
  out[at] = 0x30 + tens;
  out[at + 1] = 0x30 + value - tens * 10;
  out[at + 2] = behind;
  return at + 3;
}

function writeEscape(out: Uint8Array, at: number, byte: number, escape: number): number {
  out[at] = 0x5c;
  if (escape !== 1) {
    out[at + 1] = escape;
    return at + 2;
  }
  out[at + 1] = 0x75;
  out[at + 2] = 0x30;
  out[at + 3] = 0x30;
  out[at + 4] = HEX[byte >> 4]!;
  out[at + 5] = HEX[byte & 15]!;
  return at + 6;
}

function writeBadByte(out: Uint8Array, at: number, byte: number): number {
  out[at] = 0x5c;
  out[at + 1] = 0x5c;
  out[at + 2] = 0x78;
  out[at + 3] = HEX[byte >> 4]!;
  out[at + 4] = HEX[byte & 15]!;
  return at + 5;
}

/** Length of the UTF-8 sequence of two to four bytes at a place (RFC 3629, table 3-7 of Unicode), 0 where there is none. */
function sequenceLength(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at]!;
  if (first < 0xc2 || first > 0xf4 || at + 1 >= end) return 0;
  const second = bytes[at + 1]!;
  if (first < 0xe0) return isTail(second) ? 2 : 0;
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most || at + 2 >= end || !isTail(bytes[at + 2]!)) return 0;
  if (first < 0xf0) return 3;
  return at + 3 < end && isTail(bytes[at + 3]!) ? 4 : 0;
}

function isTail(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
