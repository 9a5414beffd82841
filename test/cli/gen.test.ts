import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NODE_FLAGS } from '../support/node-flags.ts';

const gen = (...args: string[]) =>
  spawnSync(process.execPath, [...NODE_FLAGS, 'src/main.ts', 'gen', ...args], { encoding: 'latin1' });

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-gen-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('tailrace gen', () => {
  test('writes the lines asked for and nothing else, the same every time, and appends to a file', () => {
    const file = join(folder, 'a.log');
    const { stdout, stderr, status } = gen('-n', '50', '--seed', '3', '--late', '5%:30s', '--span', '5m');
    expect([stdout.split('\n').length, stderr, status]).toEqual([51, '', 0]);
    gen('-n', '50', '--seed', '3', '--late', '5%:30s', '--span', '5m', '-o', file);
    gen('-n', '50', '--seed', '3', '--late', '5%:30s', '--span', '5m', '-o', file);
    expect(readFileSync(file, 'latin1')).toBe(stdout + stdout);
  });

  test('holds the rate, and ends cleanly on SIGINT with a truth of what it wrote', async () => {
    const [file, truth] = [join(folder, 'a.log'), join(folder, 'truth.json')];
    const child = spawn(process.execPath, [
      ...NODE_FLAGS,
      'src/main.ts',
      'gen',
      '-r',
      '2000',
      '-o',
      file,
      '--truth',
      truth,
    ]);
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
    while (!existsSync(file) || statSync(file).size < 100_000) await sleep(20);
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    const text = readFileSync(file, 'latin1');
    expect(text.endsWith('\n')).toBe(true);
    expect((JSON.parse(readFileSync(truth, 'utf8')) as { lines: number }).lines).toBe(text.split('\n').length - 1);
  });

  test('a rate and a duration make exactly that many lines', () => {
    const { stdout, status } = gen('-r', '1000', '-d', '300ms');
    expect([stdout.split('\n').length - 1, status]).toEqual([300, 0]);
  });

  test.each([
    [['-n', 'x'], /--lines.*whole number/],
    [['-n', '0'], /--lines.*whole number/],
    [['-d', '5s'], /--duration needs --rate/],
    [['-r', '5', '--span', '1h'], /--span goes without --rate/],
    [['-d', '5'], /--duration.*a duration/],
    [['--late', '5%'], /--late.*such as 5%:30s/],
    [['--late', '101%:5s'], /--late.*0% to 100%/],
    [['--burst', 'error@20s'], /--burst.*error@\+20s:10s/],
    [['--start', '2026-02-30'], /--start.*a time/],
    [['-f', 'xml'], /--format.*combined, common/],
  ])('%j is refused with one clear line', (args, message) => {
    const { stderr, stdout, status } = gen(...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  test('a file that cannot be written is one clear line', () => {
    const { stderr, status } = gen('-n', '5', '-o', join(folder, 'missing', 'a.log'));
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^tailrace: cannot write .*ENOENT.*\n$/)]);
  });
});
