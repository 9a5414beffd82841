import { digitPair, isDigit } from './calendar.ts';
import { type LocalZone, zoneNamed } from './local-zone.ts';

/** The offset in [at, end): nothing, `Z`, `±hh`, `±hhmm` or `±hh:mm`; NaN for anything else. */
export function offsetMs(bytes: Uint8Array, at: number, end: number): number {
  const length = end - at;
  if (length === 0) return 0;
  const sign = bytes[at];
  if (length === 1) return sign === 0x5a || sign === 0x7a ? 0 : Number.NaN;
  if (sign !== 0x2b && sign !== 0x2d) return Number.NaN;
  const hasColon = length === 6 && bytes[at + 3] === 0x3a;
  if (length !== 3 && length !== 5 && !hasColon) return Number.NaN;
  const hours = digitPair(bytes, at + 1);
  const minutes = length === 3 ? 0 : digitPair(bytes, at + (hasColon ? 4 : 3));
  if (!(hours <= 23 && minutes <= 59)) return Number.NaN;
  return (sign === 0x2d ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

/** Zones that RFC 2822 names, in hours; other letters name nothing that can be known. */
const NAMED_HOURS: Readonly<Record<string, number>> = {
  UTC: 0,
  GMT: 0,
  UT: 0,
  Z: 0,
  EST: -5,
  EDT: -4,
  CST: -6,
  CDT: -5,
  MST: -7,
  MDT: -6,
  PST: -8,
  PDT: -7,
};

/** Names that mean the same everywhere. */
const UNIVERSAL = new Set(['UTC', 'GMT', 'UT', 'Z']);

/**
 * The moment of a local time by the zone in [at, end), after a blank or at once: an offset or a name as in RFC 2822 (`UTC`, `EST`), and
 * after it in brackets what RFC 9557 and Java add (`[Europe/Berlin]`), which alone is the zone itself. Nothing there: the clock is `local`.
 */
export function momentOf(
  localMs: number,
  bytes: Uint8Array,
  from: number,
  end: number,
  { local, takesNames }: { readonly local: LocalZone; readonly takesNames: boolean },
): number {
  if (from === end) return local.utcMs(localMs);
  const at = bytes[from] === 0x20 ? from + 1 : from;
  const zoneEnd = suffixStart(bytes, at, end);
  if (zoneEnd > at) {
    const byNumber = offsetMs(bytes, at, zoneEnd);
    const zone = Number.isNaN(byNumber) ? namedMs(bytes, at, zoneEnd, takesNames) : byNumber;
    return areSuffixes(bytes, zoneEnd, end) ? localMs - zone : Number.NaN;
  }
  if (zoneEnd === end || !areSuffixes(bytes, zoneEnd, end)) return Number.NaN;
  const name = Buffer.from(bytes.subarray(zoneEnd + 1, bytes.indexOf(0x5d, zoneEnd))).toString('latin1');
  return zoneNamed(name)?.utcMs(localMs) ?? Number.NaN;
}

function namedMs(bytes: Uint8Array, at: number, end: number, takesNames: boolean): number {
  if (end - at > 3) return Number.NaN;
  const name = Buffer.from(bytes.subarray(at, end)).toString('latin1').toUpperCase();
  if (!takesNames && !UNIVERSAL.has(name)) return Number.NaN;
  return (Object.hasOwn(NAMED_HOURS, name) ? NAMED_HOURS[name]! : Number.NaN) * 3_600_000;
}

function suffixStart(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at] !== 0x5b) at++;
  return at;
}

/** Whether [from, end) is `[…]` after `[…]`, or nothing; inside are letters, digits and `!+-_/=~.`. */
function areSuffixes(bytes: Uint8Array, from: number, end: number): boolean {
  let at = from;
  while (at < end) {
    if (bytes[at++] !== 0x5b) return false;
    const first = at;
    while (at < end && isNameByte(bytes[at]!)) at++;
    if (at === first || at === end || bytes[at++] !== 0x5d) return false;
  }
  return true;
}

const OTHER_NAME_BYTES = new Set(Buffer.from('!+-_/=~.:'));

function isNameByte(byte: number): boolean {
  const lower = byte | 0x20;
  return isDigit(byte) || (lower >= 0x61 && lower <= 0x7a) || OTHER_NAME_BYTES.has(byte);
}
