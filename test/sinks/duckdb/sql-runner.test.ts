import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../../src/lib/clock.ts';
import { openDatabase } from '../../../src/sinks/duckdb/database.ts';
import type { SqlResult } from '../../../src/sinks/duckdb/sql-answer.ts';
import { SqlRunner } from '../../../src/sinks/duckdb/sql-runner.ts';
import { onlyTimeout } from '../../support/query-watches.ts';

let folder: string;
let instance: DuckDBInstance;
let runner: SqlRunner;
const ask = (sql: string, asked = runner): Promise<SqlResult> => asked.query({ sql });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-sql-'));
  instance = await openDatabase({ path: join(folder, 'w.duckdb'), memoryLimit: '160MB', threads: 1 });
  const connection = await instance.connect();
  await connection.run('CREATE TABLE hits AS SELECT i, i % 7 AS k FROM range(100) AS t(i)');
  connection.closeSync();
  runner = new SqlRunner({ clock: systemClock, instance, watch: onlyTimeout(60_000) });
});
afterAll(() => {
  instance.closeSync();
  rmSync(folder, { recursive: true, force: true });
});

describe('queries that read', () => {
  test.each([
    ['SELECT k, count(*) AS n FROM hits GROUP BY k ORDER BY n DESC, k LIMIT 1', [[0, 15]]],
    ['FROM hits WHERE i = 3', [[3, 3]]],
    ['WITH t AS (SELECT max(i) AS m FROM main.hits) SELECT m FROM t;', [[99]]],
    ['SELECT sum(x) OVER (ORDER BY x) FROM range(3) AS t(x)', [[0], [1], [3]]],
    ['SELECT list_transform([1, 2], x -> x + 1), [a || b FOR a IN [1] ] FROM (SELECT 1 AS b)', [[[2, 3], ['11']]]],
    ["SELECT time_bucket(INTERVAL '1 minute', TIMESTAMPTZ '2026-01-01 10:00:59+00')", [['2026-01-01T10:00:00.000Z']]],
    ['VALUES (1), (2)', [[1], [2]]],
    ["SELECT printf('%d', 123456)", [['123456']]],
    ['SELECT count(*) FROM tailrace.late', [[0]]],
    ["SELECT table_name FROM information_schema.tables WHERE table_name = 'hits'", [['hits']]],
  ])('%s', async (sql, rows) => {
    expect((await ask(sql)).rows).toEqual(rows);
  });

  test.each([
    'SHOW TABLES',
    'SHOW ALL TABLES',
    'DESCRIBE hits',
    'DESCRIBE SELECT 1',
    'SUMMARIZE hits',
    'EXPLAIN SELECT 1',
    'EXPLAIN ANALYZE FROM hits',
  ])('%s', async (sql) => {
    expect((await ask(sql)).rows.length).toBeGreaterThan(0);
  });

  test('values come as JSON holds them without loss', async () => {
    const { columns, rows } =
      await ask(`SELECT 9007199254740993 AS big, 5 AS small, 'NaN'::DOUBLE AS nan, '\\xFF'::BLOB AS blob,
      TIMESTAMPTZ '1969-12-31 23:59:59.999999+00' AS tz, TIMESTAMP '2026-01-02 03:04:05' AS ts, NULL AS nothing, 1.50 AS d, {'a': [1]} AS s,
      MAP {'k': 1} AS m, INTERVAL '1 day' AS i, 170141183460469231731687303715884105727 AS huge`);
    expect(columns.slice(0, 2)).toEqual([
      { name: 'big', type: 'BIGINT' },
      { name: 'small', type: 'INTEGER' },
    ]);
    expect(rows).toEqual([
      [
        '9007199254740993',
        5,
        'NaN',
        '/w==',
        '1969-12-31T23:59:59.999999Z',
        '2026-01-02T03:04:05.000',
        null,
        1.5,
        { a: [1] },
        [['k', 1]],
        '1 day',
        '170141183460469231731687303715884105727',
      ],
    ]);
  });

  test('an answer has at most 10,000 rows, and says when there were more', async () => {
    const cut = await ask('FROM range(10001)');
    expect([cut.rows.length, cut.truncated]).toEqual([10_000, true]);
    const whole = await ask('FROM range(10000)');
    expect([whole.rows.length, whole.truncated]).toEqual([10_000, false]);
  });

  test('an order is kept', async () => {
    const { rows } = await ask('SELECT i FROM range(9000) AS t(i) ORDER BY i DESC');
    expect(rows.map(([i]) => i)).toEqual(Array.from({ length: 9000 }, (_, index) => 8999 - index));
  });
});

describe('what is refused', () => {
  const HOSTILE = [
    `INSERT INTO hits VALUES (1, 1)`,
    `DELETE FROM hits`,
    `DROP TABLE hits`,
    `CREATE TABLE x (a INTEGER)`,
    `CREATE MACRO f() AS 1`,
    `UPDATE hits SET i = 0`,
    `SELECT 1; DROP TABLE hits`,
    `SELECT 1; SELECT 2`,
    `'; DROP TABLE hits; --`,
    `COPY hits TO '/tmp/x.csv'`,
    `ATTACH '/tmp/x.duckdb'`,
    `DETACH w`,
    `INSTALL httpfs`,
    `LOAD httpfs`,
    `SET memory_limit = '10GB'`,
    `RESET memory_limit`,
    `PRAGMA database_list`,
    `CALL pragma_version()`,
    `CHECKPOINT`,
    `BEGIN`,
    `EXPORT DATABASE '/tmp/x'`,
    `VACUUM`,
    `USE main`,
    `PREPARE p AS SELECT 1`,
    `EXPLAIN DELETE FROM hits`,
    `EXPLAIN ANALYZE INSERT INTO hits VALUES (1, 1)`,
    `EXPLAIN EXPLAIN ANALYZE DELETE FROM hits`,
    `SELECT * FROM read_csv('/etc/passwd')`,
    `SELECT * FROM '/etc/passwd'`,
    `SELECT * FROM "x.parquet"`,
    `SELECT * FROM read_text('/etc/passwd')`,
    `SELECT * FROM read_blob('/etc/passwd')`,
    `SELECT * FROM glob('/etc/*')`,
    `SELECT * FROM enable_logging(storage = 'file', storage_config = {'path': '/tmp/x'})`,
    `SELECT * FROM disable_logging()`,
    `SELECT * FROM duckdb_settings()`,
    `SELECT * FROM duckdb_secrets()`,
    `SELECT * FROM pragma_database_list`,
    `SELECT * FROM duckdb_databases`,
    `SELECT * FROM sqlite_master`,
    `SELECT * FROM pg_catalog.pg_class`,
    `SELECT * FROM system.main.duckdb_settings()`,
    `SELECT * FROM query('SELECT 1')`,
    `SELECT * FROM query_table('hits')`,
    `SELECT * FROM json_execute_serialized_sql('{}')`,
    `SELECT * FROM checkpoint()`,
    `SELECT * FROM force_checkpoint()`,
    `SELECT * FROM test_all_types()`,
    `SELECT * FROM repeat_row(1, num_rows = 3)`,
    `SELECT getenv('HOME')`,
    `SELECT current_setting('temp_directory')`,
    `SELECT write_log('x')`,
    `SELECT sleep_ms(100000)`,
    `SELECT pg_sleep(100)`,
    `SELECT list_sum(range(3000000000))`,
    `SELECT len(generate_series(1, 3000000000))`,
    `SELECT length(repeat('x', 3000000000))`,
    `SELECT length(lpad('x', 2000000000, 'y'))`,
    `SELECT list_resize([1], 3000000000)`,
    `SELECT unnest(range(3000000000))`,
    `SELECT (SELECT max(getenv('HOME')))`,
    `SELECT count(*) FILTER (getenv('x') = 'y') FROM hits`,
    `SELECT 1 FROM hits ORDER BY getenv('HOME')`,
    `SELECT 1 FROM hits GROUP BY getenv('HOME')`,
    `SELECT 1 FROM hits LIMIT (SELECT length(getenv('HOME')))`,
    `WITH t AS (SELECT getenv('HOME')) SELECT 1`,
    `SELECT 1 WHERE EXISTS (FROM read_csv('/etc/passwd'))`,
    `SELECT * FROM hits, LATERAL (SELECT * FROM glob('*'))`,
    `SELECT * FROM range((SELECT length(getenv('HOME'))))`,
    `SELECT list_transform([1], x -> getenv('HOME'))`,
    `SELECT row_number() OVER (ORDER BY getenv('HOME')) FROM hits`,
    `SELECT nosuch_function(1)`,
    `SHOW DATABASES`,
    `SHOW VARIABLES`,
    `DESCRIBE FROM duckdb_settings()`,
    `SUMMARIZE FROM read_csv('/etc/passwd')`,
    `SELECT $1`,
    `SELECT * FROM nosuch_table`,
    `SELEC 1`,
    ``,
    `-- nothing`,
    `SELECT ${'('.repeat(20_000)}1${')'.repeat(20_000)}`,
    `SELECT ${'1+'.repeat(30_000)}1`,
    `SELECT 1 ${' '.repeat(100_001)}`,
    `SELECT '\0'`,
  ];

  test.each(HOSTILE.map((sql) => [sql.slice(0, 90), sql] as const))('%s', async (_, sql) => {
    await expect(ask(sql)).rejects.toMatchObject({
      code: expect.stringMatching(/^SQL_(REFUSED|INVALID|FAILED)$/),
    });
  });

  test('an error is one line, and says where to look', async () => {
    await expect(ask('SELECT nosuch FROM hits')).rejects.toMatchObject({
      message: expect.stringMatching(/Binder Error: Referenced column "nosuch" not found in FROM clause! .*"i"[^\n]*$/),
    });
    await expect(ask('FROM hitz')).rejects.toMatchObject({
      message: expect.stringMatching(/Catalog Error: Table with name hitz does not exist!$/),
      hint: expect.stringContaining('SHOW TABLES'),
    });
  });

  test('and the table is as it was', async () => {
    expect((await ask('SELECT count(*), sum(i) FROM hits')).rows).toEqual([[100, 4950]]);
  });
});

describe('limits', () => {
  test.each([
    'WITH RECURSIVE t AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM t) SELECT count(*) FROM t',
    'SELECT count(*) FROM range(100000000) AS a(x), range(100000000) AS b(y) WHERE x + y = 3',
    'SELECT count(DISTINCT x) FROM range(100000000000) AS t(x)',
  ])('a query that does not end is ended: %s', async (sql) => {
    const quick = new SqlRunner({ clock: systemClock, instance, watch: onlyTimeout(300) });
    await expect(ask(sql, quick)).rejects.toMatchObject({ code: expect.stringMatching(/SQL_(TIMEOUT|FAILED)/) });
    expect((await ask('SELECT 1')).rows).toEqual([[1]]);
  });

  test('a query can be interrupted, and the next one runs', async () => {
    const patient = new SqlRunner({ clock: systemClock, instance, watch: onlyTimeout(60_000) });
    let outcome: unknown;
    void ask('SELECT count(*) FROM range(1000000000000)', patient).catch((error: unknown) => (outcome = error));
    // One that comes before the query has begun finds nothing to interrupt.
    while (outcome === undefined) {
      await systemClock.sleep(50);
      await patient.interrupt('memory');
    }
    expect(outcome).toMatchObject({ code: 'SQL_MEMORY' });
    expect((await ask('SELECT 1', patient)).rows).toEqual([[1]]);
  });

  test('who goes away takes the query along', async () => {
    const patient = new SqlRunner({ clock: systemClock, instance, watch: onlyTimeout(60_000) });
    const gone = new AbortController();
    const asked = patient.query({ sql: 'SELECT count(*) FROM range(1000000000000)', signal: gone.signal });
    setTimeout(() => gone.abort(), 100);
    await expect(asked).rejects.toMatchObject({ code: 'SQL_INTERRUPTED' });
    expect((await ask('SELECT 1', patient)).rows).toEqual([[1]]);
  });

  test('at the end what runs is interrupted, and what waits does not begin', async () => {
    const closing = new SqlRunner({ clock: systemClock, instance, watch: onlyTimeout(60_000) });
    const asking = [
      'SELECT count(*) FROM range(1000000000000)',
      'SELECT count(*) FROM range(1000000000000)',
      'SELECT 1',
    ];
    const answers = Promise.allSettled(asking.map((sql) => ask(sql, closing)));
    await systemClock.sleep(500);
    await closing.close();
    for (const answer of await answers)
      expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'SQL_INTERRUPTED' } });
  });

  test('more queries than may wait are turned away', async () => {
    const answers = await Promise.allSettled(Array.from({ length: 22 }, () => ask('SELECT 1')));
    const refused = answers.filter((answer) => answer.status === 'rejected');
    expect(refused).toHaveLength(4);
    expect(refused[0]).toMatchObject({ reason: { code: 'SQL_BUSY', isRetryable: true } });
  });
});
