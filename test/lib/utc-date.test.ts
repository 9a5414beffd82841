import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DAY_MS, dateOfDay } from '../../src/lib/utc-date.ts';

test('a day has the date that Date gives it', () => {
  fc.assert(
    fc.property(fc.integer({ min: -700_000, max: 2_900_000 }), (day) => {
      const date = new Date(day * DAY_MS);
      expect(dateOfDay(day)).toEqual({
        year: date.getUTCFullYear(),
        month: date.getUTCMonth() + 1,
        day: date.getUTCDate(),
      });
    }),
  );
});
