import { createServer } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../../src/lib/clock.ts';
import { streamSql } from '../../../src/sinks/duckdb/client.ts';
import { openDatabase } from '../../../src/sinks/duckdb/database.ts';
import { ParquetSpool } from '../../../src/sinks/duckdb/parquet.ts';
import { STREAM_TYPE, SqlSocket } from '../../../src/sinks/duckdb/socket.ts';
import { type RowTaker, readAnswer } from '../../../src/sinks/duckdb/sql-answer.ts';
import { SqlRunner } from '../../../src/sinks/duckdb/sql-runner.ts';
import { onlyTimeout } from '../../support/query-watches.ts';

let folder: string;
let instance: DuckDBInstance;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-stream-'));
  instance = await openDatabase({ path: join(folder, 'w.duckdb'), memoryLimit: '160MB', threads: 1 });
});
afterAll(() => {
  instance.closeSync();
  rmSync(folder, { recursive: true, force: true });
});

const runnerOf = (timeoutMs = 60_000): SqlRunner =>
  new SqlRunner({ clock: systemClock, instance, watch: onlyTimeout(timeoutMs) });

/** Keeps the first column of what it takes, and how the rows came. */
class Taken implements RowTaker {
  readonly values: unknown[] = [];
  readonly parts: number[] = [];
  names: readonly string[] = [];
  readonly #pauseMs: number;

  constructor(pauseMs = 0) {
    this.#pauseMs = pauseMs;
  }

  columns(columns: readonly { readonly name: string }[]): void {
    this.names = columns.map(({ name }) => name);
  }

  async rows(rows: readonly (readonly unknown[])[]): Promise<void> {
    this.parts.push(rows.length);
    for (const [value] of rows) this.values.push(value);
    if (this.#pauseMs > 0) await systemClock.sleep(this.#pauseMs);
  }
}

describe('an answer of any length', () => {
  test('comes whole, in order and in parts', async () => {
    const taken = new Taken();
    expect(await runnerOf().stream({ sql: 'SELECT i FROM range(123456) AS t(i)', rowsMax: 0 }, taken)).toBe(false);
    expect(taken.names).toEqual(['i']);
    expect(taken.values).toEqual(Array.from({ length: 123_456 }, (_, i) => i));
    expect(Math.max(...taken.parts)).toBeLessThanOrEqual(10_000);
  });

  test('of long texts comes in smaller parts', async () => {
    const taken = new Taken();
    const sql = `SELECT array_to_string(list_transform(string_split(printf('%01000d', i), ''), c -> '0123456789'), '') FROM range(500) AS t(i)`;
    await runnerOf().stream({ sql, rowsMax: 0 }, taken);
    // 10,000 characters a row, and a mebibyte a part.
    expect(taken.parts.slice(0, -1).every((rows) => rows === 105)).toBe(true);
    expect(taken.values).toHaveLength(500);
  });

  test.each([
    [1, true],
    [20_000, true],
    [30_000, false],
    [30_001, false],
  ])('is cut after %s rows', async (rowsMax, truncated) => {
    const taken = new Taken();
    expect(await runnerOf().stream({ sql: 'FROM range(30000)', rowsMax }, taken)).toBe(truncated);
    expect(taken.values).toHaveLength(Math.min(rowsMax, 30_000));
  });

  test('has its time again with every part that is taken', async () => {
    const taken = new Taken(150);
    await runnerOf(400).stream({ sql: 'FROM range(60000)', rowsMax: 0 }, taken);
    expect(taken.parts).toHaveLength(6);
  });

  test('that fails behind its first rows is not taken for a shorter one', async () => {
    // A driver's stream says nothing of an error behind its first mebibyte.
    const wide = Array.from({ length: 12 }, (_, column) => `printf('%05d', i) AS c${column}`).join(', ');
    const sql = `SELECT CASE WHEN i < 9000 THEN i ELSE CAST('x' || i AS INTEGER) END AS i, ${wide} FROM range(9500) AS t(i)`;
    const failure = {
      code: 'SQL_FAILED',
      message: expect.stringContaining(`Could not convert string 'x9000' to INT32`) as unknown,
    };
    await expect(runnerOf().stream({ sql, rowsMax: 0 }, new Taken())).rejects.toMatchObject(failure);
    await expect(runnerOf().query({ sql })).rejects.toMatchObject(failure);
  });

  test('that nobody takes ends, and leaves its turn', async () => {
    const runner = runnerOf(300);
    const never: RowTaker = { columns: () => undefined, rows: () => new Promise(() => undefined) };
    const both = [1, 2].map(() => runner.stream({ sql: 'FROM range(1000000)', rowsMax: 0 }, never));
    for (const stalled of both)
      await expect(stalled).rejects.toMatchObject({
        code: 'SQL_TIMEOUT',
        message: 'the query was interrupted: its rows were not taken for 0.3 s',
      });
    expect((await runner.query({ sql: 'SELECT 1' })).rows).toEqual([[1]]);
  });

  test('does not keep the writer waiting for who takes it', async () => {
    const runner = runnerOf();
    const begun = Promise.withResolvers<void>();
    const never: RowTaker = {
      columns: () => begun.resolve(),
      rows: () => new Promise(() => undefined),
    };
    const stalled = runner.stream({ sql: 'FROM range(1000000)', rowsMax: 0 }, never);
    stalled.catch(() => undefined);
    await begun.promise;
    await runner.withoutQueries(() => Promise.resolve());
    await expect(stalled).rejects.toMatchObject({ code: 'SQL_INTERRUPTED', isRetryable: true });
  });
});

describe('over the socket', () => {
  const served = async (timeoutMs: number, work: (path: string) => Promise<void>): Promise<void> => {
    const path = join(folder, 'w.sock');
    const socket = new SqlSocket({ runner: runnerOf(timeoutMs), path });
    await socket.listen();
    try {
      await work(path);
    } finally {
      await socket.close();
    }
  };
  const ask = (socketPath: string, sql: string, rowsMax: number, taker: RowTaker): Promise<boolean> =>
    streamSql({ socketPath, databasePath: join(folder, 'none.duckdb') }, sql, { rowsMax }, taker);

  test('rows come as they are, and the end says whether there were more', async () => {
    await served(60_000, async (path) => {
      const taken = new Taken();
      const sql = `SELECT i || chr(8232) || chr(10) AS t FROM range(50000) AS t(i)`;
      expect(await ask(path, sql, 0, taken)).toBe(false);
      expect(taken.names).toEqual(['t']);
      expect(taken.values).toEqual(Array.from({ length: 50_000 }, (_, i) => `${i}\u2028\n`));
      expect(await ask(path, sql, 7, new Taken())).toBe(true);
    });
  });

  test('a reader who is slow slows the query down', async () => {
    await served(10_000, async (path) => {
      const slow = new Taken(20);
      await ask(path, 'FROM range(200000)', 0, slow);
      expect(slow.values).toHaveLength(200_000);
    });
  });

  test('a reader who stops ends it', async () => {
    await served(300, async (path) => {
      const stopped: RowTaker = { columns: () => undefined, rows: () => systemClock.sleep(1500) };
      // More than buffers between two processes hold.
      const sql = `SELECT i, printf('%0500d', i) FROM range(3000000) AS t(i)`;
      await expect(ask(path, sql, 0, stopped)).rejects.toMatchObject({ code: 'SQL_TIMEOUT' });
    });
  });

  test('what is not a number of rows is refused', async () => {
    await served(60_000, async (path) => {
      for (const rowsMax of [-1, 1.5, 2 ** 60])
        await expect(ask(path, 'SELECT 1', rowsMax, new Taken())).rejects.toMatchObject({ code: 'SQL_INVALID' });
    });
  });

  test('an error before the columns and one behind them keep their codes', async () => {
    await served(60_000, async (path) => {
      await expect(ask(path, 'DROP TABLE x', 0, new Taken())).rejects.toMatchObject({ code: 'SQL_REFUSED' });
      const taken = new Taken();
      const late = `SELECT CASE WHEN i < 900000 THEN i ELSE CAST('x' || i AS INTEGER) END FROM range(1000000) AS t(i)`;
      await expect(ask(path, late, 0, taken)).rejects.toMatchObject({ code: 'SQL_FAILED' });
      expect(taken.values.length).toBeGreaterThan(0);
    });
  });

  test('what goes wrong with the rows is not the warehouse that went away', async () => {
    await served(60_000, async (path) => {
      const full = Object.assign(new Error('no space left'), { code: 'ECONNRESET' });
      const failing: RowTaker = { columns: () => undefined, rows: () => Promise.reject(full) };
      await expect(ask(path, 'FROM range(10)', 0, failing)).rejects.toBe(full);
    });
  });

  test('a process that ends behind the columns is not asked again', async () => {
    const path = join(folder, 'dying.sock');
    let asked = 0;
    const dying = createServer((request, response) => {
      asked++;
      request.resume();
      response.writeHead(200, { 'content-type': STREAM_TYPE });
      response.write(`${JSON.stringify({ columns: [] })}\n${JSON.stringify({ rows: [[1]] })}\n{"rows":[[2`);
      setImmediate(() => response.destroy());
    });
    await new Promise<void>((resolve) => void dying.listen(path, resolve));
    try {
      const taken = new Taken();
      await expect(ask(path, 'SELECT 1', 0, taken)).rejects.toMatchObject({
        code: 'SQL_INTERRUPTED',
        isRetryable: true,
      });
      expect(taken.values).toEqual([1]);
      expect(asked).toBe(1);
    } finally {
      dying.close();
    }
  });
});

describe('a Parquet file', () => {
  const COLUMNS: Readonly<Record<string, string>> = {
    integer: '42',
    big: '9007199254740993::BIGINT',
    double: '0.1',
    nan: `'NaN'::DOUBLE`,
    infinity: `'-Infinity'::DOUBLE`,
    decimal: '1.25::DECIMAL(30, 2)',
    text: `'say "so", \n'''`,
    empty: `''`,
    nothing: 'NULL::VARCHAR',
    flag: 'true',
    instant: `TIMESTAMPTZ '2026-01-01 00:00:00.123456+00'`,
    stamp: `TIMESTAMP '1969-12-31 23:59:59.999999'`,
    day: `DATE '2020-02-29'`,
    time: `TIME '10:00:00'`,
    interval: `INTERVAL '1 month 3 days'`,
    bytes: `'\\xFF\\x00'::BLOB`,
    list: `['a', NULL, '"']`,
    struct: `{'x': 1, 'y': ['q']}`,
    stamps: `[TIMESTAMP '2026-01-01 01:02:03']`,
    decimals: `[1.5::DECIMAL(5, 2)]`,
  };
  /** What Parquet, or JSON, cannot hold is the nearest thing that loses nothing. */
  const OTHERS: Readonly<Record<string, readonly [sql: string, type: string, value: string]>> = {
    huge: ['9007199254740993::HUGEINT * 9007199254740993', 'DECIMAL(38,0)', String(9007199254740993n ** 2n)],
    map: [`MAP {'k': 1}`, 'VARCHAR', '[["k",1]]'],
    blobs: [`['\\xFF'::BLOB]`, 'VARCHAR', '["/w=="]'],
    hugeInside: [`{'n': 9007199254740993::HUGEINT}`, 'VARCHAR', '{"n":"9007199254740993"}'],
  };

  test('has every value with the type that it had, and 128 bits as a decimal', async () => {
    const connection = await instance.connect();
    const spool = new ParquetSpool();
    const others = Object.values(OTHERS);
    const all = [...Object.entries(COLUMNS), ...Object.entries(OTHERS).map(([name, [of]]) => [name, of] as const)];
    const sql = `SELECT ${all.map(([name, of]) => `${of} AS "${name}"`).join(', ')} FROM range(3)`;
    const reader = await DuckDBInstance.create(':memory:');
    const reading = await reader.connect();
    try {
      let names: readonly string[] = [];
      await readAnswer(connection, sql, {
        rowsMax: Infinity,
        charactersMax: Infinity,
        isEnded: () => false,
        taker: {
          columns(columns) {
            names = columns.map(({ name }) => name);
            spool.columns(columns);
          },
          rows: (rows) => spool.rows(rows),
        },
      });
      await spool.finish(names);
      const file = await reading.runAndReadAll(`FROM '${spool.path}'`);
      const want = await connection.runAndReadAll(sql);
      const own = names.length - others.length;
      expect(file.columnNames()).toEqual(want.columnNames());
      expect(file.columnTypes().map(String).slice(0, own)).toEqual(want.columnTypes().map(String).slice(0, own));
      expect(file.columnTypes().map(String).slice(own)).toEqual(others.map(([, type]) => type));
      expect(file.getRowsJson().map((row) => row.slice(0, own))).toEqual(
        want.getRowsJson().map((row) => row.slice(0, own)),
      );
      const last = others.map(([, , value]) => value);
      expect(file.getRowsJson().map((row) => row.slice(own))).toEqual([last, last, last]);
    } finally {
      connection.closeSync();
      reading.closeSync();
      reader.closeSync();
      await spool.remove();
    }
  });

  test('of no rows has columns all the same', async () => {
    const spool = new ParquetSpool();
    const reader = await DuckDBInstance.create(':memory:');
    const reading = await reader.connect();
    try {
      spool.columns([{ name: 'a', type: 'BIGINT' }]);
      await spool.finish(['a']);
      const file = await reading.runAndReadAll(`FROM '${spool.path}'`);
      expect([file.columnNames(), file.currentRowCount]).toEqual([['a'], 0]);
    } finally {
      reading.closeSync();
      reader.closeSync();
      await spool.remove();
    }
  });
});
