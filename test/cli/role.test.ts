import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { makeDataDir } from '../../src/cli/role.ts';
import { acquireRoleLock } from '../../src/lib/role-lock.ts';
import { openDatabase } from '../../src/sinks/duckdb/database.ts';

test('in a data_dir that was there, open to all, every file is its owner’s alone', async () => {
  const root = mkdtempSync(join(tmpdir(), 'tailrace-role-'));
  const umask = process.umask(0o022);
  try {
    mkdirSync(join(root, 'data', 'run'), { recursive: true, mode: 0o755 });
    const dataDir = makeDataDir(join(root, 'data'));
    const lock = acquireRoleLock(dataDir.run, 'engine');
    const instance = await openDatabase({ path: dataDir.warehouse, memoryLimit: '160MB', threads: 1 });
    const connection = await instance.connect();
    await connection.run('CREATE TABLE t (a INTEGER)');
    const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const modes = files.map(({ name, parentPath }) => [
      name,
      (statSync(join(parentPath, name)).mode & 0o777).toString(8),
    ]);
    expect(modes.sort(([a = ''], [b = '']) => a.localeCompare(b))).toEqual([
      ['engine.lock', '600'],
      ['engine.lock-journal', '600'],
      ['engine.pid', '600'],
      ['warehouse.duckdb', '600'],
      ['warehouse.duckdb.wal', '600'],
    ]);
    connection.closeSync();
    instance.closeSync();
    lock.release();
  } finally {
    process.umask(umask);
    rmSync(root, { recursive: true });
  }
});
