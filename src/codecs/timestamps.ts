/** Parsers of fixed time formats over bytes. All give milliseconds since 1970, UTC, or NaN; without a written zone a time is UTC. */

const DAY_MS = 86_400_000;
const DAYS_OF_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Length of `17/May/2015:10:05:03 +0000`. */
const CLF_TIME_BYTES = 26;

/** Days from 1970-01-01 to a date of the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms"). */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/**
 * The Common Log Format's time at `bytes[at]`, as `17/May/2015:10:05:03 +0000`. Second 60 (a leap second) is the next minute's
 * first; a day that its month does not have, as 30/Feb, is no time.
 */
export function parseClfTime(bytes: Uint8Array, at: number): number {
  if (at + CLF_TIME_BYTES > bytes.length) return Number.NaN;
  if (bytes[at + 2] !== 0x2f || bytes[at + 6] !== 0x2f || bytes[at + 11] !== 0x3a || bytes[at + 20] !== 0x20) {
    return Number.NaN;
  }
  const year = digitPair(bytes, at + 7) * 100 + digitPair(bytes, at + 9);
  const month = monthOfName(bytes, at + 3);
  return dateMs(year, month, digitPair(bytes, at)) + timeOfDayMs(bytes, at + 12) - zoneMs(bytes, at + 21, at + 26);
}

/**
 * RFC 3339 and its kin in ISO 8601: `2015-05-17T10:05:03.123456Z`. The separator is `T`, `t` or a blank; a fraction (after a
 * dot or a comma) is cut to milliseconds; the zone is `Z`, `z`, `+hh:mm`, `+hhmm` or `+hh`, or missing.
 */
export function parseIsoTime(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 19 || end > bytes.length) return Number.NaN;
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
    for (let scale = 100; at < end && isDigit(bytes[at]!); at++, scale /= 10) {
      if (scale >= 1) fractionMs += (bytes[at]! - 0x30) * scale;
    }
    if (at === first) return Number.NaN;
  }
  return wholeMs + fractionMs - zoneMs(bytes, at, end);
}

/** NaN where the date does not exist. `year` may be NaN. */
function dateMs(year: number, month: number, day: number): number {
  if (!(year >= 0 && month >= 1 && month <= 12 && day >= 1)) return Number.NaN;
  const isLeapDay = month === 2 && day === 29 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (day > DAYS_OF_MONTH[month - 1]! && !isLeapDay) return Number.NaN;
  return daysFromCivil(year, month, day) * DAY_MS;
}

/** `hh:mm:ss` at `at`, which must be eight bytes inside `bytes`. */
function timeOfDayMs(bytes: Uint8Array, at: number): number {
  const hour = digitPair(bytes, at);
  const minute = digitPair(bytes, at + 3);
  const second = digitPair(bytes, at + 6);
  if (!(hour <= 23 && minute <= 59 && second <= 60) || bytes[at + 2] !== 0x3a || bytes[at + 5] !== 0x3a)
    return Number.NaN;
  return ((hour * 60 + minute) * 60 + second) * 1000;
}

/** The zone in [at, end): nothing, `Z`, `±hh`, `±hhmm` or `±hh:mm`. */
function zoneMs(bytes: Uint8Array, at: number, end: number): number {
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

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Two digits as a number, or NaN. */
function digitPair(bytes: Uint8Array, at: number): number {
  const tens = bytes[at]!;
  const ones = bytes[at + 1]!;
  return isDigit(tens) && isDigit(ones) ? (tens - 0x30) * 10 + ones - 0x30 : Number.NaN;
}

/** 1 for `Jan` … 12 for `Dec`, 0 for anything else. */
function monthOfName(bytes: Uint8Array, at: number): number {
  switch ((bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!) {
    case 0x4a616e:
      return 1;
    case 0x466562:
      return 2;
    case 0x4d6172:
      return 3;
    case 0x417072:
      return 4;
    case 0x4d6179:
      return 5;
    case 0x4a756e:
      return 6;
    case 0x4a756c:
      return 7;
    case 0x417567:
      return 8;
    case 0x536570:
      return 9;
    case 0x4f6374:
      return 10;
    case 0x4e6f76:
      return 11;
    case 0x446563:
      return 12;
    default:
      return 0;
  }
}
