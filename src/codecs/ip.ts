/** An address as a server writes it, taken apart. One object is filled again and again: it holds until the next call. */
export interface Address {
  /** Where the host's text lies, without brackets, zone and port. */
  start: number;
  end: number;
  isIp: boolean;
  /** The one way to write this IP address, where the text is another; a view that holds until the next call. */
  canonical: Uint8Array | undefined;
  /** NaN for none. */
  port: number;
}

const COLON = 0x3a;
const DOT = 0x2e;

const address: Address = { start: 0, end: 0, isIp: false, canonical: undefined, port: Number.NaN };
const groups = new Uint16Array(8);
const written = new Uint8Array(45);

/**
 * Takes apart `192.0.2.7`, `192.0.2.7:443`, `[2001:db8::7]:443`, `fe80::1%eth0`, `www.example.org:80`, or the first of several with commas
 * (X-Forwarded-For). An IP address has one text, so that one client is one key: IPv4 in four decimal parts without leading zeros, IPv6 as
 * RFC 5952 has it, without zone, and an IPv4-mapped one (`::ffff:192.0.2.7`) as IPv4.
 */
export function readAddress(bytes: Uint8Array, start: number, end: number): Address {
  if (!isPlainIpv6(bytes, start, end)) return takeApart(bytes, start, end);
  address.start = start;
  address.end = end;
  address.isIp = true;
  address.canonical = undefined;
  address.port = Number.NaN;
  return address;
}

/** An IPv6 address that needs no second look: it is written as it should be, and none of its groups is zero but for those of `::`. */
function isPlainIpv6(bytes: Uint8Array, start: number, end: number): boolean {
  let groups = 0;
  let digits = 0;
  let hasGap = false;
  if (bytes[start] === COLON) return false;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === COLON) {
      if (digits > 0) groups++;
      else if (hasGap) return false;
      else hasGap = true;
      digits = 0;
    } else {
      const isDigit = (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66);
      if (!isDigit || (digits === 0 && byte === 0x30) || digits === 4) return false;
      digits++;
    }
  }
  if (digits === 0) return false;
  return hasGap ? groups < 6 : groups === 7;
}

function takeApart(bytes: Uint8Array, start: number, end: number): Address {
  let from = start;
  let to = start;
  let colons = 0;
  let colon = -1;
  for (; to < end && bytes[to] !== 0x2c; to++) {
    if (bytes[to] === COLON) {
      colons++;
      colon = to;
    }
  }
  address.port = Number.NaN;
  if (bytes[from] === 0x5b && to > from) {
    const bracket = bytes.indexOf(0x5d, from);
    const hasPort = bracket + 1 === colon && isPort(bytes, colon + 1, to);
    if (bracket > 0 && (hasPort || bracket + 1 === to)) {
      if (hasPort) address.port = portOf(bytes, colon + 1, to);
      from++;
      to = bracket;
    }
  } else if (colons === 1 && colon > from && isPort(bytes, colon + 1, to)) {
    address.port = portOf(bytes, colon + 1, to);
    to = colon;
  }
  address.start = from;
  address.end = to;
  address.canonical = undefined;
  address.isIp = colons < 2 ? isIpv4(bytes, from, to) : takeIpv6(bytes, from, to);
  return address;
}

/** IPv6 (RFC 4291 §2.2: eight groups, one `::`, an IPv4 tail), with or without a zone. */
function takeIpv6(bytes: Uint8Array, start: number, end: number): boolean {
  let zone = start;
  while (zone < end && bytes[zone] !== 0x25) zone++;
  if (!parseIpv6(bytes, start, zone)) return false;
  address.end = zone;
  const length = writeGroups();
  let same = length === zone - start ? 0 : -1;
  while (same >= 0 && same < length) same = bytes[start + same] === written[same] ? same + 1 : -1;
  if (same < 0) address.canonical = written.subarray(0, length);
  return true;
}

function isPort(bytes: Uint8Array, start: number, end: number): boolean {
  if (end === start || end - start > 5) return false;
  for (let at = start; at < end; at++) if (bytes[at]! < 0x30 || bytes[at]! > 0x39) return false;
  return true;
}

function portOf(bytes: Uint8Array, start: number, end: number): number {
  let port = 0;
  for (let at = start; at < end; at++) port = port * 10 + bytes[at]! - 0x30;
  return port;
}

export function isIpv4(bytes: Uint8Array, start: number, end: number): boolean {
  let parts = 0;
  let value = 0;
  let digits = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit >= 0 && digit <= 9) {
      if (digits > 0 && value === 0) return false;
      value = value * 10 + digit;
      digits++;
      if (value > 255) return false;
    } else {
      if (bytes[at] !== DOT || digits === 0) return false;
      parts++;
      value = 0;
      digits = 0;
    }
  }
  return parts === 3 && digits > 0;
}

/** Reads the eight groups of an address. False where it is none. */
function parseIpv6(bytes: Uint8Array, start: number, end: number): boolean {
  let count = 0;
  let gap = -1;
  let at = start;
  if (bytes[at] === COLON) {
    if (at + 1 >= end || bytes[at + 1] !== COLON) return false;
    gap = 0;
    at += 2;
  }
  while (at < end) {
    if (count === 8) return false;
    const first = at;
    let value = 0;
    for (let digit = hexDigit(bytes[at]!); digit >= 0 && at < end; digit = hexDigit(bytes[++at]!))
      value = value * 16 + digit;
    if (at < end && bytes[at] === DOT) {
      if (count > 6 || !isIpv4(bytes, first, end)) return false;
      takeIpv4Tail(bytes, first, end, count);
      count += 2;
      break;
    }
    if (at === first || at - first > 4) return false;
    groups[count++] = value;
    if (at === end) break;
    if (bytes[at] !== COLON || ++at === end) return false;
    if (bytes[at] === COLON) {
      if (gap >= 0) return false;
      gap = count;
      at++;
    }
  }
  if (gap < 0 || count > 7) return count === 8 && gap < 0;
  const moved = 8 - (count - gap);
  groups.copyWithin(moved, gap, count);
  groups.fill(0, gap, moved);
  return true;
}

function takeIpv4Tail(bytes: Uint8Array, start: number, end: number, group: number): void {
  let value = 0;
  let part = 0;
  for (let at = start; at < end; at++) {
    if (bytes[at] === DOT) {
      value = value * 256 + part;
      part = 0;
    } else part = part * 10 + bytes[at]! - 0x30;
  }
  value = value * 256 + part;
  groups[group] = value / 0x10000;
  groups[group + 1] = value % 0x10000;
}

/** Writes the groups as RFC 5952 has them, a mapped IPv4 address as IPv4, and gives the length. */
function writeGroups(): number {
  const isMapped = groups[5] === 0xffff && !groups.subarray(0, 5).some((group) => group !== 0);
  if (isMapped) return writeIpv4(groups[6]!, groups[7]!);
  // The longest run of zeros becomes `::`, the first of equals; a single zero does not.
  let gap = 8;
  let gapLength = 1;
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (i + run < 8 && groups[i + run] === 0) run++;
    if (run > gapLength) {
      gap = i;
      gapLength = run;
    }
    i += run;
  }
  let length = 0;
  for (let i = 0; i < 8; i++) {
    if (i === gap) {
      written[length++] = COLON;
      if (i === 0) written[length++] = COLON;
      i += gapLength - 1;
      continue;
    }
    const group = groups[i]!;
    for (let shift = group > 0xfff ? 12 : group > 0xff ? 8 : group > 0xf ? 4 : 0; shift >= 0; shift -= 4) {
      const digit = (group >> shift) & 15;
      written[length++] = digit < 10 ? 0x30 + digit : 0x57 + digit;
    }
    if (i < 7) written[length++] = COLON;
  }
  return length;
}

function writeIpv4(high: number, low: number): number {
  const text = `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  for (let i = 0; i < text.length; i++) written[i] = text.charCodeAt(i);
  return text.length;
}

/** The value of a hexadecimal digit, −1 for any other byte. */
function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
