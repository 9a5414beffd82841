// Bounds of JSON values (RFC 8259) in bytes, with nothing made of them. All rely on a newline at or after where they begin: it
// is not part of a string, number or blank here, so every search stops at it. Bytes from 0x80 on are taken as they are in strings.

/** Objects and arrays in one another, the line's own object counted; deeper is malformed. Real logs have less than ten. */
export const JSON_DEPTH_MAX = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The first byte at or after `from` that is not a blank, tab or carriage return. */
export function afterBlanks(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at] === 0x20 || bytes[at] === 0x09 || bytes[at] === 0x0d) at++;
  return at;
}

/**
 * The closing quote of the string whose text begins at `from`; −2 − its position where the text has escapes; −1 where it is no
 * string. Words without quote, backslash and control character are passed over as a whole (see quoted.ts).
 */
export function stringEnd(view: DataView, bytes: Uint8Array, from: number, limit: number): number {
  let at = from;
  let hasEscape = false;
  for (;;) {
    while (at + 4 <= limit) {
      const word = view.getInt32(at, true);
      const low = (word - 0x20202020) & ~word;
      const ascii = word & 0x7f7f7f7f;
      const quote = (ascii ^ 0x22222222) - 0x01010101;
      const escape = (ascii ^ 0x5c5c5c5c) - 0x01010101;
      const hit = (low | quote | escape) & 0x80808080;
      if (hit !== 0) {
        at += (31 - Math.clz32(hit & -hit)) >> 3;
        break;
      }
      at += 4;
    }
    const byte = bytes[at]!;
    if (byte === QUOTE) return hasEscape ? -2 - at : at;
    if (byte < 0x20) return -1;
    if (byte === BACKSLASH) {
      const length = escapeLength(bytes, at);
      if (length === 0) return -1;
      hasEscape = true;
      at += length;
    } else at++;
  }
}

/** Bytes of the escape at `at`, 0 where it is none. */
function escapeLength(bytes: Uint8Array, at: number): number {
  switch (bytes[at + 1]) {
    case 0x22: // "
    case 0x5c: // \
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return 2;
    case 0x75: // u
      return hexDigit(bytes[at + 2]!) >= 0 &&
        hexDigit(bytes[at + 3]!) >= 0 &&
        hexDigit(bytes[at + 4]!) >= 0 &&
        hexDigit(bytes[at + 5]!) >= 0
        ? 6
        : 0;
    default:
      return 0;
  }
}

/** The value of a hexadecimal digit, −1 for another byte. */
export function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** One past the number at `from`, −1 where there is none. */
export function numberEnd(bytes: Uint8Array, from: number): number {
  let at = bytes[from] === 0x2d ? from + 1 : from;
  const whole = at;
  at = digitsEnd(bytes, at);
  if (at === whole || (bytes[whole] === 0x30 && at !== whole + 1)) return -1;
  if (bytes[at] === 0x2e) {
    const fraction = at + 1;
    at = digitsEnd(bytes, fraction);
    if (at === fraction) return -1;
  }
  if ((bytes[at]! | 0x20) === 0x65) {
    at++;
    if (bytes[at] === 0x2b || bytes[at] === 0x2d) at++;
    const exponent = at;
    at = digitsEnd(bytes, exponent);
    if (at === exponent) return -1;
  }
  return at;
}

function digitsEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
  return at;
}

/** One past the value at `from`, −1 where there is none; `depth` is that of the object or array it stands in. */
export function valueEnd(view: DataView, bytes: Uint8Array, from: number, limit: number, depth: number): number {
  switch (bytes[from]) {
    case QUOTE: {
      const end = stringEnd(view, bytes, from + 1, limit);
      return end === -1 ? -1 : end < 0 ? -1 - end : end + 1;
    }
    case 0x7b:
      return objectEnd(view, bytes, from + 1, limit, depth + 1);
    case 0x5b:
      return arrayEnd(view, bytes, from + 1, limit, depth + 1);
    case 0x74:
      return bytes[from + 1] === 0x72 && bytes[from + 2] === 0x75 && bytes[from + 3] === 0x65 ? from + 4 : -1;
    case 0x66:
      return bytes[from + 1] === 0x61 &&
        bytes[from + 2] === 0x6c &&
        bytes[from + 3] === 0x73 &&
        bytes[from + 4] === 0x65
        ? from + 5
        : -1;
    case 0x6e:
      return bytes[from + 1] === 0x75 && bytes[from + 2] === 0x6c && bytes[from + 3] === 0x6c ? from + 4 : -1;
    default:
      return numberEnd(bytes, from);
  }
}

/** One past the object whose brace is before `from` and whose depth is `depth`. */
function objectEnd(view: DataView, bytes: Uint8Array, from: number, limit: number, depth: number): number {
  if (depth > JSON_DEPTH_MAX) return -1;
  let at = afterBlanks(bytes, from);
  if (bytes[at] === 0x7d) return at + 1;
  for (;;) {
    if (bytes[at] !== QUOTE) return -1;
    const key = stringEnd(view, bytes, at + 1, limit);
    if (key === -1) return -1;
    at = afterBlanks(bytes, key < 0 ? -1 - key : key + 1);
    if (bytes[at] !== 0x3a) return -1;
    at = valueEnd(view, bytes, afterBlanks(bytes, at + 1), limit, depth);
    if (at < 0) return -1;
    at = afterBlanks(bytes, at);
    if (bytes[at] === 0x7d) return at + 1;
    if (bytes[at] !== 0x2c) return -1;
    at = afterBlanks(bytes, at + 1);
  }
}

/** One past the array whose bracket is before `from` and whose depth is `depth`. */
function arrayEnd(view: DataView, bytes: Uint8Array, from: number, limit: number, depth: number): number {
  if (depth > JSON_DEPTH_MAX) return -1;
  let at = afterBlanks(bytes, from);
  if (bytes[at] === 0x5d) return at + 1;
  for (;;) {
    at = valueEnd(view, bytes, at, limit, depth);
    if (at < 0) return -1;
    at = afterBlanks(bytes, at);
    if (bytes[at] === 0x5d) return at + 1;
    if (bytes[at] !== 0x2c) return -1;
    at = afterBlanks(bytes, at + 1);
  }
}
