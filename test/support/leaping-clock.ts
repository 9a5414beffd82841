import type { Clock } from '../../src/lib/clock.ts';

export interface LeapingClock extends Clock {
  readonly slept: number[];
}

/** Time that passes only where somebody waits for it. */
export function leapingClock(): LeapingClock {
  let nowMs = 0;
  const slept: number[] = [];
  return {
    slept,
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: (ms) => {
      nowMs += ms;
      slept.push(ms);
      return new Promise((resolve) => setImmediate(resolve));
    },
  };
}
