/** Times in milliseconds on the calendar of UTC, before 1970 as well. */

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** 5 January 1970, the first Monday. */
const MONDAY_MS = 4 * DAY_MS;

const MONTHS = 'January February March April May June July August September October November December'.split(' ');
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

function floored(timeMs: number, unitMs: number, from = 0): number {
  return Math.floor((timeMs - from) / unitMs) * unitMs + from;
}

function within(timeMs: number, unitMs: number, partMs: number): number {
  return Math.floor((timeMs - floored(timeMs, unitMs)) / partMs);
}

function startOf(year: number, month = 0): number {
  // Date.UTC takes years below 100 for those of the last century.
  return new Date(0).setUTCFullYear(year, month, 1);
}

function yearOf(timeMs: number): number {
  return new Date(timeMs).getUTCFullYear();
}

function monthOf(timeMs: number): number {
  return new Date(timeMs).getUTCMonth();
}

function startOfYears(timeMs: number, years: number): number {
  return startOf(Math.floor(yearOf(timeMs) / years) * years);
}

/** Of the week's Thursday: it is in the year that the week belongs to. */
function thursdayOf(timeMs: number): number {
  return floored(timeMs, WEEK_MS, MONDAY_MS) + 3 * DAY_MS;
}

function dayOfYear(timeMs: number): number {
  return Math.floor((timeMs - startOf(yearOf(timeMs))) / DAY_MS) + 1;
}

function weekOf(timeMs: number): number {
  return Math.ceil(dayOfYear(thursdayOf(timeMs)) / 7);
}

function dayOfWeek(timeMs: number): number {
  return new Date(timeMs).getUTCDay();
}

/** The start of the unit that a time is in. */
export const STARTS: ReadonlyMap<string, (timeMs: number) => number> = new Map(
  Object.entries({
    microsecond: (timeMs) => timeMs,
    millisecond: (timeMs) => timeMs,
    second: (timeMs) => floored(timeMs, SECOND_MS),
    minute: (timeMs) => floored(timeMs, MINUTE_MS),
    hour: (timeMs) => floored(timeMs, HOUR_MS),
    day: (timeMs) => floored(timeMs, DAY_MS),
    week: (timeMs) => floored(timeMs, WEEK_MS, MONDAY_MS),
    month: (timeMs) => startOf(yearOf(timeMs), monthOf(timeMs)),
    quarter: (timeMs) => startOf(yearOf(timeMs), Math.floor(monthOf(timeMs) / 3) * 3),
    year: (timeMs) => startOfYears(timeMs, 1),
    decade: (timeMs) => startOfYears(timeMs, 10),
    century: (timeMs) => startOfYears(timeMs, 100),
    millennium: (timeMs) => startOfYears(timeMs, 1000),
  } satisfies Record<string, (timeMs: number) => number>),
);

/** A part of a time, a whole number. */
export const PARTS: ReadonlyMap<string, (timeMs: number) => number> = new Map(
  Object.entries({
    microsecond: (timeMs) => within(timeMs, MINUTE_MS, 1) * 1000,
    millisecond: (timeMs) => within(timeMs, MINUTE_MS, 1),
    second: (timeMs) => within(timeMs, MINUTE_MS, SECOND_MS),
    minute: (timeMs) => within(timeMs, HOUR_MS, MINUTE_MS),
    hour: (timeMs) => within(timeMs, DAY_MS, HOUR_MS),
    day: (timeMs) => new Date(timeMs).getUTCDate(),
    dayofmonth: (timeMs) => new Date(timeMs).getUTCDate(),
    dayofweek: dayOfWeek,
    weekday: dayOfWeek,
    dow: dayOfWeek,
    isodow: (timeMs) => dayOfWeek(timeMs) || 7,
    dayofyear: dayOfYear,
    doy: dayOfYear,
    week: weekOf,
    weekofyear: weekOf,
    isoyear: (timeMs) => yearOf(thursdayOf(timeMs)),
    yearweek: (timeMs) => yearOf(thursdayOf(timeMs)) * 100 + weekOf(timeMs),
    month: (timeMs) => monthOf(timeMs) + 1,
    quarter: (timeMs) => Math.floor(monthOf(timeMs) / 3) + 1,
    year: yearOf,
    decade: (timeMs) => Math.floor(yearOf(timeMs) / 10),
    century: (timeMs) => Math.floor((yearOf(timeMs) - 1) / 100) + 1,
    millennium: (timeMs) => Math.floor((yearOf(timeMs) - 1) / 1000) + 1,
  } satisfies Record<string, (timeMs: number) => number>),
);

export function dayName(timeMs: number): string {
  return DAYS[dayOfWeek(timeMs)]!;
}

export function monthName(timeMs: number): string {
  return MONTHS[monthOf(timeMs)]!;
}
