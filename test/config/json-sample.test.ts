import { expect, test } from '@jest/globals';
import { type JsonSample, describeJsonSample } from '../../src/config/json-sample.ts';

function sampleOfText(lines: readonly string[]): JsonSample {
  return describeJsonSample({ bytes: Buffer.from(`${lines.join('\n')}\n`), lines: lines.length, start: 0 });
}

function sampleOf(...records: readonly unknown[]): JsonSample {
  return sampleOfText(records.map((record) => JSON.stringify(record)));
}

test('types, the time and good keys are found in nested records', () => {
  const record = (i: number): unknown => ({
    '@timestamp': `2026-01-01T00:00:0${i}.5Z`,
    log: { level: i % 2 === 0 ? 'info' : 'error' },
    http: { status_code: 200, ms: i + 0.5 },
    client: '192.0.2.1',
    message: `request ${i}`,
    ok: true,
    tags: ['a', 'b'],
    nothing: null,
  });
  expect(sampleOf(...Array.from({ length: 8 }, (_, i) => record(i)))).toEqual({
    fields: {
      '@timestamp': 'date',
      'log.level': 'keyword',
      'http.status_code': 'long',
      'http.ms': 'double',
      client: 'ip',
      message: 'keyword',
      ok: 'boolean',
    },
    timeField: '@timestamp',
    notes: [],
    keys: ['log.level', 'http.status_code'],
  });
});

test.each<[string, unknown]>([
  ['ts', 1767225600.25],
  ['time', 1767225600250],
  ['ts', 1619676109290000],
  ['ts', 1619676109290000000],
  ['msec', '1619676109.290'],
  ['__REALTIME_TIMESTAMP', '1619676109290000'],
  ['time_local', '17/May/2015:10:05:03 +0300'],
  ['date', 'Sun, 17 May 2015 10:05:03 GMT'],
  ['date', '2015-05-17'],
  ['happened', '2015-05-17T10:05'],
  ['happened', '2015-05-17 10:05:03 UTC'],
  ['happened', '2015-05-17T10:05:03+02:00[Europe/Berlin]'],
  ['happened', '20150517T100300Z'],
])('%s: %j is the time', (name, value) => {
  expect(sampleOf({ id: 1, [name]: value })).toMatchObject({ timeField: name, fields: { [name]: 'date' } });
});

test('a time stands in most lines and the decoder reads it', () => {
  expect(sampleOf({ time: 'soon', at: '2026-01-01T00:00:00Z' })).toMatchObject({ timeField: 'at' });
  expect(sampleOf({ time: '2026-01-01', at: 1 }, { at: 1 }, { at: 1 }).timeField).toBeUndefined();
  expect(sampleOf({ bytes: '1619676109' }, { ts: 5 }).timeField).toBeUndefined();
  const mixed = sampleOf({ ts: 1767225600 }, { ts: '2026-01-01T00:00:00Z' }, { ts: 'never' }, { ts: 1767225600250 });
  expect(mixed).toMatchObject({ timeField: 'ts', fields: { ts: 'date' } });
});

test('a number of no time and mixed values are what they are', () => {
  expect(sampleOf({ bytes: 1767225600, id: 1 }, { bytes: 3, id: 'x' })).toEqual({
    fields: { bytes: 'long', id: 'keyword' },
    timeField: undefined,
    notes: [],
    keys: [],
  });
});

test('lines that are no JSON say nothing', () => {
  expect(sampleOfText(['{"a":', '{"a": 1}']).fields).toEqual({ a: 'long' });
});
