import { expect, test } from '@jest/globals';
import { type JsonSample, describeJsonSample } from '../../src/config/json-sample.ts';

function sampleOf(...records: readonly unknown[]): JsonSample {
  return describeJsonSample(records.map((record) => Buffer.from(JSON.stringify(record))));
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
    timeFormat: 'iso',
    keys: ['log.level', 'http.status_code'],
  });
});

test('times may be seconds or milliseconds since 1970; then other times stay text', () => {
  expect(sampleOf({ ts: 1767225600.25, seen: '2026-01-01T00:00:00Z' })).toMatchObject({
    fields: { ts: 'date', seen: 'keyword' },
    timeField: 'ts',
    timeFormat: 'epoch_s',
  });
  expect(sampleOf({ time: 1767225600250 })).toMatchObject({ timeField: 'time', timeFormat: 'epoch_ms' });
});

test('a number of no time and mixed values are what they are', () => {
  expect(sampleOf({ bytes: 1767225600, id: 1 }, { bytes: 3, id: 'x' })).toEqual({
    fields: { bytes: 'long', id: 'keyword' },
    timeField: undefined,
    timeFormat: 'iso',
    keys: [],
  });
});

test('lines that are no JSON say nothing', () => {
  expect(describeJsonSample([Buffer.from('{"a":'), Buffer.from('{"a": 1}')]).fields).toEqual({ a: 'long' });
});
