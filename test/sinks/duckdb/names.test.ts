import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import { readableIdentifier } from '../../../src/sinks/duckdb/names.ts';

test('every word of DuckDB names a table, bare where DuckDB takes it so', async () => {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const rows = (await connection.runAndReadAll('SELECT keyword_name FROM duckdb_keywords()')).getRows();
  const words = [...new Set(rows.map(([word]) => String(word)))];
  expect(words.length).toBeGreaterThan(300);
  for (const word of words) {
    await connection.run(`CREATE TABLE "${word}" (window_start INTEGER)`);
    const sql = `from ${readableIdentifier(word)} order by window_start desc limit 10`;
    await expect(connection.run(sql).then(() => word)).resolves.toBe(word);
  }
  expect(['traffic', 'order', 'select', 'Ä'].map(readableIdentifier)).toEqual([
    'traffic',
    '"order"',
    '"select"',
    '"Ä"',
  ]);
  connection.closeSync();
  instance.closeSync();
});
