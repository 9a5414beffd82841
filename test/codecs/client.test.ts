import { expect, test } from '@jest/globals';
import { combined } from '../../src/codecs/combined.ts';
import { common } from '../../src/codecs/common.ts';
import { blockOf, decodeBlock, requestAll } from '../support/decoded.ts';

const request = requestAll(combined, {});
const decoder = combined.compile({}, request);
const decode = (line: string) => decodeBlock(decoder, blockOf([line]), request)[0]!;
const time = '[17/May/2015:10:05:03 +0000]';
const behindTime = '"GET /a HTTP/1.1" 200 5 "-" "agent"';
const at = Date.UTC(2015, 4, 17, 10, 5, 3);

test.each<[string, string, object]>([
  ['192.0.2.7 - John Smith', '', { 'source.ip': '192.0.2.7', 'user.name': 'John Smith' }],
  ['192.0.2.7 - John [x] Smith', '', { 'user.name': 'John [x] Smith' }],
  ['192.0.2.7 - ', '', { 'source.ip': '192.0.2.7', 'user.name': null }],
  ['192.0.2.7 - ""', '', { 'user.name': '""' }],
  ['[2001:DB8::7]:443 - -', '', { 'source.address': '2001:db8::7', 'source.ip': '2001:db8::7', 'source.port': 443 }],
  ['192.0.2.7:51111 - -', '', { 'source.address': '192.0.2.7', 'source.ip': '192.0.2.7', 'source.port': 51111 }],
  ['::ffff:192.0.2.7 - -', '', { 'source.address': '192.0.2.7', 'source.ip': '192.0.2.7', 'source.port': null }],
  ['192.0.2.7, 10.0.0.1 - -', '', { 'source.address': '192.0.2.7', 'source.ip': '192.0.2.7', 'user.name': null }],
  [
    'example.org:443 192.0.2.7 - -',
    '',
    { 'destination.domain': 'example.org', 'destination.port': 443, 'source.ip': '192.0.2.7' },
  ],
  [
    'example.org 2001:db8::7 - a b',
    '',
    { 'destination.domain': 'example.org', 'source.ip': '2001:db8::7', 'user.name': 'a b' },
  ],
  [
    'example.org host.example.net - -',
    '',
    { 'destination.domain': 'example.org', 'source.address': 'host.example.net' },
  ],
  [
    '[2001:db8::1]:80 [2001:db8::7]:5 - -',
    '',
    { 'destination.domain': '2001:db8::1', 'source.ip': '2001:db8::7', 'source.port': 5 },
  ],
  ['192.0.2.7 - -', '', { 'destination.domain': null, 'destination.port': null, 'source.port': null, rest: null }],
  ['192.0.2.7 - -', ' "-"', { 'source.ip': '192.0.2.7', rest: '"-"' }],
  ['192.0.2.7 - -', ' 0.003 0.002 .', { rest: '0.003 0.002 .' }],
  ['192.0.2.7 - -', ' "203.0.113.9, 10.0.0.1" rt=0.1 "a\\"b"', { rest: '"203.0.113.9, 10.0.0.1" rt=0.1 "a\\"b"' }],
  ['192.0.2.7 - -', ' -', { rest: null }],
  ['192.0.2.7 - -', ' ', { rest: null }],
])('a client "%s" and "%s" behind', (who, rest, record) => {
  const line = `${who} ${time} ${behindTime}${rest}`;
  for (const text of [line, `${line}\r`]) {
    const decoded = decode(text);
    expect(decoded).toMatchObject({ reason: 'none', eventTimeMs: at, record });
    expect(decoded.record).toMatchObject({
      'url.path': '/a',
      'http.response.body.bytes': 5,
      'user_agent.original': 'agent',
    });
  }
});

test.each([
  `192.0.2.7 - - ${time} ${behindTime} "203.0.113`,
  `192.0.2.7 - - ${time} ${behindTime} x" y`,
  `192.0.2.7 - - ${time} ${behindTime}x`,
  `192.0.2.7 - - ${time} "GET /a HTTP/1.1" 200 5 "-" "agent`,
  `192.0.2.7 - ${time} ${behindTime}`,
  `192.0.2.7 ${time} ${behindTime}`,
  ` - - ${time} ${behindTime}`,
  `192.0.2.7 - "John Smith" ${time} ${behindTime}`,
  `192.0.2.7 - John Smith ${time} GET /a HTTP/1.1 200 5 "-" "agent"`,
])('%s is malformed', (line) => expect(decode(line).reason).toBe('malformed'));

test('`common` has a rest, too, but a combined line is none', () => {
  const all = requestAll(common, {});
  const lines = ['0.003', '"x"', '"x" y', '"-" "agent"', '"x"  "y"'].map(
    (rest) => `192.0.2.7 - - ${time} "GET /a HTTP/1.1" 200 5 ${rest}`,
  );
  const decoded = decodeBlock(common.compile({}, all), blockOf(lines), all);
  expect(decoded.map(({ reason, record }) => [reason, record['rest']])).toEqual([
    ['none', '0.003'],
    ['none', '"x"'],
    ['none', '"x" y'],
    ['malformed', undefined],
    ['none', '"x"  "y"'],
  ]);
});

test('brackets, quotes and blanks by the hundred thousand cost no more than their bytes', () => {
  for (const unit of [' [', ' [x] ', '"', '\\', ', ', 'a, ', '[:']) {
    const line = `${unit.repeat(100_000)} - - ${time} ${behindTime}`;
    for (const codec of [combined, common]) {
      for (const each of [codec.compile({}, { fields: [] }), codec.interpret({}, { fields: [] })]) {
        const startedMs = performance.now();
        decodeBlock(each, blockOf([line]), { fields: [] });
        expect(performance.now() - startedMs).toBeLessThan(2_000);
      }
    }
  }
});
