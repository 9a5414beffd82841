import { expect, it } from '@jest/globals';
import { DuckDBInstance } from '@duckdb/node-api';
import { lowerCase, upperCase } from '../../src/expressions/letters.ts';

it.each([
  ['lower', lowerCase],
  ['upper', upperCase],
] as const)('%s makes of every letter what DuckDB makes of it', async (name, fold) => {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const reader = await connection.runAndReadAll(
    `SELECT c::INTEGER, unicode(${name}(chr(c::INTEGER))) FROM range(1, 1114112) t(c) WHERE c NOT BETWEEN 55296 AND 57343`,
  );
  const rows = reader.getRows() as [number, number][];
  const wrong = rows.filter(([from, to]) => fold(String.fromCodePoint(from)) !== String.fromCodePoint(to));
  expect(rows.length).toBe(0x110000 - 0x800 - 1);
  expect(wrong).toEqual([]);
  connection.closeSync();
  instance.closeSync();
});

it('looks at each letter alone', () => {
  expect([lowerCase('ΑΣ ΑΣ'), upperCase('straße ŉ'), lowerCase('İI')]).toEqual(['ασ ασ', 'STRAẞE ŉ', 'ii']);
});
