import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { CodecDefinition, DecodeRequest } from '../../src/codecs/codec.ts';
import { combined } from '../../src/codecs/combined.ts';
import { common } from '../../src/codecs/common.ts';
import { json } from '../../src/codecs/json.ts';
import { COMPONENTS } from '../../src/components.ts';
import { refusalDetail } from '../../src/engine/line-detail.ts';
import { Batch, VERDICT_GOES_ON } from '../../src/record/batch.ts';
import { anyText, blockOf, mutated } from '../support/decoded.ts';

const RUNS = process.env['TAILRACE_SOAK'] === '1' ? 50_000 : 2_000;
const WHO = '192.0.2.7 - - ';
const TIME = '[17/May/2015:10:05:03 +0000]';
const START = `${WHO}${TIME} `;
const REQUEST = '"GET / HTTP/1.1"';
const GOOD = `${START}${REQUEST} 200 5`;
const JSON_OPTIONS = json.options.parse({ fields: { ts: 'date', 'a.b': 'long', n: 'long' } });

function explained<Options>(codec: CodecDefinition<Options>, options: Options, line: string, field?: string): string {
  const request = { fields: [], ...(field === undefined ? {} : { eventTimeField: field }) };
  const explanation = codec.explain!(options, request)(Buffer.from(line));
  return explanation === undefined ? 'nothing' : refusalDetail(explanation);
}

const end = (line: string): number => line.length + 1;

/** [what is wrong, line, field, column, problem] */
type Case = [what: string, line: string, field: string, column: number, problem: string];

const WHO_CASES: Case[] = [
  ['an empty line', '', 'source.address', 1, 'expected an address, found the end of the line'],
  ['a blank in front', ` ${GOOD}`, 'source.address', 1, 'expected an address'],
  ['one word', 'hello', 'apache.access.user.identity', 6, 'expected a blank, found the end of the line'],
  ['two words', 'hello world', 'user.name', 12, 'expected a blank, found the end of the line'],
  ['three words', 'a b c', '@timestamp', 6, 'expected a blank, found the end of the line'],
  ['no time', `${WHO}${REQUEST} 200 5`, '@timestamp', 15, `expected '[' and a time, found '"GET'`],
  ['a tab between words', `192.0.2.7\t- - x`, 'apache.access.user.identity', 10, `expected a blank, found '\t-'`],
  ['too few words before the time', `192.0.2.7 ${TIME} ${REQUEST} 200 5`, 'apache.access.user.identity', 10, ''],
  ['no user before the time', `192.0.2.7 - ${TIME} ${REQUEST} 200 5`, 'user.name', 12, 'expected a blank and a user'],
  [
    'a list without an end',
    `192.0.2.7, ${TIME} ${REQUEST} 200 5`,
    'source.address',
    11,
    'expected a blank and an address',
  ],
  ['a bracket that stays open', `${WHO}[17/May/2015 ${REQUEST} 200 5`, '@timestamp', 15, 'no closing bracket'],
  ['a line that ends in its time', `${WHO}[17/May/20`, '@timestamp', 15, 'no closing bracket'],
  ['a line that ends behind its time', START.trim(), 'http.request.method', 43, 'found the end of the line'],
  ['a request without quotes', `${START}GET / HTTP/1.1 200 5`, 'http.request.method', 43, 'a blank and a quote'],
];
const FIELD_CASES: Case[] = [
  ['a request that stays open', `${START}"GET / HTTP/1.1 200 5`, 'http.request.method', 44, 'no closing quote'],
  ['a request that ends in an escape', `${START}"GET \\`, 'http.request.method', 44, 'no closing quote'],
  ['no status', `${START}${REQUEST}`, 'http.response.status_code', 60, 'expected a blank, found the end of the line'],
  ['a short status', `${START}${REQUEST} 20 5`, 'http.response.status_code', 61, `digits or '-', found '20'`],
  ['a long status', `${START}${REQUEST} 2000 5`, 'http.response.status_code', 61, `found '2000'`],
  ['no bytes', `${START}${REQUEST} 200`, 'http.response.body.bytes', 64, 'expected a blank, found the end of the line'],
  ['a word for bytes', `${START}${REQUEST} 200 é5`, 'http.response.body.bytes', 65, `digits or '-', found 'é5'`],
  [
    'too many bytes',
    `${START}${REQUEST} 200 9007199254740992`,
    'http.response.body.bytes',
    65,
    'expected at most 9007',
  ],
];
const COMBINED_CASES: Case[] = [
  ['no referrer', GOOD, 'http.request.referrer', end(GOOD), 'expected a blank, found the end of the line'],
  ['a bare referrer', `${GOOD} - "x"`, 'http.request.referrer', end(GOOD) + 1, `expected a quote, found '-'`],
  ['an open referrer', `${GOOD} "é`, 'http.request.referrer', end(GOOD) + 1, 'no closing quote'],
  ['no agent', `${GOOD} "é"`, 'user_agent.original', end(GOOD) + 5, 'expected a blank, found the end of the line'],
  ['an open agent', `${GOOD} "-" "x`, 'user_agent.original', end(GOOD) + 5, 'no closing quote'],
  ['text at the agent', `${GOOD} "-" "x"y z`, 'rest', end(GOOD) + 8, `a blank or the end of the line, found 'y'`],
  ['an open quote behind', `${GOOD} "-" "x" a "b`, 'rest', end(GOOD) + 11, 'no closing quote'],
];
const COMMON_CASES: Case[] = [
  ['the end of combined', `${GOOD} "-" "x"`, 'rest', end(GOOD) + 1, 'two texts in quotes'],
  ['an open quote behind', `${GOOD} x "b`, 'rest', end(GOOD) + 3, 'no closing quote'],
];
const JSON_CASES: Case[] = [
  ['an empty line', '', '', 1, `expected '{', found the end of the line`],
  ['an array', ' [1]', '', 2, `expected '{', found '[1]'`],
  ['a text', 'hello there', '', 1, `expected '{', found 'hello'`],
  ['no colon', '{"a":1,"b" 2}', 'b', 12, `expected ':', found '2}'`],
  ['no value', '{"a":}', 'a', 6, `expected a value, found '}'`],
  ['a bare word', '{"a":{"b":nil}}', 'a.b', 11, `expected a value, found 'nil}}'`],
  ['a number with a zero in front', '{"a":01}', 'a', 6, `expected a value, found '01}'`],
  ['no comma', '{"a":1 "b":2}', '', 8, `expected ',' or '}', found '"b":2}'`],
  ['a comma behind the last', '{"a":1,}', '', 8, `expected a key in quotes, found '}'`],
  ['single quotes', `{'a':1}`, '', 2, `expected a key in quotes, found ''a':1}'`],
  ['a key without an end', '{"a":1,"b', '', 8, 'no closing quote'],
  ['a value without an end', '{"é":"b}', 'é', 7, 'no closing quote'],
  ['a line that ends in an escape', '{"a":"b\\u12', 'a', 6, 'no closing quote'],
  ['no escape', '{"a":"b\\x"}', 'a', 8, `'\\x' is not an escape`],
  ['a control character', '{"a":"b\tc"}', 'a', 8, 'a control character in a text'],
  ['an array without an end', '{"a":[1,{"b":2}', 'a', 16, `expected ',' or ']', found the end of the line`],
  ['an object without an end', '{"a":{"b":2}', '', 13, `expected ',' or '}', found the end of the line`],
  ['text behind the object', '{"a":1} x', '', 9, `expected the end of the line, found 'x'`],
  ['too many objects', `{"a":${'['.repeat(64)}`, 'a', 69, 'nested deeper than 64'],
];

describe.each([
  ['combined', combined, {}, [...WHO_CASES, ...FIELD_CASES, ...COMBINED_CASES]],
  ['common', common, {}, [...WHO_CASES, ...FIELD_CASES, ...COMMON_CASES]],
  ['json', json as CodecDefinition, JSON_OPTIONS, JSON_CASES],
] as [string, CodecDefinition, unknown, Case[]][])(
  '%s says which field broke, and where',
  (_, codec, options, cases) => {
    test.each(cases)('%s', (_what, line, field, column, problem) => {
      const place = field === '' ? `column ${column}: ` : `${field}: column ${column}: `;
      const detail = explained(codec, options, line);
      expect(detail.slice(0, place.length)).toBe(place);
      expect(detail).toContain(problem);
    });
  },
);

test('a time that is none is shown, cut, with its column', () => {
  const line = `${WHO}[17/Mai/2015:10:05:03 +0000] ${REQUEST} 200 5 "-" "-"`;
  expect(explained(combined, {}, line, '@timestamp')).toBe(
    "@timestamp: column 16: expected a time such as 17/May/2015:10:05:03 +0000, found '17/Mai/2015:10:05:03 +0000'",
  );
  expect(explained(combined, {}, line)).toBe('nothing');
  const of = (text: string): string => explained(json as CodecDefinition, JSON_OPTIONS, text, 'ts');
  expect(of('{"n":1}')).toBe('ts: is missing');
  expect(of('{"n":[{"ts":"2015-05-17"}]}')).toBe('ts: is missing');
  expect(of('{"ts":"2015-05-17","n":1,"ts":"soon"}')).toBe(
    'ts: column 31: expected a time (time_format auto), found "soon"',
  );
  expect(of('{"t\\u0073":null}')).toBe('ts: column 12: expected a time (time_format auto), found null');
  expect(of(`{"ts":"${'é'.repeat(99)}"}`)).toBe(
    `ts: column 7: expected a time (time_format auto), found "${'é'.repeat(29)}…`,
  );
  expect(of('{"ts":"2015-05-17"}')).toBe('nothing');
});

test('a detail is short, whatever the line', () => {
  for (const line of [`{"${'k'.repeat(9_999)}":x${'y'.repeat(9_999)}`, `{"${'\u{1f600}'.repeat(999)}":"\\x`]) {
    const detail = explained(json as CodecDefinition, JSON_OPTIONS, line);
    expect(detail.length).toBeLessThanOrEqual(200);
    expect(detail).toMatch(/^[k\u{1f600}]+…: column \d+: /u);
  }
});

const PIECES = ' "\\[]{}:,-0123456789ae.tfn\t\r\x01\x80\xc3\xff';

/** 1 … one past the end, and a field of the codec, where there is a column. */
function expectPlace(line: string, request: DecodeRequest, codec: CodecDefinition, options: unknown): void {
  const bytes = Buffer.from(line, 'latin1');
  const batch = new Batch([], 1);
  codec.compile(options, request)(blockOf([line]), batch);
  const explanation = codec.explain!(options, request)(batch.lineBytes(0));
  expect([line, explanation !== undefined]).toEqual([line, batch.verdict[0] !== VERDICT_GOES_ON]);
  if (explanation === undefined) return;
  expect(refusalDetail(explanation).length).toBeLessThanOrEqual(200);
  if (explanation.column === undefined) return expect(explanation.problem).toBe('is missing');
  expect(explanation.column).toBeGreaterThanOrEqual(1);
  expect(explanation.column).toBeLessThanOrEqual(bytes.length + 1);
}

describe.each(
  (Object.values(COMPONENTS.codecs) as unknown as readonly CodecDefinition[]).map(
    (codec) => [codec.type, codec] as const,
  ),
)('%s explains what its decoder refuses, and nothing else', (_, codec) => {
  const [{ options: given }] = codec.examples as unknown as [{ options: unknown }];
  const options = codec.options.parse(given);
  const lines = Object.values(COMPONENTS.codecs).flatMap(({ examples }) =>
    examples.map(({ line }) => Buffer.from(line).toString('latin1')),
  );
  const own = codec.examples.map(({ line }) => Buffer.from(line).toString('latin1'));
  const cases = [...WHO_CASES, ...FIELD_CASES, ...COMBINED_CASES, ...COMMON_CASES, ...JSON_CASES].map(
    ([, line]) => line,
  );
  const seed = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...own) }, fc.constantFrom(...lines, ...cases));
  const line = fc.oneof(
    { weight: 6, arbitrary: mutated(seed, PIECES) },
    { weight: 1, arbitrary: anyText(PIECES) },
    { weight: 2, arbitrary: fc.constantFrom(...cases.map((text) => Buffer.from(text).toString('latin1'))) },
    { weight: 1, arbitrary: mutated(mutated(seed, PIECES), PIECES) },
  );

  test.each([undefined, codec.defaultEventTimeField!])('event time %s', (eventTimeField) => {
    const request = { fields: [], ...(eventTimeField === undefined ? {} : { eventTimeField }) };
    fc.assert(
      fc.property(line, (text) => expectPlace(text.replaceAll('\n', ''), request, codec, options)),
      { numRuns: RUNS },
    );
  });
});
