import { expect, test } from '@jest/globals';
import { pathOf } from '../../../src/sinks/elasticsearch/refused-document.ts';

test('a refused document says where its line stood', () => {
  expect(pathOf('{"log.file.path":"/logs/a \\"b\\".log","message":"x"}')).toBe('/logs/a "b".log');
  expect(pathOf('{"message":"x"}')).toBe('');
});
