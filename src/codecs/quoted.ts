// Searches of the access log decoders. All rely on a newline at or after where they begin, and stop at it. The four bytes of a
// word are tested at once: where every byte of `x` is below 0x80, `(x - 0x01010101) & 0x80808080` is not zero iff a byte of `x`
// is zero, and its lowest set bit is in the first such byte (Mycroft 1987; Warren, Hacker's Delight §6-1).

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NEWLINE = 0x0a;

/**
 * The first quote or newline at or after `from`; `limit` is where the block ends. One test finds both: with the bits 0xa8
 * cleared they are 0x02, as are `*` and five bytes that are no ASCII text; those are passed over.
 */
export function quoteOrNewline(view: DataView, bytes: Uint8Array, from: number, limit: number): number {
  let at = from;
  while (at + 4 <= limit) {
    const hit = (((view.getInt32(at, true) & 0x57575757) ^ 0x02020202) - 0x01010101) & 0x80808080;
    if (hit === 0) at += 4;
    else {
      at += (31 - Math.clz32(hit & -hit)) >> 3;
      const byte = bytes[at];
      if (byte === QUOTE || byte === NEWLINE) return at;
      at++;
    }
  }
  while (bytes[at] !== QUOTE && bytes[at] !== NEWLINE) at++;
  return at;
}

/** The quote that ends the text which begins at `from`, past escaped ones, or −1 where the line ends first. */
export function closingQuote(bytes: Uint8Array, from: number): number {
  for (let at = from; ; at++) {
    let byte = bytes[at]!;
    if (byte === BACKSLASH) byte = bytes[++at] === NEWLINE ? NEWLINE : 0;
    if (byte === NEWLINE) return -1;
    if (byte === QUOTE) return at;
  }
}

/** Where what stands behind the last field ends, at the line's end; −1 where a quote in it is not closed. */
export function restEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  for (; bytes[at] !== NEWLINE; at++) {
    if (bytes[at] !== QUOTE) continue;
    at = closingQuote(bytes, at + 1);
    if (at < 0) return -1;
  }
  return at > from && bytes[at - 1] === 0x0d ? at - 1 : at;
}

/** Whether two texts in quotes stand at `from`, the second of which may have no end. */
export function isTwoQuoted(bytes: Uint8Array, from: number): boolean {
  if (bytes[from] !== QUOTE) return false;
  const end = closingQuote(bytes, from + 1);
  return end >= 0 && bytes[end + 1] === 0x20 && bytes[end + 2] === QUOTE;
}

/** The first `stop` byte or newline at or after `from`. */
export function fieldEnd(bytes: Uint8Array, from: number, stop: number): number {
  let at = from;
  while (bytes[at] !== stop && bytes[at] !== NEWLINE) at++;
  return at;
}

/** What ends a part of a request target: always a blank, quote or newline, and where asked `?` or `#`. */
export const URL_STOP = { end: 1, query: 2, fragment: 4 } as const;
const URL_ESCAPE = 8;

const URL_CLASS = new Uint8Array(256);
for (const byte of [0x20, QUOTE, NEWLINE]) URL_CLASS[byte] = URL_STOP.end;
URL_CLASS[0x3f] = URL_STOP.query;
URL_CLASS[0x23] = URL_STOP.fragment;
URL_CLASS[BACKSLASH] = URL_ESCAPE;

/**
 * Where a part of a request target ends that begins at `from`; an escaped quote is part of it. `stops` is a sum of URL_STOP.
 * There is no backslash before `plainEnd`: up to there, what is neither `?` nor below `$` (blank, quote, newline, `#`) is
 * passed over a word at a time.
 */
export function urlPartEnd(view: DataView, bytes: Uint8Array, from: number, stops: number, plainEnd: number): number {
  let at = from;
  while (at + 4 <= plainEnd) {
    const word = view.getInt32(at, true);
    const low = (word - 0x24242424) & ~word;
    const question = ((word & 0x7f7f7f7f) ^ 0x3f3f3f3f) - 0x01010101;
    const hit = (low | question) & 0x80808080;
    if (hit === 0) at += 4;
    else {
      at += (31 - Math.clz32(hit & -hit)) >> 3;
      if ((URL_CLASS[bytes[at]!]! & stops) !== 0) return at;
      at++;
    }
  }
  for (; ; at++) {
    const kind = URL_CLASS[bytes[at]!]!;
    if ((kind & stops) !== 0) return at;
    if (kind === URL_ESCAPE && (bytes[at + 1] === QUOTE || bytes[at + 1] === BACKSLASH)) at++;
  }
}

const METHOD_BYTES = Uint8Array.from({ length: 256 }, (_, byte) =>
  /[A-Za-z_-]/.test(String.fromCharCode(byte)) ? 1 : 0,
);

/** Where a method that begins at `from` ends: at the first byte that is not a letter, `-` or `_`. */
export function methodEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  while (METHOD_BYTES[bytes[at]!] === 1) at++;
  return at;
}

/** Where `HTTP/1.1` that must stand at `from` ends, a quote being next; −1 where something else stands there. */
export function protocolEnd(bytes: Uint8Array, from: number): number {
  const isHttp =
    bytes[from] === 0x48 && bytes[from + 1] === 0x54 && bytes[from + 2] === 0x54 && bytes[from + 3] === 0x50;
  if (!isHttp || bytes[from + 4] !== 0x2f) return -1;
  const major = digitsEnd(bytes, from + 5);
  if (major === from + 5) return -1;
  const end = bytes[major] === 0x2e ? digitsEnd(bytes, major + 1) : major;
  return bytes[end] === QUOTE && end !== major + 1 ? end : -1;
}

function digitsEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
  return at;
}
