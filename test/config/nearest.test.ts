import { expect, test } from '@jest/globals';
import { nearest, suggestion } from '../../src/config/nearest.ts';

const FIELDS = ['url.path', 'url.query', 'http.response.status_code', 'http.response.body.bytes'];

test('the nearest name is found by edits, or by a word it holds', () => {
  expect(nearest('url.pth', FIELDS)).toBe('url.path');
  expect(nearest('status', FIELDS)).toBe('http.response.status_code');
  expect(nearest('something', FIELDS)).toBeUndefined();
});

test('without a near name the choice is listed, a long one in part', () => {
  expect(suggestion('zzzzzzz', ['a', 'b'])).toBe('one of: a, b');
  const many = Array.from({ length: 12 }, (_, i) => `field_number_${i}`);
  expect(suggestion('zzzzzzz', many)).toMatch(/, … \(12 in all\)$/);
  expect(suggestion('x', [])).toBeUndefined();
});
