import { z } from 'zod';

/** Before it no zone had a change of its clock: the time zone data's first is of 1835. */
const FIRST_CHANGE_MS = Date.UTC(1800, 0);

/** What clocks on the wall of a place show. Each question asks `Intl`: some microseconds. */
export class ZoneClock {
  readonly #format: Intl.DateTimeFormat;

  /** Throws a RangeError for a name that the time zone data does not have. */
  constructor(name: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  }

  /** By how much the clock is ahead of UTC. */
  offsetAt(timeMs: number): number {
    // Whole seconds, for times before 1970, too.
    const at = Math.floor(Math.max(timeMs, FIRST_CHANGE_MS) / 1000) * 1000;
    const [, month, day, year, hour, minute, second] = CLOCK.exec(this.#format.format(at))!.map(Number);
    return Date.UTC(year!, month! - 1, day, hour, minute, second) - at;
  }

  /** The moment at which the offset stops being `offsetMs`, which it is at `fromMs`, and is not at `toMs`: clocks change at whole seconds. */
  changeBetween(fromMs: number, toMs: number, offsetMs: number): number {
    let [low, high] = [Math.floor(fromMs / 1000), Math.floor(toMs / 1000)];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.offsetAt(middle * 1000) === offsetMs) low = middle;
      else high = middle;
    }
    return high * 1000;
  }
}

/** As `en-US` writes it: `5/17/2015, 12:05:03`. */
const CLOCK = /^(\d+)\/(\d+)\/(\d+), (\d+):(\d+):(\d+)$/;

/** Whether the time zone data has it. Offsets, which `Intl` takes as well, are not places. */
export function isZone(name: string): boolean {
  if (name === 'UTC') return true;
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

const ZONE_FORM = 'expects a name of the time zone data, such as Europe/Berlin';

/** A zone as an option of a component. */
export const zoneName = z
  .string({ error: () => ZONE_FORM })
  .refine(isZone, { error: () => ZONE_FORM })
  .prefault('UTC');
