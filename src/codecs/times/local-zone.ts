import { DAY_MS } from './calendar.ts';

/** Before it no zone had a change of its clock: the time zone data's first is of 1835. */
const FIRST_CHANGE_MS = Date.UTC(1800, 0);
/** Two changes that undo each other are never nearer than this: between two looks so far apart none is missed. */
const LOOK_MS = 2 * DAY_MS;
/** Years of changes that are kept for a zone: more than a log has, and what is forgotten is found again. */
const YEARS_MAX = 256;

/** From `fromMs`, a local time, on, clocks are `offsetMs` ahead of UTC. */
interface Stretch {
  readonly fromMs: number;
  readonly offsetMs: number;
}

/**
 * What clocks on the wall of a place mean. A local time that comes twice, when clocks are set back, is its first; one that is left out,
 * when they are set forward, is read as if they had not been set yet (both as Java and `Temporal` do). `Intl` is asked at the edges
 * only: a time in the stretch of the one before it costs two comparisons.
 */
export class LocalZone {
  readonly name: string;
  readonly #format: Intl.DateTimeFormat | undefined;
  readonly #years = new Map<number, readonly Stretch[]>();
  #fromMs = 0;
  #toMs = 0;
  #offsetMs = 0;

  /** Throws a RangeError for a name that the time zone data does not have. */
  constructor(name: string) {
    this.name = name;
    if (name === 'UTC') {
      this.#fromMs = -Infinity;
      this.#toMs = Infinity;
      return;
    }
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

  /** The moment of a local time, both in milliseconds since 1970; NaN for NaN. */
  utcMs(localMs: number): number {
    if (localMs >= this.#fromMs && localMs < this.#toMs) return localMs - this.#offsetMs;
    return Number.isNaN(localMs) ? Number.NaN : this.#find(localMs);
  }

  #find(localMs: number): number {
    const year = new Date(localMs).getUTCFullYear();
    let stretches = this.#years.get(year);
    if (stretches === undefined) {
      if (this.#years.size >= YEARS_MAX) this.#years.clear();
      stretches = this.#stretchesOf(year);
      this.#years.set(year, stretches);
    }
    const next = stretches.findIndex(({ fromMs }) => fromMs > localMs);
    const here = stretches.at(next === -1 ? -1 : next - 1)!;
    this.#fromMs = here.fromMs;
    this.#toMs = next === -1 ? startOfYear(year + 1) : stretches[next]!.fromMs;
    this.#offsetMs = here.offsetMs;
    return localMs - here.offsetMs;
  }

  /** The stretches of a year by its clocks; the first begins with it. */
  #stretchesOf(year: number): Stretch[] {
    const start = startOfYear(year);
    const end = startOfYear(year + 1);
    let fromMs = start - LOOK_MS;
    let offsetMs = this.#offsetAt(fromMs);
    const stretches: Stretch[] = [{ fromMs: start, offsetMs }];
    while (fromMs < end + LOOK_MS) {
      const toMs = fromMs + LOOK_MS;
      const after = this.#offsetAt(toMs);
      if (after !== offsetMs) {
        // Set forward or back: until then the former offset counts, by the clock that shows more.
        const edgeMs = this.#changeBetween(fromMs, toMs, offsetMs) + Math.max(offsetMs, after);
        if (edgeMs <= start) stretches.length = 0;
        if (edgeMs < end) stretches.push({ fromMs: Math.max(edgeMs, start), offsetMs: after });
        offsetMs = after;
      }
      fromMs = toMs;
    }
    return stretches;
  }

  /** The moment at which the offset stops being `offsetMs`: clocks change at whole seconds. */
  #changeBetween(fromMs: number, toMs: number, offsetMs: number): number {
    let [low, high] = [fromMs / 1000, toMs / 1000];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.#offsetAt(middle * 1000) === offsetMs) low = middle;
      else high = middle;
    }
    return high * 1000;
  }

  #offsetAt(timeMs: number): number {
    const at = Math.max(timeMs, FIRST_CHANGE_MS);
    const [, month, day, year, hour, minute, second] = CLOCK.exec(this.#format!.format(at))!.map(Number);
    return Date.UTC(year!, month! - 1, day, hour, minute, second) - at;
  }
}

/** As `en-US` writes it: `5/17/2015, 12:05:03`. */
const CLOCK = /^(\d+)\/(\d+)\/(\d+), (\d+):(\d+):(\d+)$/;

function startOfYear(year: number): number {
  return new Date(0).setUTCFullYear(year, 0, 1);
}

export const UTC = new LocalZone('UTC');

/** Names in brackets are not ours: so many are remembered, those of the time zone data being some six hundred. */
const NAMES_MAX = 1024;
const named = new Map<string, LocalZone | undefined>();

/** The zone of a name that a line has; undefined where there is none. */
export function zoneNamed(name: string): LocalZone | undefined {
  // Differences of case make no other zone.
  const key = name.toLowerCase();
  if (named.has(key)) return named.get(key);
  if (named.size >= NAMES_MAX) named.clear();
  const zone = isZone(name) ? new LocalZone(name) : undefined;
  named.set(key, zone);
  return zone;
}

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
