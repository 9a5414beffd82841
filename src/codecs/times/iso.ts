import { dateMs, digitPair, digitsEnd, isDigit, ordinalDateMs, timeOfDayMs, weekDateMs } from './calendar.ts';
import { type LocalZone, UTC } from './local-zone.ts';
import { momentOf, offsetMs } from './zone.ts';

/**
 * A time of ISO 8601 in [start, end), with what is usual beside it:
 *
 *     date [ "T" time ] [ zone ]         `T` may be `t` or a blank; a date alone is its first moment
 *     date = 2015-05-17 / 20150517 / 2015/05/17 / 2015-137 / 2015137 / 2015-W20-7 / 2015W207
 *     time = 10 / 10:05 / 1005 / 10:05:03 / 100503, seconds with a fraction after dot or comma, cut to milliseconds
 *     zone = Z / +03 / +0300 / +03:00 / UTC / GMT, a blank before it or none, `[Europe/Berlin]` behind it or alone
 *
 * `24:00` is the next day's first moment, second 60 the next minute's first. Without a zone the clock is `local`. Years have four digits.
 */
export function parseIsoTime(bytes: Uint8Array, start: number, end: number, local: LocalZone = UTC): number {
  if (end > bytes.length) return Number.NaN;
  const timeMs = parseUsual(bytes, start, end, local);
  // What loggers write as a rule is read at once; the rest takes its time.
  return timeMs === timeMs ? timeMs : parseOther(bytes, start, end, local);
}

/** `2015-05-17T10:05:03.123Z` and its like: a date and a time to the second, then a fraction, then `Z` or an offset at once. */
function parseUsual(bytes: Uint8Array, start: number, end: number, local: LocalZone): number {
  if (end - start < 19) return Number.NaN;
  const separator = bytes[start + 10];
  if (separator !== 0x54 && separator !== 0x74 && separator !== 0x20) return Number.NaN;
  if (bytes[start + 4] !== 0x2d || bytes[start + 7] !== 0x2d) return Number.NaN;
  const year = digitPair(bytes, start) * 100 + digitPair(bytes, start + 2);
  const wholeMs =
    dateMs(year, digitPair(bytes, start + 5), digitPair(bytes, start + 8)) + timeOfDayMs(bytes, start + 11);
  let at = start + 19;
  let fractionMs = 0;
  if (at < end && (bytes[at] === 0x2e || bytes[at] === 0x2c)) {
    const first = ++at;
    for (let scale = 100; at < end && isDigit(bytes[at]); at++, scale /= 10) {
      if (scale >= 1) fractionMs += (bytes[at]! - 0x30) * scale;
    }
    if (at === first) return Number.NaN;
  }
  if (at === end) return local.utcMs(wholeMs + fractionMs);
  return wholeMs + fractionMs - offsetMs(bytes, at, end);
}

function parseOther(bytes: Uint8Array, start: number, end: number, local: LocalZone): number {
  const dateEnd = isoDateEnd(bytes, start, end);
  if (dateEnd === -1) return Number.NaN;
  const dayMs = isoDateMs(bytes, start, dateEnd);
  const separator = bytes[dateEnd];
  const hasTime =
    dateEnd + 1 < end &&
    (separator === 0x54 || separator === 0x74 || separator === 0x20) &&
    isDigit(bytes[dateEnd + 1]);
  const clock = hasTime ? readClock(bytes, dateEnd + 1, end) : { timeMs: 0, at: dateEnd };
  return momentOf(dayMs + clock.timeMs, bytes, clock.at, end, { local, takesNames: false });
}

/** One past the date at `start`, −1 where none begins. */
function isoDateEnd(bytes: Uint8Array, start: number, end: number): number {
  const digits = digitsEnd(bytes, start, end) - start;
  // Without separators: 20150517, 2015137.
  if (digits === 8 || digits === 7) return start + digits;
  if (digits !== 4) return -1;
  const after = bytes[start + 4];
  if (after === 0x57) return start + 8 <= end ? start + 8 : -1;
  if (after !== 0x2d && after !== 0x2f) return -1;
  if (after === 0x2d && bytes[start + 5] === 0x57) return start + 10 <= end ? start + 10 : -1;
  const next = digitsEnd(bytes, start + 5, end);
  if (after === 0x2d && next === start + 8) return next;
  return start + 10 <= end && bytes[start + 7] === after ? start + 10 : -1;
}

function isoDateMs(bytes: Uint8Array, start: number, end: number): number {
  const year = digitPair(bytes, start) * 100 + digitPair(bytes, start + 2);
  const at = start + 4;
  const mark = bytes[at];
  const ofYear = (from: number): number => ordinalDateMs(year, digitAt(bytes, from) * 100 + digitPair(bytes, from + 1));
  const ofWeek = (from: number): number => weekDateMs(year, digitPair(bytes, from), digitAt(bytes, end - 1));
  if (end - start === 7) return ofYear(at);
  if (end - start === 8) {
    if (mark === 0x57) return ofWeek(at + 1);
    return mark === 0x2d ? ofYear(at + 1) : dateMs(year, digitPair(bytes, at), digitPair(bytes, at + 2));
  }
  if (bytes[at + 1] === 0x57) return bytes[at + 4] === 0x2d ? ofWeek(at + 2) : Number.NaN;
  return dateMs(year, digitPair(bytes, at + 1), digitPair(bytes, at + 4));
}

/** The time of day at `from`, in milliseconds, and the place after it. */
function readClock(bytes: Uint8Array, from: number, end: number): { readonly timeMs: number; readonly at: number } {
  const none = { timeMs: Number.NaN, at: end };
  const hour = digitPair(bytes, from);
  let [minute, second, fraction] = [0, 0, 0];
  let at = from + 2;
  const hasColons = at < end && bytes[at] === 0x3a;
  if (hasColons || (at < end && isDigit(bytes[at]))) {
    at += hasColons ? 1 : 0;
    minute = at + 2 <= end ? digitPair(bytes, at) : Number.NaN;
    at += 2;
    if (at < end && (hasColons ? bytes[at] === 0x3a : isDigit(bytes[at]))) {
      at += hasColons ? 1 : 0;
      second = at + 2 <= end ? digitPair(bytes, at) : Number.NaN;
      at += 2;
      if (at < end && (bytes[at] === 0x2e || bytes[at] === 0x2c)) {
        const first = at + 1;
        at = digitsEnd(bytes, first, end);
        if (at === first) return none;
        fraction = fractionOf(bytes, first, at);
      }
    }
  }
  const isMidnight = hour === 24 && minute === 0 && second === 0 && fraction === 0;
  if (!((hour <= 23 || isMidnight) && minute <= 59 && second <= 60)) return none;
  return { timeMs: ((hour * 60 + minute) * 60 + second) * 1000 + Math.floor(fraction), at };
}

/** Digits behind a decimal sign, in milliseconds; what is behind the third says only whether it is nothing. */
function fractionOf(bytes: Uint8Array, first: number, end: number): number {
  let ms = 0;
  for (let i = 0; i < 3; i++) ms = ms * 10 + (first + i < end ? bytes[first + i]! - 0x30 : 0);
  const hasMore = bytes.subarray(first + 3, Math.max(first + 3, end)).some((byte) => byte !== 0x30);
  return hasMore ? ms + 0.5 : ms;
}

function digitAt(bytes: Uint8Array, at: number): number {
  return isDigit(bytes[at]) ? bytes[at]! - 0x30 : Number.NaN;
}
