import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileFinder } from '../../../src/agent/sources/file.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-file-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a FIFO and a device are said to be no regular files, and opening them never waits', () => {
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const finder = new FileFinder([{ name: 'web', include: [fifo, '/dev/null'], exclude: [] }]);
  expect(finder.scan().problems.map(({ reason }) => reason)).toEqual([
    'is a pipe, not a regular file',
    'is a device, not a regular file',
  ]);
  expect(() => finder.open(fifo)).toThrow('is not a regular file');
});

test('a name with pattern characters is found as it is written', () => {
  const path = join(folder, 'app[1].log');
  writeFileSync(path, 'x\n');
  const { found, problems } = new FileFinder([{ name: 'web', include: [path], exclude: [] }]).scan();
  expect(found.map((file) => file.path)).toEqual([path]);
  expect(problems).toEqual([]);
});

test('a handle knows its file, its size and whether it was deleted', () => {
  const path = join(folder, 'a.log');
  writeFileSync(path, 'one\ntwo\n');
  const handle = new FileFinder([{ name: 'web', include: [path], exclude: [] }]).open(path);
  const into = Buffer.alloc(8);
  expect(handle.read(into, 2, 6, 4)).toBe(4);
  expect(into.toString('latin1', 2, 6)).toBe('two\n');
  expect(handle.look()).toMatchObject({ sizeBytes: 8, isDeleted: false });
  rmSync(path);
  expect(handle.look().isDeleted).toBe(true);
  handle.close();
});

const problemsOf = (pattern: string, exclude: string[] = []): string[] =>
  new FileFinder([{ name: 'web', include: [join(folder, pattern)], exclude }])
    .scan()
    .problems.map(({ path, reason }) => `${path.slice(folder.length + 1)}: ${reason}`);

test('what a pattern finds and what is no file is named: dangling links, circles, pipes, names that are no text', () => {
  symlinkSync('gone.log', join(folder, 'dangling.log'));
  symlinkSync('circle.log', join(folder, 'circle.log'));
  execFileSync('mkfifo', [join(folder, 'pipe.log')]);
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9]), Buffer.from('.log')]), 'x\n');
  mkdirSync(join(folder, 'folder.log'));
  writeFileSync(join(folder, 'fine\ufffd.log'), 'x\n');
  expect(problemsOf('*.log').sort()).toEqual([
    'caf\ufffd.log: its name is not UTF-8',
    'circle.log: its symbolic links lead in a circle',
    'dangling.log: is a link to gone.log, which is not there',
    'pipe.log: is a pipe, not a regular file',
  ]);
  expect(problemsOf('*.log', ['caf*', 'c*', 'd*', 'p*'])).toEqual([]);
  expect(problemsOf('folder.log')).toEqual(['folder.log: is a folder, not a regular file']);
});

test('a folder on the way whose name is not a text, or that leads in a circle, is named', () => {
  const odd = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff])]);
  mkdirSync(odd);
  symlinkSync('round', join(folder, 'round'));
  expect(problemsOf('*/*.log').sort()).toEqual([
    'round: its symbolic links lead in a circle',
    '\ufffd: its name is not UTF-8',
  ]);
});
