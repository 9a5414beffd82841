import { isDigit } from './calendar.ts';

/** The range of a JavaScript date, ±100 million days: what lies beyond is not a time. */
export const TIME_MS_MAX = 8.64e15;

/** Where the point stands in milliseconds, counted from where it stands in the unit. */
export const EPOCH_SHIFT = { epoch_s: 3, epoch_ms: 0, epoch_us: -3, epoch_ns: -6 } as const;

/** Exponents beyond this say nothing more: zero, or no time. */
const EXPONENT_MAX = 400;

/**
 * A number since 1970 in [start, end), which is a number of JSON, in milliseconds: exact, whatever its digits, and what is less than a
 * millisecond is cut (towards the past). NaN beyond ±100 million days.
 */
export function parseEpochTime(bytes: Uint8Array, start: number, end: number, shift: number): number {
  const isNegative = bytes[start] === 0x2d;
  const first = isNegative ? start + 1 : start;
  const { pointAt, digitsEnd, exponent } = partsOf(bytes, first, end);
  // So many digits, with the point as one place, make whole milliseconds.
  const whole = pointAt - first + exponent + shift;
  let ms = 0;
  let hasRest = false;
  let place = 0;
  for (let at = first; at < digitsEnd; at++) {
    if (at === pointAt) continue;
    const digit = bytes[at]! - 0x30;
    if (place++ < whole) {
      ms = ms * 10 + digit;
      // No more digits can make it less.
      if (ms > TIME_MS_MAX) return Number.NaN;
    } else if (digit !== 0) hasRest = true;
  }
  for (; place < whole && ms !== 0; place++) {
    ms *= 10;
    if (ms > TIME_MS_MAX) return Number.NaN;
  }
  if (!isNegative) return ms;
  const timeMs = hasRest ? -ms - 1 : -ms;
  return timeMs >= -TIME_MS_MAX ? timeMs + 0 : Number.NaN;
}

/**
 * The same where the unit is told from the number: whole numbers of 9 to 11 digits are seconds, of 12 to 14 milliseconds, of 15 to 17
 * microseconds, of 18 to 20 nanoseconds, each from March 1973 to the year 5138. What lies outside is not a time.
 */
export function parseAnyEpochTime(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start]!;
  if (first < 0x31 || first > 0x39) return Number.NaN;
  const { pointAt, exponent } = partsOf(bytes, start, end);
  const digits = pointAt - start + exponent;
  if (digits < 9 || digits > 20) return Number.NaN;
  return parseEpochTime(bytes, start, end, 12 - Math.floor(digits / 3) * 3);
}

interface NumberParts {
  /** Where the point stands, or would. */
  readonly pointAt: number;
  readonly digitsEnd: number;
  readonly exponent: number;
}

function partsOf(bytes: Uint8Array, first: number, end: number): NumberParts {
  let pointAt = first;
  while (pointAt < end && isDigit(bytes[pointAt])) pointAt++;
  let digitsEnd = pointAt;
  if (digitsEnd < end && bytes[digitsEnd] === 0x2e) {
    digitsEnd++;
    while (digitsEnd < end && isDigit(bytes[digitsEnd])) digitsEnd++;
  }
  if (digitsEnd === end) return { pointAt, digitsEnd, exponent: 0 };
  const isNegative = bytes[digitsEnd + 1] === 0x2d;
  let exponent = 0;
  for (let at = digitsEnd + 1; at < end; at++)
    if (isDigit(bytes[at])) exponent = Math.min(EXPONENT_MAX, exponent * 10 + bytes[at]! - 0x30);
  return { pointAt, digitsEnd, exponent: isNegative ? -exponent : exponent };
}
