import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { daysFromCivil } from '../../../src/codecs/times/calendar.ts';
import { parseClfTime } from '../../../src/codecs/times/clf.ts';
import { parseIsoTime } from '../../../src/codecs/times/iso.ts';

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
  const minute = Date.UTC(2015, 4, 17, 10, 5);
  const day = Date.UTC(2015, 4, 17);
  test.each([
    ['2015-05-17T10:05:03', at],
    ['2015-05-17T10:05:03Z', at],
    ['2015-05-17t10:05:03z', at],
    ['2015-05-17T12:05:03+02', at],
    ['2015-05-17T10:05:03.9Z', at + 900],
    ['2015-05-17T10:05:03.1239999999', at + 123],
    ['2015-05-17T10:04:60Z', minute],
    ['2016-02-29T00:00:00Z', Date.UTC(2016, 1, 29)],
    ['2015-05-17T10:05Z', minute],
    ['2015-05-17T12:05+02:00', minute],
    ['2015-05-17T12:05+02', minute],
    ['2015-05-17 10:05', minute],
    ['2015-05-17T10', Date.UTC(2015, 4, 17, 10)],
    ['2015-05-17T12+0200', Date.UTC(2015, 4, 17, 10)],
    ['20150517T100503Z', at],
    ['20150517T100503.250Z', at + 250],
    ['20150517T100503,25+0000', at + 250],
    ['20150517T1005Z', minute],
    ['20150517T1205+02', minute],
    ['20150517T10Z', Date.UTC(2015, 4, 17, 10)],
    ['2015-05-17', day],
    ['20150517', day],
    ['2015/05/17', day],
    ['2015-05-17Z', day],
    ['2015-05-17+02:00', day - 7_200_000],
    ['2015/05/17 10:05:03', at],
    ['2015-137', day],
    ['2015137', day],
    ['2015-137T10:05:03Z', at],
    ['2016-366', Date.UTC(2016, 11, 31)],
    ['2015-W20-7', day],
    ['2015W207', day],
    ['2015-W20-7T10:05:03.5+00:00', at + 500],
    ['2015-W01-1', Date.UTC(2014, 11, 29)],
    ['2020-W53-7', Date.UTC(2021, 0, 3)],
    ['2015-05-17T24:00:00', day + 86_400_000],
    ['2015-05-17T24:00', day + 86_400_000],
    ['20150517T240000.000Z', day + 86_400_000],
    ['2015-05-17T10:05:03 UTC', at],
    ['2015-05-17T10:05:03UTC', at],
    ['2015-05-17 10:05:03 GMT', at],
    ['2015-05-17 10:05:03.5 Z', at + 500],
    ['2015-05-17 13:05:03 +0300', at],
    ['2015-05-17 13:05:03 +03:00', at],
    ['2015-05-17T12:05:03+02:00[Europe/Berlin]', at],
    ['2015-05-17T12:05:03+02:00[!Europe/Berlin][u-ca=iso8601]', at],
    ['2015-05-17T12:05:03[Europe/Berlin]', at],
    ['2015-05-17T10:05:03Z[UTC]', at],
    ['2015-05-17T10:05Z[Etc/UTC]', minute],
    ['0000-03-01', new Date(0).setUTCFullYear(0, 2, 1)],
  ])('%s', (text, timeMs) => expect(iso(text)).toBe(timeMs));

  test.each([
    '',
    '2015',
    '2015-05',
    '201505',
    '2015-5-17',
    '2015-05-1',
    '150517',
    '2015-02-29T10:05:03',
    '2015-13-01T10:05:03',
    '2015-05-00T10:05:03',
    '2015-05/17',
    '2015-366',
    '2015-000',
    '2015-W54-1',
    '2015-W00-1',
    '2019-W53-1',
    '2015-W20-8',
    '2015-W20',
    '2015-W20+7',
    '2015-05-17T24:00:01',
    '2015-05-17T24:01',
    '2015-05-17T24:00:00.001',
    '2015-05-17T24:00:00.0001',
    '2015-05-17T25',
    '2015-05-17T10:60',
    '2015-05-17T10:05:61',
    '2015-05-17T10:5',
    '2015-05-17T10:05:3',
    '2015-05-17T100',
    '2015-05-17T10:05:03.',
    '2015-05-17T10:05:03.Z',
    '2015-05-17T10:05.5',
    '2015-05-17T10:05:03+2',
    '2015-05-17T10:05:03+02:0',
    '2015-05-17T10:05:03+24:00',
    '2015-05-17T10:05:03  UTC',
    '2015-05-17T10:05:03 EST',
    '2015-05-17T10:05:03 CET',
    '2015-05-17T10:05:03 ',
    '2015-05-17T10:05:03[]',
    '2015-05-17T10:05:03Z[',
    '2015-05-17T10:05:03Z[UTC',
    '2015-05-17T10:05:03Z[UTC]x',
    '2015-05-17T10:05:03[No/Where]',
    '2015-05-17T10:05:03[+02:00]',
    '2015-05-17T10:05:03Zulu',
    '2015-05-17T',
    '2015-05-17 x',
    '201a-05-17T10:05:03',
    '20150517100503',
    '12015-05-17T10:05:03',
    '-2015-05-17',
  ])('%j is not a time', (text) => expect(iso(text)).toBeNaN());
});

test('a time at the end of the bytes is not read past it', () => {
  expect(clf('17/May/2015:10:05:03 +000')).toBeNaN();
  expect(parseIsoTime(Buffer.from('2015-05-17T10:05:03'), 0, 25)).toBeNaN();
});
