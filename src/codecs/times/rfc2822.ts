import { dateMs, digitPair, digitsEnd, monthOfName } from './calendar.ts';
import { type LocalZone, UTC } from './local-zone.ts';
import { momentOf } from './zone.ts';

const WEEKDAYS = new Set(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']);

/**
 * A time of RFC 2822 or RFC 822 in [start, end): `Sun, 17 May 2015 10:05:03 +0200`. Weekday and seconds may be missing, years may have two
 * digits (49 is 2049, 50 is 1950), the zone may be a name of RFC 2822 or be missing, a comment in parentheses may follow.
 */
export function parseRfc2822Time(bytes: Uint8Array, start: number, end: number, local: LocalZone = UTC): number {
  const last = commentStart(bytes, start, end);
  const dayAt = afterWeekday(bytes, start, last);
  const dayEnd = digitsEnd(bytes, dayAt, last);
  const monthAt = afterBlanks(bytes, dayEnd, last);
  const yearAt = afterBlanks(bytes, monthAt + 3, last);
  const yearEnd = digitsEnd(bytes, yearAt, last);
  const hourAt = afterBlanks(bytes, yearEnd, last);
  const areApart = monthAt > dayEnd && yearAt > monthAt + 3 && hourAt > yearEnd;
  if (!areApart || hourAt + 5 > last || bytes[hourAt + 2] !== 0x3a) return Number.NaN;
  const day = dayEnd - dayAt === 1 ? bytes[dayAt]! - 0x30 : dayEnd - dayAt === 2 ? digitPair(bytes, dayAt) : Number.NaN;
  const hour = digitPair(bytes, hourAt);
  const minute = digitPair(bytes, hourAt + 3);
  const hasSeconds = bytes[hourAt + 5] === 0x3a && hourAt + 8 <= last;
  const second = hasSeconds ? digitPair(bytes, hourAt + 6) : 0;
  if (!(hour <= 23 && minute <= 59 && second <= 60)) return Number.NaN;
  const dayMs = dateMs(yearOf(bytes, yearAt, yearEnd), monthOf(bytes, monthAt), day);
  const localMs = dayMs + ((hour * 60 + minute) * 60 + second) * 1000;
  const zoneAt = afterBlanks(bytes, hourAt + (hasSeconds ? 8 : 5), last);
  return momentOf(localMs, bytes, zoneAt, last, { local, takesNames: true });
}

function yearOf(bytes: Uint8Array, at: number, end: number): number {
  if (end - at === 4) return digitPair(bytes, at) * 100 + digitPair(bytes, at + 2);
  if (end - at !== 2) return Number.NaN;
  const short = digitPair(bytes, at);
  return short < 50 ? 2000 + short : 1900 + short;
}

/** Whatever the case of its letters. */
function monthOf(bytes: Uint8Array, at: number): number {
  return monthOfName(Uint8Array.of(bytes[at]! & 0xdf, bytes[at + 1]! | 0x20, bytes[at + 2]! | 0x20), 0);
}

/** The place of the day: at once, or after `Sun,`. */
function afterWeekday(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start + 3] !== 0x2c || start + 4 >= end) return start;
  const name = Buffer.from(bytes.subarray(start, start + 3))
    .toString('latin1')
    .toLowerCase();
  return WEEKDAYS.has(name) ? afterBlanks(bytes, start + 4, end) : end;
}

/** Where the text ends without `(UTC)` behind it. */
function commentStart(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[end - 1] !== 0x29) return end;
  let at = end - 1;
  while (at > start && bytes[at] !== 0x28) at--;
  while (at > start && bytes[at - 1] === 0x20) at--;
  return at;
}

function afterBlanks(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at] === 0x20) at++;
  return at;
}
