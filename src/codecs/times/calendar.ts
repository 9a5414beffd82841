/** Dates and times of day as digits in bytes. All give milliseconds, or NaN. */

export const DAY_MS = 86_400_000;
const DAYS_OF_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Days from 1970-01-01 to a date of the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms"). */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** NaN where the date does not exist. `year` may be NaN. */
export function dateMs(year: number, month: number, day: number): number {
  if (!(year >= 0 && month >= 1 && month <= 12 && day >= 1)) return Number.NaN;
  if (day > DAYS_OF_MONTH[month - 1]! && !(month === 2 && day === 29 && isLeapYear(year))) return Number.NaN;
  return daysFromCivil(year, month, day) * DAY_MS;
}

/** The day `day` of a year, from 1. */
export function ordinalDateMs(year: number, day: number): number {
  if (!(year >= 0 && day >= 1 && day <= (isLeapYear(year) ? 366 : 365))) return Number.NaN;
  return (daysFromCivil(year, 1, 1) + day - 1) * DAY_MS;
}

/** A day of a week of ISO 8601: week 1 is the one that has the year's first Thursday, day 1 is Monday. */
export function weekDateMs(year: number, week: number, day: number): number {
  if (!(year >= 0 && week >= 1 && week <= 53 && day >= 1 && day <= 7)) return Number.NaN;
  const first = firstMonday(year);
  const days = first + (week - 1) * 7;
  return days < firstMonday(year + 1) ? (days + day - 1) * DAY_MS : Number.NaN;
}

/** The Monday of a year's week 1, in days since 1970: the one on or before January 4th. */
function firstMonday(year: number): number {
  const fourth = daysFromCivil(year, 1, 4);
  // 1970-01-01 was a Thursday.
  return fourth - ((((fourth + 3) % 7) + 7) % 7);
}

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/** `hh:mm:ss` at `at`, which must be eight bytes inside `bytes`. Second 60 (a leap second) is the next minute's first. */
export function timeOfDayMs(bytes: Uint8Array, at: number): number {
  const hour = digitPair(bytes, at);
  const minute = digitPair(bytes, at + 3);
  const second = digitPair(bytes, at + 6);
  if (!(hour <= 23 && minute <= 59 && second <= 60) || bytes[at + 2] !== 0x3a || bytes[at + 5] !== 0x3a)
    return Number.NaN;
  return ((hour * 60 + minute) * 60 + second) * 1000;
}

export function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** One past the digits at `from`. */
export function digitsEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && isDigit(bytes[at])) at++;
  return at;
}

/** Two digits as a number, or NaN. */
export function digitPair(bytes: Uint8Array, at: number): number {
  const tens = bytes[at]!;
  const ones = bytes[at + 1]!;
  return tens >= 0x30 && tens <= 0x39 && ones >= 0x30 && ones <= 0x39 ? (tens - 0x30) * 10 + ones - 0x30 : Number.NaN;
}

/** 1 for `Jan` … 12 for `Dec`, 0 for anything else. */
export function monthOfName(bytes: Uint8Array, at: number): number {
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
