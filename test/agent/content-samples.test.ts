import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ContentSamples, type Sample, joinSamples } from '../../src/agent/content-samples.ts';

const positions = fc.oneof(
  fc.integer({ min: 0, max: 40 }).map((power) => 128 * 2 ** power),
  fc.integer({ min: 1, max: 2 ** 40 }),
);
const samples = fc.array(fc.tuple(positions, fc.constantFrom('a', 'b')).map((sample): Sample => sample));

test('what is remembered does not grow by being joined with itself, however often', () => {
  fc.assert(
    fc.property(samples, samples, (left, right) => {
      const once = joinSamples(left, right);
      expect(joinSamples(once, once)).toEqual(once);
      expect(new ContentSamples(joinSamples(once, once)).all).toEqual(once);
      expect(once.length).toBeLessThanOrEqual(41 + 8);
      expect(new Set(once.map(([position]) => position)).size).toBe(once.length);
    }),
    { seed: 9 },
  );
});

test('of a position that both sides know the later one counts', () => {
  expect(joinSamples([[128, 'old']], [[128, 'new']])).toEqual([[128, 'new']]);
});
