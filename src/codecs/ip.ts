/**
 * Whether bytes [start, end) are an IP address as Elasticsearch and DuckDB take it: IPv4 in four decimal parts without leading
 * zeros, or IPv6 (RFC 4291 §2.2: eight groups, one `::`, an IPv4 tail). A scoped address (`fe80::1%eth0`) is none.
 */
export function isIpAddress(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (length < 2 || length > 45) return false;
  for (let at = start; at < end && at < start + 5; at++) {
    if (bytes[at] === 0x2e) return isIpv4(bytes, start, end);
    if (bytes[at] === 0x3a) return isIpv6(bytes, start, end);
  }
  return false;
}

function isIpv4(bytes: Uint8Array, start: number, end: number): boolean {
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
      if (bytes[at] !== 0x2e || digits === 0) return false;
      parts++;
      value = 0;
      digits = 0;
    }
  }
  return parts === 3 && digits > 0;
}

function isIpv6(bytes: Uint8Array, start: number, end: number): boolean {
  let groups = 0;
  let hasGap = false;
  let at = start;
  if (bytes[at] === 0x3a) {
    if (bytes[at + 1] !== 0x3a) return false;
    hasGap = true;
    at += 2;
  }
  while (at < end) {
    const first = at;
    while (at < end && at - first <= 4 && isHexDigit(bytes[at]!)) at++;
    if (at === first || at - first > 4) return false;
    if (at < end && bytes[at] === 0x2e) {
      groups += 2;
      return isIpv4(bytes, first, end) && (hasGap ? groups <= 7 : groups === 8);
    }
    groups++;
    if (at === end) break;
    if (bytes[at] !== 0x3a) return false;
    at++;
    if (at < end && bytes[at] === 0x3a) {
      if (hasGap) return false;
      hasGap = true;
      at++;
    } else if (at === end) return false;
  }
  return hasGap ? groups <= 7 : groups === 8;
}

function isHexDigit(byte: number): boolean {
  const lower = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x66);
}
