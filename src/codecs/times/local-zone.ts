import { ZoneClock, isZone } from '../../lib/zone-clock.ts';
import { DAY_MS } from './calendar.ts';

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
  readonly #clock: ZoneClock | undefined;
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
    this.#clock = new ZoneClock(name);
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
    const clock = this.#clock!;
    const start = startOfYear(year);
    const end = startOfYear(year + 1);
    let fromMs = start - LOOK_MS;
    let offsetMs = clock.offsetAt(fromMs);
    const stretches: Stretch[] = [{ fromMs: start, offsetMs }];
    while (fromMs < end + LOOK_MS) {
      const toMs = fromMs + LOOK_MS;
      const after = clock.offsetAt(toMs);
      if (after !== offsetMs) {
        // Set forward or back: until then the former offset counts, by the clock that shows more.
        const edgeMs = clock.changeBetween(fromMs, toMs, offsetMs) + Math.max(offsetMs, after);
        if (edgeMs <= start) stretches.length = 0;
        if (edgeMs < end) stretches.push({ fromMs: Math.max(edgeMs, start), offsetMs: after });
        offsetMs = after;
      }
      fromMs = toMs;
    }
    return stretches;
  }
}

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
