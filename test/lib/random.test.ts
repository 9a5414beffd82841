import { expect, test } from '@jest/globals';
import { seededRandom } from '../../src/lib/random.ts';

test('the same seed repeats everything, another one nothing', () => {
  const draw = (seed: number) => {
    const random = seededRandom(seed);
    return Array.from({ length: 5 }, () => random.int(1_000_000));
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7).some((value, i) => value === draw(8)[i])).toBe(false);
});

test('numbers are spread evenly, in range', () => {
  const random = seededRandom(1);
  const counts = Array.from({ length: 10 }, () => 0);
  for (let i = 0; i < 100_000; i++) counts[random.int(10)]! += 1;
  // Five standard deviations of a count of 100,000 draws with probability 1/10.
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(5 * Math.sqrt(100_000 * 0.1 * 0.9));
  for (let i = 0; i < 1_000; i++) {
    const value = random.next();
    expect(value >= 0 && value < 1).toBe(true);
  }
});
