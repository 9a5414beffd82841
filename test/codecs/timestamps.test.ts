import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { daysFromCivil, parseClfTime, parseIsoTime } from '../../src/codecs/timestamps.ts';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const iso = (text: string) => parseIsoTime(Buffer.from(text), 0, text.length);
const clf = (text: string) => parseClfTime(Buffer.from(text), 0);

// Years of four digits; `Date` is the oracle of all of them.
const moment = fc
  .integer({ min: Date.UTC(100, 0), max: Date.UTC(9999, 11, 31, 23) })
  .map((seconds) => Math.floor(seconds / 1000) * 1000);
const zoneMinutes = fc.integer({ min: -14 * 60, max: 14 * 60 });

function zoneText(minutes: number, colon: string): string {
  const absolute = Math.abs(minutes);
  const pair = (value: number) => String(value).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${pair(Math.floor(absolute / 60))}${colon}${pair(absolute % 60)}`;
}

test('any time of the Common Log Format comes back', () => {
  fc.assert(
    fc.property(moment, zoneMinutes, (timeMs, zone) => {
      const local = new Date(timeMs + zone * 60_000).toISOString();
      fc.pre(local.length === 24);
      const text = `${local.slice(8, 10)}/${MONTHS[Number(local.slice(5, 7)) - 1]}/${local.slice(0, 4)}:${local.slice(11, 19)}`;
      expect(clf(`${text} ${zoneText(zone, '')}`)).toBe(timeMs);
    }),
    { seed: 5, numRuns: 500 },
  );
});

test('any ISO time comes back, to the millisecond', () => {
  const separator = fc.constantFrom('T', 't', ' ');
  const point = fc.constantFrom('.', ',');
  fc.assert(
    fc.property(
      moment,
      fc.nat(999_999),
      zoneMinutes,
      separator,
      point,
      fc.constantFrom(':', ''),
      (timeMs, micros, zone, t, dot, colon) => {
        const local = new Date(timeMs + zone * 60_000).toISOString();
        fc.pre(local.length === 24);
        const text = `${local.slice(0, 10)}${t}${local.slice(11, 19)}${dot}${String(micros).padStart(6, '0')}${zoneText(zone, colon)}`;
        expect(iso(text)).toBe(timeMs + Math.floor(micros / 1000));
      },
    ),
    { seed: 6, numRuns: 500 },
  );
});

test('every day of four hundred years is counted as `Date` counts', () => {
  for (let day = -150_000; day < 150_000; day += 37) {
    const date = new Date(day * 86_400_000);
    expect(daysFromCivil(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate())).toBe(day);
  }
});

describe('ISO forms', () => {
  const at = Date.UTC(2015, 4, 17, 10, 5, 3);
  test.each([
    ['2015-05-17T10:05:03', at],
    ['2015-05-17T10:05:03Z', at],
    ['2015-05-17t10:05:03z', at],
    ['2015-05-17T12:05:03+02', at],
    ['2015-05-17T10:05:03.9Z', at + 900],
    ['2015-05-17T10:05:03.1239999999', at + 123],
    ['2015-05-17T10:04:60Z', Date.UTC(2015, 4, 17, 10, 5)],
    ['2016-02-29T00:00:00Z', Date.UTC(2016, 1, 29)],
  ])('%s', (text, timeMs) => expect(iso(text)).toBe(timeMs));

  test.each([
    '2015-05-17',
    '2015-05-17T10:05',
    '2015-02-29T10:05:03',
    '2015-13-01T10:05:03',
    '2015-05-00T10:05:03',
    '2015-05-17T24:00:00',
    '2015-05-17T10:05:61',
    '2015-05-17T10:05:03.',
    '2015-05-17T10:05:03.Z',
    '2015-05-17T10:05:03+2',
    '2015-05-17T10:05:03+02:0',
    '2015-05-17T10:05:03+24:00',
    '2015-05-17T10:05:03 UTC',
    '2015/05/17T10:05:03',
    '201a-05-17T10:05:03',
  ])('%s is no time', (text) => expect(iso(text)).toBeNaN());
});

test('a time at the end of the bytes is not read past it', () => {
  expect(clf('17/May/2015:10:05:03 +000')).toBeNaN();
  expect(parseIsoTime(Buffer.from('2015-05-17T10:05:03'), 0, 25)).toBeNaN();
});
