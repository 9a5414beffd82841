import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { escapeJson, escapeLines, withoutCredentials } from '../../src/lib/escape.ts';

const ODD = fc.string({
  unit: fc.constantFrom(
    'a',
    '"',
    '\\',
    '\n',
    '\u001b',
    '\u007f',
    '\u009b',
    '\u200e',
    '\u202e',
    '\u2066',
    '\u2028',
    '\ufeff',
    '\ud800',
    '🚂',
    'é',
  ),
});
// oxlint-disable-next-line eslint/no-control-regex
const OBEYED = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

test('JSON that is shown holds nothing that a terminal obeys, and says the same', () => {
  fc.assert(
    fc.property(fc.dictionary(ODD, ODD), (value) => {
      const shown = escapeJson(JSON.stringify(value));
      expect(shown).not.toMatch(OBEYED);
      expect(JSON.parse(shown)).toEqual(value);
    }),
  );
});

test('lines stay lines', () => {
  expect(escapeLines('a\u001b[31m\nb\u009b\u202e')).toBe('a\\x1b[31m\nb\\x9b\\u202e');
});

test.each([
  ['https://me:pass@es:9200', 'https://me:***@es:9200'],
  ['connect to me:pass@host failed', 'connect to me:***@host failed'],
  ['at 10:15, mail bob@example.org', 'at 10:15, mail bob@example.org'],
  ['http://h:80/a@b', 'http://h:80/a@b'],
])('%s is shown as %s', (text, shown) => {
  expect(withoutCredentials(text)).toBe(shown);
});

test('a text made to be slow is not', () => {
  const begin = process.cpuUsage();
  withoutCredentials(`${'a:'.repeat(100_000)}@`);
  expect(process.cpuUsage(begin).user / 1000).toBeLessThan(2000);
});
