import { ZoneClock } from '../lib/zone-clock.ts';

/** Windows that are remembered: as many as lines in disorder come back to. What is forgotten is found again. */
const KNOWN_MAX = 64;

export interface WindowEdges {
  readonly startMs: number;
  readonly endMs: number;
}

export interface ZoneWindowsOptions {
  readonly timeZone: string;
  /** A part of a day. */
  readonly sizeMs: number;
  readonly offsetMs: number;
}

/**
 * Windows by clocks on the wall: all moments, without a gap, in which a clock shows one part of one local day. So a day has 23, 24 or 25 hours, an
 * hour that comes twice when clocks are set back is one window of two (parts shorter than that shift come twice, as two windows), and what a clock
 * skips is in none. `Intl` is asked where a window begins, not for every line.
 */
export class ZoneWindows {
  readonly #clock: ZoneClock;
  readonly #sizeMs: number;
  readonly #offsetMs: number;
  /** The last that was asked for stands first. */
  readonly #known: WindowEdges[] = [];

  constructor({ timeZone, sizeMs, offsetMs }: ZoneWindowsOptions) {
    this.#clock = new ZoneClock(timeZone);
    this.#sizeMs = sizeMs;
    this.#offsetMs = offsetMs;
  }

  /** The window of a moment. */
  at(timeMs: number): WindowEdges {
    const index = this.#known.findIndex(({ startMs, endMs }) => timeMs >= startMs && timeMs < endMs);
    if (index === 0) return this.#known[0]!;
    const [edges] = index > 0 ? this.#known.splice(index, 1) : [this.#find(timeMs)];
    this.#known.unshift(edges!);
    if (this.#known.length > KNOWN_MAX) this.#known.pop();
    return edges!;
  }

  #find(timeMs: number): WindowEdges {
    return { startMs: this.#startOf(timeMs), endMs: this.#endOf(timeMs) };
  }

  /** Number of the part of a day, counted by the clock. */
  #partOf(timeMs: number, aheadMs: number): number {
    return Math.floor((timeMs + aheadMs - this.#offsetMs) / this.#sizeMs);
  }

  #startOf(timeMs: number): number {
    const clock = this.#clock;
    let atMs = timeMs;
    for (;;) {
      const aheadMs = clock.offsetAt(atMs);
      const part = this.#partOf(atMs, aheadMs);
      const startMs = part * this.#sizeMs + this.#offsetMs - aheadMs;
      const beforeMs = clock.offsetAt(startMs - 1);
      if (beforeMs === aheadMs) return startMs;
      // Clocks were set in between: to the same part, which began before that, or to another one, which begins there.
      const changeMs = clock.changeBetween(startMs - 1, atMs, beforeMs);
      if (this.#partOf(changeMs - 1, beforeMs) !== part) return changeMs;
      atMs = changeMs - 1;
    }
  }

  #endOf(timeMs: number): number {
    const clock = this.#clock;
    let atMs = timeMs;
    for (;;) {
      const aheadMs = clock.offsetAt(atMs);
      const part = this.#partOf(atMs, aheadMs);
      const endMs = (part + 1) * this.#sizeMs + this.#offsetMs - aheadMs;
      const behindMs = clock.offsetAt(endMs);
      if (behindMs === aheadMs) return endMs;
      const changeMs = clock.changeBetween(atMs, endMs, aheadMs);
      if (this.#partOf(changeMs, behindMs) !== part) return changeMs;
      atMs = changeMs;
    }
  }
}
