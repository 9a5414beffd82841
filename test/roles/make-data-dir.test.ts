import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { judge, makeDataDir } from '../../src/roles/make-data-dir.ts';
import { dataDirProblem } from '../../src/config/data-dir.ts';
import { OperatingError, describeError } from '../../src/lib/errors.ts';
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

const US = { uid: 1000, groups: [1000, 27] };
const refusalOf = (uid: number, gid: number, mode: number, isDataDir = false): string | undefined =>
  judge({ uid, gid, mode }, US, isDataDir).refusal?.what;

describe('a folder', () => {
  test('on the way may be written by its owner, a group of ours, and everybody who may only touch what is his', () => {
    expect(refusalOf(0, 0, 0o755)).toBeUndefined();
    expect(refusalOf(1000, 1000, 0o775)).toBeUndefined();
    expect(refusalOf(0, 0, 0o1777)).toBeUndefined();
    expect(refusalOf(0, 50, 0o775)).toBe('can be written by the group 50 (mode 775)');
    expect(refusalOf(1000, 1000, 0o757)).toBe('can be written by everybody (mode 757)');
  });

  test('that is the data_dir is written by its owner alone, who is us', () => {
    expect(refusalOf(1000, 1000, 0o755, true)).toBeUndefined();
    expect(refusalOf(1000, 1000, 0o770, true)).toBe('can be written by the group 1000 (mode 770)');
    expect(refusalOf(1000, 1000, 0o1777, true)).toBe('can be written by everybody (mode 1777)');
    expect(refusalOf(1001, 1000, 0o700, true)).toBe('belongs to uid 1001, and this is run by uid 1000');
  });

  test('on the way that is of another user is said, and of a user that a namespace does not know is not', () => {
    expect(judge({ uid: 1001, gid: 1001, mode: 0o755 }, US, false).note).toContain('belongs to uid 1001');
    expect(judge({ uid: 65534, gid: 65534, mode: 0o755 }, US, false)).toEqual({});
  });
});

describe('a data_dir', () => {
  let folder: string;
  const umask = process.umask(0o022);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tailrace-data-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
    process.umask(umask);
  });

  function refusal(path: string): string {
    try {
      makeDataDir(path);
    } catch (error) {
      if (error instanceof OperatingError) return describeError(error);
      throw error;
    }
    return '';
  }

  test('that others may write to is refused, itself and by what is above it, and nothing is written', () => {
    const data = join(folder, 'data');
    mkdirSync(data);
    chmodSync(data, 0o777);
    expect(refusal(data)).toContain('data can be written by everybody (mode 777) (chmod go-w it');
    expect(refusal(join(data, 'below'))).toContain('data can be written by everybody');
    symlinkSync('data', join(folder, 'link'));
    expect(refusal(join(folder, 'link/below'))).toContain('data can be written by everybody');
    expect(refusal(join(folder, 'link'))).toContain('data can be written by everybody');
    expect(readdirSync(data)).toEqual([]);
    chmodSync(data, 0o700);
    expect(refusal(data)).toBe('');
  });

  test('that belongs to another user is refused; one in his folder is said', () => {
    if (process.geteuid?.() !== 0) return;
    const home = join(folder, 'home');
    mkdirSync(home);
    chownSync(home, 4242, 4242);
    expect(refusal(home)).toContain('belongs to uid 4242, and this is run by uid 0');
    const said: string[] = [];
    makeDataDir(join(home, 'data'), (line) => said.push(line));
    expect(said).toEqual([expect.stringMatching(/^note: .*home belongs to uid 4242, who could put another folder/)]);
  });

  test('that cannot be is one clear line', () => {
    writeFileSync(join(folder, 'file'), '');
    symlinkSync('circle', join(folder, 'circle'));
    expect(refusal(join(folder, 'file'))).toContain('file cannot be used: a file is in its place');
    expect(refusal(join(folder, 'file/below'))).toContain('a file is on the way to it');
    expect(refusal(join(folder, 'circle/x'))).toContain('its symbolic links lead in a circle');
    expect(refusal(`${folder}/${'x'.repeat(300)}`)).toContain('a name in it is too long');
    // By a link, since the name alone is refused before.
    symlinkSync('/proc', join(folder, 'kernel'));
    expect(refusal(join(folder, 'kernel/x'))).toContain('nothing can be made there');
  });
});

test.each([
  ['/proc/x', "lies in /proc, which is the kernel's"],
  ['/dev/x', "lies in /dev, which is the kernel's"],
  ['/sys', "lies in /sys, which is the kernel's"],
  ['~/data', 'begins with ~, which is for a shell'],
  ['~alice', 'begins with ~, which is for a shell'],
  ['a\0b', 'has a NUL in it'],
  ['x'.repeat(100), 'makes the path of a socket with 116 bytes, where at most 100 can be'],
  ['/dev/shm/x', undefined],
  ['/devices/x', undefined],
])('the data_dir %j', (written, message) => {
  expect(dataDirProblem(written, '/f')?.message).toBe(message);
});
