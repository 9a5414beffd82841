import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { accessLines } from '../support/access-lines.ts';
import { type Ended, tailrace, workFolder } from '../support/tailrace-process.ts';

let folder: ReturnType<typeof workFolder>;
/** As people start it. */
const TAILRACE = resolve('tailrace');
const ROWS = 25_000;
const QUERY = `select i, i::hugeint * 1000000000000000000000 as huge, timestamptz '2026-01-01 00:00:00Z' as stamp from range(${ROWS}) as t(i)`;

beforeAll(async () => {
  folder = workFolder();
  writeFileSync(join(folder.path, 'access.log'), accessLines(100));
  expect((await tailrace(['run', '--once', 'access.log'], { cwd: folder.path })).code).toBe(0);
});
afterAll(() => folder.remove());

const sql = (...args: string[]): Promise<Ended> => tailrace(['sql', ...args], { cwd: folder.path });

test('an answer has 10,000 rows unless it is asked for more, and says when it was cut', async () => {
  const cut = await sql(QUERY, '-o', 'csv');
  expect([cut.code, cut.stdout.trimEnd().split('\n').length]).toEqual([0, 10_001]);
  expect(cut.stderr).toBe('only the first 10000 rows: --limit 0 gives all\n');
  const few = await sql(QUERY, '--limit', '3', '--json');
  expect(JSON.parse(few.stdout)).toMatchObject({
    rows: [[0], [1], [2]].map(([i]) => [i, expect.anything(), expect.anything()]),
    truncated: true,
  });
});

test('all rows come in every form', async () => {
  const whole = (form: string): Promise<Ended> => sql(QUERY, '--limit', '0', '-o', form);
  const json = await whole('json');
  const { rows, truncated } = JSON.parse(json.stdout) as { rows: unknown[][]; truncated: boolean };
  expect([rows.length, truncated, rows.at(-1)]).toEqual([
    ROWS,
    false,
    [ROWS - 1, `${ROWS - 1}${'0'.repeat(21)}`, '2026-01-01T00:00:00.000Z'],
  ]);
  const ndjson = (await whole('ndjson')).stdout.trimEnd().split('\n');
  expect(ndjson.map((line) => (JSON.parse(line) as { i: number }).i)).toEqual(rows.map(([i]) => i));
  // Header and rule.
  expect((await whole('table')).stdout.trimEnd().split('\n')).toHaveLength(ROWS + 2);
});

test('Parquet goes to stdout, and keeps types', async () => {
  const path = join(folder.path, 'answer.parquet');
  const out = openSync(path, 'w');
  const { status, stderr } = spawnSync(TAILRACE, ['sql', QUERY, '--limit', '0', '-o', 'parquet'], {
    cwd: folder.path,
    stdio: ['ignore', out, 'pipe'],
    encoding: 'utf8',
  });
  closeSync(out);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(readFileSync(path).subarray(0, 4).toString()).toBe('PAR1');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    const read = await connection.runAndReadAll(
      `SELECT count(*), sum(i), sum(huge), any_value(typeof(stamp)) FROM '${path}'`,
    );
    const sum = (BigInt(ROWS) * BigInt(ROWS - 1)) / 2n;
    expect(read.getRowsJson()).toEqual([
      [String(ROWS), String(sum), `${sum}${'0'.repeat(21)}`, 'TIMESTAMP WITH TIME ZONE'],
    ]);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
});

test('a reader that closes early, a wrong number and a wrong form each end well', async () => {
  const head = spawnSync('sh', ['-c', `'${TAILRACE}' sql "${QUERY}" --limit 0 -o ndjson | head -2`], {
    cwd: folder.path,
    encoding: 'utf8',
  });
  expect([head.stdout.split('\n').length, head.stderr]).toEqual([3, '']);
  const wrong = await sql(QUERY, '--limit', '-1');
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('Expects a number of rows, 0 for all')]);
  expect((await sql(QUERY, '-o', 'xml')).code).toBe(2);
  const refused = await sql('drop table requests', '--limit', '0', '-o', 'json');
  expect([refused.code, refused.stdout]).toEqual([1, '']);
});
