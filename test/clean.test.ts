// `make clean` in a folder of its own: what it removes, what it keeps, and when it does nothing.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { holdStack } from '../scripts/stack/running.ts';
import { ensureSecrets, markKnownToContainers } from '../scripts/stack/secrets.ts';
import { acquireRoleLock } from '../src/lib/role-lock.ts';

const EVERYTHING = ['coverage', 'dist', 'secrets', 'stack-data', 'tailrace-data'];

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-clean-'));
  for (const name of EVERYTHING) mkdirSync(join(folder, name));
  ensureSecrets(join(folder, 'secrets'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function clean(...args: readonly string[]): { readonly code: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [resolve('scripts/clean.ts'), ...args], {
    encoding: 'utf8',
    cwd: folder,
    env: { ...process.env, DOCKER_HOST: 'unix:///nowhere/docker.sock' },
  });
  return { code: status, said: stdout + stderr };
}

test('removes what build and test made, and nothing that anybody stored', () => {
  expect(clean()).toEqual({ code: 0, said: 'removed dist, coverage\n' });
  expect(readdirSync(folder)).toEqual(['secrets', 'stack-data', 'tailrace-data']);
  expect(clean()).toEqual({ code: 0, said: 'nothing to remove\n' });
});

test('with volumes it removes everything, and says nothing of Docker where there is none', () => {
  expect(clean('--volumes')).toEqual({
    code: 0,
    said: 'removed dist, coverage, stack-data, tailrace-data, secrets\n',
  });
  expect(readdirSync(folder)).toEqual([]);
});

test('keeps the secrets that volumes of containers need, while no engine answers that could forget these', () => {
  markKnownToContainers(join(folder, 'secrets'));
  const { code, said } = clean('--volumes');
  expect(code).toBe(1);
  expect(said).toMatch(/^removed dist, coverage, stack-data, tailrace-data\nkept secrets\/, [^\n]+\n$/);
  expect(existsSync(join(folder, 'secrets', 'elastic_password'))).toBe(true);
});

test.each([
  ['make stack', () => holdStack(folder), '`make stack` runs here: Ctrl-C there, or `kill PID`, stops it'],
  [
    'a role on the data of the stack',
    () => acquireRoleLock(join(folder, 'stack-data/tailrace/run'), 'agent'),
    'tailrace (agent) runs on stack-data/tailrace: `kill PID` stops it',
  ],
  [
    'tailrace on the data of whoever names no folder',
    () => acquireRoleLock(join(folder, 'tailrace-data/run'), 'run'),
    'tailrace (run) runs on tailrace-data: `kill PID` stops it',
  ],
])('removes nothing while it runs: %s', (_, hold, why) => {
  const lock = hold();
  try {
    for (const args of [[], ['--volumes']]) {
      const said = `nothing was removed: ${why.replace('PID', String(process.pid))}\n`;
      expect(clean(...args)).toEqual({ code: 1, said });
    }
    expect(readdirSync(folder)).toEqual(EVERYTHING);
  } finally {
    lock.release();
  }
  expect(clean('--volumes').code).toBe(0);
});

test('names the one that has started the others', () => {
  const run = join(folder, 'tailrace-data/run');
  const locks = ['agent', 'run', 'sink-warehouse'].map((role) => acquireRoleLock(run, role));
  expect(clean().said).toContain('tailrace (run) runs on tailrace-data');
  for (const lock of locks) lock.release();
});

test('one stack at a time in a folder', () => {
  const lock = holdStack(folder);
  expect(() => holdStack(folder)).toThrow(`\`make stack\` runs here already: Ctrl-C there, or \`kill ${process.pid}\``);
  lock.release();
  holdStack(folder).release();
});
