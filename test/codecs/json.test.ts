import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { json } from '../../src/codecs/json.ts';
import { TIME_FORMATS, type TimeFormat } from '../../src/codecs/times/reader.ts';
import type { FieldType } from '../../src/record/batch.ts';
import { anyRequest, anyText, blockOf, decodeBlock, mutated, requestAll } from '../support/decoded.ts';

const RUNS = process.env['TAILRACE_SOAK'] === '1' ? 20_000 : 600;
const TROUBLE = '{}[]:,"\\u0123dD8e+-.tfn \t\r/a\x01\x1f\x82\xa2\xe9\xff';

const FIELDS: Record<string, FieldType> = {
  '@timestamp': 'date',
  a: 'keyword',
  'a.b': 'long',
  'a.b.c': 'double',
  'a.b.d': 'boolean',
  ip: 'ip',
  é: 'keyword',
  toString: 'keyword' as const,
  constructor: 'long' as const,
  'http.response.status_code': 'long',
  'http.response.status_text': 'keyword',
};
const options = (timeFormat: TimeFormat) => ({ fields: FIELDS, time_format: timeFormat });

const key = fc.oneof(
  fc.constantFrom(
    'a',
    'b',
    'c',
    'd',
    'a.b',
    'b.c',
    'b.d',
    'a.b.c',
    '@timestamp',
    'ip',
    'é',
    'http',
    'response',
    'http.response',
  ),
  fc.constantFrom(
    'status_code',
    'status_text',
    'response.status_code',
    '__proto__',
    'constructor',
    'toString',
    '',
    '7',
    '.',
  ),
);
const anyScalar = fc.oneof(
  fc.constantFrom(
    '1',
    '-0',
    '0',
    '1e3',
    '1.5',
    '0.1',
    '123456789012.345',
    '1e999',
    '-1e-400',
    '9007199254740991',
    '9007199254740993',
    '9007199254740991.0',
    '9007199254740992.5',
    '9223372036854775807',
    '-9223372036854775808',
    '9223372036854775808',
    '"-9223372036854775809"',
    '922337203685477580.7e1',
    '18446744073709551616',
    '0.09007199254740995e17',
    '-1e400',
    '200.0',
    '01',
    '1.',
    '.5',
    '+1',
    '-',
    '1e',
    '2E+2',
    '1431857103250',
    '1431857103.25',
    '8.64e15',
    '8640000000000001',
  ),
  fc.constantFrom('true', 'false', 'null', 'True', 'nul', 'tru'),
  fc.constantFrom(
    '""',
    '"x"',
    '"17"',
    '"1\\u0037"',
    '"true"',
    '"fals\\u0065"',
    '"192.0.2.7"',
    '"192.0.2\\u002e7"',
    '"::1%x"',
    '"\\/\\b\\f\\n\\r\\t\\"\\\\"',
  ),
  fc.constantFrom(
    '"\\ud83d\\ude00"',
    '"\\ud83d"',
    '"\\ude00\\ud83d"',
    '"\\ud83dx"',
    '"\\u00e9\xc3\xa9\xe9\xff"',
    '"\\ue0e9\\uE1E9\xe9"',
    '"\\x"',
    '"\\u12"',
    '"\t"',
    '"a',
  ),
  fc.constantFrom(
    '"2015-05-17T10:05:03Z"',
    '"2015-05-17 10:05:03,123456+0200"',
    '"2015-02-30T10:05:03Z"',
    '"2015-05-17T10:05:03\\u005a"',
    '"2015-05-17"',
    '"1431857103250"',
    '"2015-05-17T10:05"',
    '"20150517T1005+02"',
    '"2015-05-17T12:05:03+02:00[Europe/Berlin]"',
    '"Sun, 17 May 2015 10:05:03 GMT"',
    '"17/May/2015:10:05:03 +0000"',
    '"1431857103.25"',
    '1431857103250999',
    '1431857103250999999',
  ),
  anyText(TROUBLE, 10).map((text) => `"${text}"`),
);
const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};
const scalar = fc.oneof({ weight: 30, arbitrary: anyScalar.filter(isJson) }, { weight: 1, arbitrary: anyScalar });
const blank = fc.constantFrom('', '', '', ' ', '\t', '\r', '  ');
const keyText = fc.tuple(key, fc.nat(9)).map(([name, kind]) => {
  const bytes = Buffer.from(name, 'utf8').toString('latin1');
  const escaped = name
    .split('')
    .map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
  return kind === 0 ? `"${escaped}"` : `"${bytes}"`;
});
const { value } = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    tie('object'),
    fc
      .tuple(blank, fc.array(tie('value'), { maxLength: 3 }))
      .map(([b, items]) => `[${b}${items.join(`${b},${b}`)}${b}]`),
  ),
  object: fc
    .tuple(blank, fc.array(fc.tuple(keyText, tie('value')), { maxLength: 5 }))
    .map(([b, entries]) => `{${b}${entries.map(([k, v]) => `${k}${b}:${b}${v}`).join(`${b},`)}${b}}`),
}));
const line = fc
  .tuple(blank, fc.array(fc.tuple(keyText, value), { maxLength: 6 }))
  .map(([b, entries]) => `${b}{${entries.map(([k, v]) => `${k}:${v}`).join(',')}}${b}`);

describe('generated and plain decoder agree', () => {
  const anyLine = fc
    .oneof(
      { weight: 4, arbitrary: line },
      { weight: 3, arbitrary: mutated(line, TROUBLE) },
      { weight: 1, arbitrary: value },
      { weight: 1, arbitrary: anyText(TROUBLE) },
    )
    .map((text) => text.replaceAll('\n', ' '));

  test.each(TIME_FORMATS)('on any lines, for any fields, with times as %s', (timeFormat) => {
    let good = 0;
    fc.assert(
      fc.property(
        fc.array(anyLine, { maxLength: 6 }),
        anyRequest(json, options(timeFormat)),
        fc.boolean(),
        (texts, request, isTerminated) => {
          const block = blockOf(texts, 100, isTerminated || texts.at(-1) === '');
          const decoded = decodeBlock(json.compile(options(timeFormat), request), block, request);
          expect(decoded).toEqual(decodeBlock(json.interpret(options(timeFormat), request), block, request));
          good += decoded.filter(({ reason }) => reason === 'none').length;
        },
      ),
      { seed: 3, numRuns: RUNS },
    );
    expect(good).toBeGreaterThan(RUNS / 2);
  });

  test('however the lines are cut into blocks', () => {
    const request = requestAll(json, options('iso'));
    const decoder = json.compile(options('iso'), request);
    fc.assert(
      fc.property(fc.array(anyLine, { maxLength: 6 }), fc.nat(6), (texts, cut) => {
        const head = blockOf(texts.slice(0, cut));
        const tail = blockOf(texts.slice(cut), head.bytes.length);
        const parts = [head, tail].flatMap((block) => decodeBlock(decoder, block, request));
        expect(parts).toEqual(decodeBlock(decoder, blockOf(texts), request));
      }),
      { seed: 4, numRuns: RUNS / 4 },
    );
  });
});

describe('a JSON line', () => {
  const decode = (text: string, timeFormat: TimeFormat = 'iso') => {
    const { fields } = requestAll(json, options(timeFormat));
    return decodeBlock(json.compile(options(timeFormat), { fields }), blockOf([Buffer.from(text).toString('latin1')]), {
      fields,
    })[0]!;
  };

  test.each<[string, string, string | number | bigint | null]>([
    ['{"http":{"response":{"status_code":200}}}', 'http.response.status_code', 200],
    ['{"http.response":{"status_code":"200"}}', 'http.response.status_code', 200],
    ['{"http.response.status_code":2e2}', 'http.response.status_code', 200],
    ['{"a":"x","a":{"b":1}}', 'a', null],
    ['{"a":{"b":1},"a.b":2}', 'a.b', 2],
    ['{"a":{"b":1},"a":{"c":2}}', 'a.b', 1],
    ['{"a":[{"b":1}]}', 'a.b', null],
    ['{"__proto__":{"a":"x"}}', 'a', null],
    ['{}', 'toString', null],
    ['{"a":17.50}', 'a', '17.50'],
    ['{"a":"\\ud83d\\ude00"}', 'a', Buffer.from('😀').toString('latin1')],
    ['{"a":"\\ud83d"}', 'a', '\xed\xa0\xbd'],
    ['{"a":{"b":9007199254740993}}', 'a.b', 2n ** 53n + 1n],
    ['{"a":{"b":"9007199254740993.00"}}', 'a.b', 2n ** 53n + 1n],
    ['{"a":{"b":9007199254740993.5}}', 'a.b', null],
    ['{"a":{"b":9223372036854775807}}', 'a.b', 2n ** 63n - 1n],
    ['{"a":{"b":9223372036854775808}}', 'a.b', Infinity],
    ['{"a":{"b":-9223372036854775808}}', 'a.b', -(2n ** 63n)],
    ['{"a":{"b":-9223372036854775809}}', 'a.b', -Infinity],
    ['{"a":{"b":1.152921504606846977e+18}}', 'a.b', 2n ** 60n + 1n],
    ['{"a":{"b":11529215046068469770e-1}}', 'a.b', 2n ** 60n + 1n],
    ['{"a":{"b":0.00001152921504606846977E23}}', 'a.b', 2n ** 60n + 1n],
    ['{"a":{"b":1e400}}', 'a.b', Infinity],
    ['{"a":{"b":18446744073709551616}}', 'a.b', Infinity],
    ['{"a":{"b":-1e30}}', 'a.b', -Infinity],
    ['{"a":{"b":9007199254740993},"a":{"b":7}}', 'a.b', 7],
    ['{"a":{"b":"\\u00319007199254740993"}}', 'a.b', 19007199254740993n],
    ['{"a":9007199254740993}', 'a', '9007199254740993'],
    ['{"a":{"b":{"c":-0}}}', 'a.b.c', -0],
    ['{"a":{"b":-0}}', 'a.b', 0],
    ['{"a":{"b":{"c":1e999}}}', 'a.b.c', Infinity],
    ['{"a":{"b":{"c":"-1e999"}}}', 'a.b.c', -Infinity],
    ['{"a":{"b":{"c":0.00000000000000000000001}}}', 'a.b.c', 1e-23],
    ['{"a":{"b":{"c":3.14159265358979323846}}}', 'a.b.c', Math.PI],
    ['{"a":{"b":{"c":-123456789012.3456}}}', 'a.b.c', -123456789012.3456],
    ['{"@timestamp":"2015-05-17T12:05:03.25+02:00"}', '@timestamp', Date.UTC(2015, 4, 17, 10, 5, 3, 250)],
    ['{"@timestamp":"2015-05-17 10:05:03"}', '@timestamp', Date.UTC(2015, 4, 17, 10, 5, 3)],
  ])('%s: %s', (text, field, value) => expect(decode(text).record[field]).toBe(value));

  test("a time without a zone is of the stream's, in the generated decoder and in the plain one", () => {
    const request = { fields: [{ name: '@timestamp', type: 'date' as const }], timeZone: 'Europe/Berlin' };
    const block = blockOf([
      '{"@timestamp":"2026-07-01 12:00"}',
      '{"@timestamp":"2026-12-01T12:00:00.5"}',
      '{"@timestamp":"2026-12-01T12:00:00Z"}',
    ]);
    for (const decoder of [json.compile(options('auto'), request), json.interpret(options('auto'), request)])
      expect(
        decodeBlock(decoder, block, request).map(({ record }) => new Date(Number(record['@timestamp'])).toISOString()),
      ).toEqual(['2026-07-01T10:00:00.000Z', '2026-12-01T11:00:00.500Z', '2026-12-01T12:00:00.000Z']);
  });

  test('times as numbers', () => {
    expect(decode('{"@timestamp":1431857103.25}', 'epoch_s').record['@timestamp']).toBe(1431857103250);
    expect(decode('{"@timestamp":"1431857103250"}', 'epoch_ms').record['@timestamp']).toBe(1431857103250);
    expect(decode('{"@timestamp":8640000000000001}', 'epoch_ms').record['@timestamp']).toBe(null);
  });

  test.each([
    '',
    ' ',
    '[]',
    '1',
    '"a"',
    'null',
    '{',
    '{}}',
    '{},',
    '{"a":1,}',
    '{"a"}',
    '{"a":01}',
    '{"a":"\t"}',
    '{"a":"\x1f"}',
    '{"x":"\x1f"}',
    '{"a":tru}',
    '{}\ufeff',
    ' \ufeff{}',
    "{'a':1}",
  ])('%j is malformed', (text) => expect(decode(text).reason).toBe('malformed'));

  test('nests 64 deep and no deeper, and depth does not cost the stack', () => {
    const nested = (open: string, inside: string, close: string, depth: number) =>
      open.repeat(depth) + inside + close.repeat(depth);
    expect(decode(nested('{"a":', '1', '}', 64)).reason).toBe('none');
    expect(decode(nested('{"a":', '1', '}', 65)).reason).toBe('malformed');
    expect(decode(`{"x":${nested('[', '', ']', 63)}}`).reason).toBe('none');
    expect(decode(`{"x":${nested('[', '', ']', 64)}}`).reason).toBe('malformed');
    expect(decode(`{"x":${nested('[', '', ']', 100_000)}}`).reason).toBe('malformed');
  });

  test('nests no deeper where a field is declared that deep', () => {
    const given = {
      fields: { [Array.from({ length: 100 }, () => 'a').join('.')]: 'long' as const, 'b.c': 'long' as const },
      time_format: 'iso' as const,
    };
    const request = requestAll(json, given);
    const lines = [64, 65].map((depth) => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth));
    for (const decoder of [json.compile(given, request), json.interpret(given, request)]) {
      expect(decodeBlock(decoder, blockOf(lines), request).map(({ reason }) => reason)).toEqual(['none', 'malformed']);
    }
  });

  test('without its event time is a dead letter', () => {
    const request = requestAll(json, options('iso'));
    const block = blockOf([
      '{}',
      '{"@timestamp":"yesterday"}',
      '{"@timestamp":"2015-05-17T10:05:03Z"}',
      '{"@timestamp":1}',
    ]);
    const reasons = decodeBlock(json.compile(options('iso'), request), block, request).map(({ reason }) => reason);
    expect(reasons).toEqual(['no_event_time', 'no_event_time', 'none', 'no_event_time']);
  });
});
