import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { cutText, escapeBytes, escapeInvalidUtf8, textOf } from '../../src/lib/text.ts';

test.each([
  ['text stays', [0x61, 0xc3, 0xa9, 0xf0, 0x9f, 0x90, 0x9f], 'aé🐟'],
  ['a byte order mark stays', [0xef, 0xbb, 0xbf, 0x61], '\ufeffa'],
  ['bytes that begin nothing', [0x80, 0xff, 0x61], String.raw`\x80\xffa`],
  ['a sequence that ends too early', [0xe2, 0x82, 0x61], String.raw`\xe2\x82a`],
  ['a sequence at the end', [0x61, 0xf0, 0x9f, 0x90], String.raw`a\xf0\x9f\x90`],
  ['an overlong slash', [0xc0, 0xaf], String.raw`\xc0\xaf`],
  ['a surrogate', [0xed, 0xa0, 0x80], String.raw`\xed\xa0\x80`],
  ['above the last code point', [0xf4, 0x90, 0x80, 0x80], String.raw`\xf4\x90\x80\x80`],
  ['nothing', [], ''],
])('%s', (_what, bytes, text) => {
  expect(textOf(Uint8Array.from(bytes))).toBe(text);
});

test('valid text is the same array, and any bytes become text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.uint8Array(), (text, bytes) => {
      const valid = new Uint8Array(Buffer.from(text));
      expect(escapeInvalidUtf8(valid)).toBe(valid);
      const escaped = Buffer.from(escapeInvalidUtf8(bytes));
      expect(Buffer.from(escaped.toString('utf8')).equals(escaped)).toBe(true);
      expect(textOf(bytes)).toBe(escaped.toString('utf8'));
    }),
    { seed: 4, numRuns: 150 },
  );
});

test('what is shown has no control characters', () => {
  expect(escapeBytes(Buffer.from('a\u001b[1m\n\u202e'))).toBe('a\\x1b[1m\\n\\u202e');
});

test('a text that is quoted in a message ends with … where it is long', () => {
  expect([cutText('x'.repeat(60)), cutText('x'.repeat(61)), cutText('abcd', 3)]).toEqual([
    'x'.repeat(60),
    `${'x'.repeat(59)}…`,
    'ab…',
  ]);
});
