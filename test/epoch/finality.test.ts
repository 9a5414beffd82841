import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isFinal, windowStart } from '../../src/epoch/finality.ts';

test('a window is final when its last millisecond and the lateness lie at or below the watermark', () => {
  expect([59_998, 59_999, 60_000].map((watermarkMs) => isFinal(60_000, 0, watermarkMs))).toEqual([false, true, true]);
  expect([69_998, 69_999].map((watermarkMs) => isFinal(60_000, 10_000, watermarkMs))).toEqual([false, true]);
  expect([isFinal(0, 0, -Infinity), isFinal(60_000, Infinity, 2 ** 53)]).toEqual([false, false]);
});

test('a window holds its event time, and its start is an offset and a whole number of sizes', () => {
  const time = fc.integer({ min: -(2 ** 43), max: 2 ** 43 });
  fc.assert(
    fc.property(
      time,
      fc.integer({ min: 1, max: 2 ** 32 }),
      fc.double({ min: -0.999, max: 0.999, noNaN: true }),
      (timeMs, sizeMs, part) => {
        const offsetMs = Math.trunc(part * sizeMs);
        const startMs = windowStart(timeMs, sizeMs, offsetMs);
        expect(startMs).toBeLessThanOrEqual(timeMs);
        expect(timeMs).toBeLessThan(startMs + sizeMs);
        expect(((startMs - offsetMs) % sizeMs) + 0).toBe(0);
      },
    ),
    { seed: 5, numRuns: 1000 },
  );
});
