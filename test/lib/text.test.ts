import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { escapeBytes, textOf } from '../../src/lib/text.ts';

test.each([
  [[0x61, 0xc3, 0xbc], 'aü'],
  [[0xff, 0x41], '\\xffA'],
  [[0xc3], '\\xc3'],
  [[0xed, 0xa0, 0x80], '\\xed\\xa0\\x80'],
  [[0xf0, 0x9f, 0x98, 0x80, 0x80], '😀\\x80'],
  [[0xc0, 0x80], '\\xc0\\x80'],
  [[0xef, 0xbb, 0xbf, 0x61], '\ufeffa'],
  [[0, 0x61], '\0a'],
])('%j is %j', (bytes, text) => {
  expect(textOf(Uint8Array.from(bytes))).toBe(text);
});

test('what is UTF-8 stays as it is, and the rest never becomes the same U+FFFD', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => textOf(Buffer.from(text)) === text),
    { seed: 7 },
  );
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => !textOf(bytes).includes('\ufffd')),
    { seed: 7 },
  );
});

test('what is shown has no control characters', () => {
  expect(escapeBytes(Buffer.from('a\u001b[1m\n\u202e'))).toBe('a\\x1b[1m\\n\\u202e');
});
