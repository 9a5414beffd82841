import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileFinder, fileOptions, fileSource } from '../../../src/agent/sources/file.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-file-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('the example is what the options make of themselves', () => {
  for (const { options } of fileSource.examples) expect(fileOptions.parse(options)).toMatchObject(options);
  expect(fileOptions.parse({ include: ['x'] })).toEqual({ include: ['x'], exclude: [], line_bytes_max: 262_144 });
});

test('a FIFO and a device are said to be no regular files, and opening them never waits', () => {
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const finder = new FileFinder({ include: [fifo, '/dev/null'], exclude: [] });
  expect(finder.scan().problems.map(({ reason }) => reason)).toEqual(['not a regular file', 'not a regular file']);
  expect(() => finder.open(fifo)).toThrow(/not a regular file/);
});

test('a name with pattern characters is found as it is written', () => {
  const path = join(folder, 'app[1].log');
  writeFileSync(path, 'x\n');
  const { found, problems } = new FileFinder({ include: [path], exclude: [] }).scan();
  expect(found.map((file) => file.path)).toEqual([path]);
  expect(problems).toEqual([]);
});

test('a handle knows its file, its size and whether it was deleted', () => {
  const path = join(folder, 'a.log');
  writeFileSync(path, 'one\ntwo\n');
  const handle = new FileFinder({ include: [path], exclude: [] }).open(path);
  const into = Buffer.alloc(8);
  expect(handle.read(into, 2, 6, 4)).toBe(4);
  expect(into.toString('latin1', 2, 6)).toBe('two\n');
  expect(handle.look()).toMatchObject({ sizeBytes: 8, isDeleted: false });
  rmSync(path);
  expect(handle.look().isDeleted).toBe(true);
  handle.close();
});
