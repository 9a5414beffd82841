import { dateMs, digitPair, digitsEnd, monthOfName, timeOfDayMs } from './calendar.ts';
import { type LocalZone, UTC } from './local-zone.ts';
import { momentOf, offsetMs } from './zone.ts';

/** Length of `17/May/2015:10:05:03 +0000`, and of its part before the blank. */
const CLF_TIME_BYTES = 26;
const CLF_LOCAL_BYTES = 20;

/**
 * The Common Log Format's time at `bytes[at]`, as `17/May/2015:10:05:03 +0000`. Second 60 (a leap second) is the next minute's
 * first; a day that its month does not have, as 30/Feb, is not a time.
 */
export function parseClfTime(bytes: Uint8Array, at: number): number {
  if (at + CLF_TIME_BYTES > bytes.length || bytes[at + 20] !== 0x20) return Number.NaN;
  return localMs(bytes, at) - offsetMs(bytes, at + 21, at + 26);
}

/** The same as a text of its own in [start, end): in brackets or not, with a fraction as HAProxy writes it, with a zone or without. */
export function parseClfText(bytes: Uint8Array, start: number, end: number, local: LocalZone = UTC): number {
  const hasBrackets = bytes[start] === 0x5b && bytes[end - 1] === 0x5d;
  const first = hasBrackets ? start + 1 : start;
  const last = hasBrackets ? end - 1 : end;
  if (first + CLF_LOCAL_BYTES > last) return Number.NaN;
  let at = first + CLF_LOCAL_BYTES;
  let fractionMs = 0;
  if (at < last && bytes[at] === 0x2e) {
    const digits = at + 1;
    at = digitsEnd(bytes, digits, last);
    if (at === digits) return Number.NaN;
    for (let i = 0, scale = 100; i < 3 && digits + i < at; i++, scale /= 10)
      fractionMs += (bytes[digits + i]! - 0x30) * scale;
  }
  return momentOf(localMs(bytes, first) + fractionMs, bytes, at, last, { local, takesNames: false });
}

function localMs(bytes: Uint8Array, at: number): number {
  if (bytes[at + 2] !== 0x2f || bytes[at + 6] !== 0x2f || bytes[at + 11] !== 0x3a) return Number.NaN;
  const year = digitPair(bytes, at + 7) * 100 + digitPair(bytes, at + 9);
  return dateMs(year, monthOfName(bytes, at + 3), digitPair(bytes, at)) + timeOfDayMs(bytes, at + 12);
}
