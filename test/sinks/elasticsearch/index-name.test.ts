import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DAY_MS } from '../../../src/lib/utc-date.ts';
import {
  dayOf,
  deadLetterIndex,
  indexName,
  parseIndexName,
  streamIndices,
} from '../../../src/sinks/elasticsearch/index-name.ts';

const OPTIONS = { prefix: 'tailrace', stream: 'access', generation: 1 };
const READ = Date.UTC(2026, 10, 26, 13);

const nameOf = (eventTimeMs: number, generation = 1): string =>
  indexName({ ...OPTIONS, generation }, dayOf(eventTimeMs), dayOf(READ));

describe('the index of a line', () => {
  test('is its UTC day, its month when it is more than 30 days old, and one for all beyond a year', () => {
    expect(nameOf(READ)).toBe('tailrace-access-2026.11.26');
    expect(nameOf(READ + DAY_MS)).toBe('tailrace-access-2026.11.27');
    expect(nameOf(READ - 30 * DAY_MS)).toBe('tailrace-access-2026.10.27');
    expect(nameOf(READ - 31 * DAY_MS)).toBe('tailrace-access-2026.10');
    expect(nameOf(READ - 366 * DAY_MS)).toBe('tailrace-access-old');
    expect(nameOf(READ, 3)).toBe('tailrace-access-2026.11.26-g3');
    expect(deadLetterIndex('tailrace', READ)).toBe('tailrace-dead-letters-2026.11.26');
  });

  test('is one for all lines of a UTC day, whenever within a day they were read', () => {
    const times = fc.tuple(fc.nat({ max: 500 }), fc.nat({ max: DAY_MS - 1 }), fc.nat({ max: DAY_MS - 1 }));
    fc.assert(
      fc.property(times, ([days, event, read]) => {
        const today = dayOf(READ) * DAY_MS;
        const name = indexName(OPTIONS, dayOf(today - days * DAY_MS + event), dayOf(today + read));
        expect(name).toBe(indexName(OPTIONS, dayOf(today - days * DAY_MS), dayOf(today)));
      }),
    );
  });

  test('says when everything in it is past, and no name is taken for another stream', () => {
    expect(parseIndexName('tailrace-access-2026.11.26', OPTIONS)).toEqual({
      endMs: Date.UTC(2026, 10, 27),
      generation: 1,
    });
    expect(parseIndexName('tailrace-access-2026.12-g2', OPTIONS)).toEqual({ endMs: Date.UTC(2027, 0), generation: 2 });
    expect(parseIndexName('tailrace-access-old', OPTIONS)).toEqual({ endMs: -Infinity, generation: 1 });
    expect(parseIndexName('tailrace-access-errors-2026.11.26', OPTIONS)).toBeUndefined();
    expect(parseIndexName('tailrace-dead-letters-2026.11.26', OPTIONS)).toBeUndefined();
    fc.assert(
      fc.property(fc.nat({ max: 800 }), fc.integer({ min: 1, max: 9 }), (days, generation) => {
        const name = nameOf(READ - days * DAY_MS, generation);
        const parsed = parseIndexName(name, OPTIONS);
        expect(parsed?.generation).toBe(generation);
        expect(parsed!.endMs === -Infinity || parsed!.endMs > READ - days * DAY_MS).toBe(true);
      }),
    );
  });
});

test('the pattern of a stream leaves out what is known to be of others, and never what is asked for', () => {
  const of = (documents: string[], streams: string[]): string => streamIndices('t', documents, streams).index;
  expect(of(['web', 'web-api', 'other'], ['web'])).toBe('t-web-*,-t-web-api-*');
  expect(of(['web', 'web-api', 'other'], ['web', 'web-api', 'other'])).toBe('t-web-*,t-web-api-*,t-other-*');
  expect(of(['web', 'web-api', 'web-api-v2'], ['web', 'web-api-v2'])).toBe('t-web-*,t-web-api-v2-*');
  expect(of(['dead'], ['dead'])).toBe('t-dead-*,-t-dead-letters-*');
});
