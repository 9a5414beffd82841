import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { acquireRoleLock } from '../../src/lib/role-lock.ts';

const MODULE = join(import.meta.dirname, '../../src/lib/role-lock.ts');

const started: ChildProcess[] = [];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-lock-'));
});
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

/** A process that holds the lock until it is killed, unless `then` ends it. */
async function holder(then = 'setInterval(() => {}, 1000)'): Promise<ChildProcess> {
  const code = `import { acquireRoleLock } from ${JSON.stringify(MODULE)};
    acquireRoleLock(${JSON.stringify(folder)}, 'engine'); console.log('held'); globalThis.gc(); ${then};`;
  const args = ['--disable-warning=ExperimentalWarning', '--expose-gc', '--input-type=module-typescript', '-e', code];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(child);
  await once(child.stdout, 'data');
  return child;
}

test('a role is held once, roles do not meet, and release frees it', () => {
  const runFolder = join(folder, 'run');
  const lock = acquireRoleLock(runFolder, 'engine');
  expect(readFileSync(join(runFolder, 'engine.pid'), 'utf8')).toBe(`${process.pid}\n`);
  expect(() => acquireRoleLock(runFolder, 'engine')).toThrow(`already run by process ${process.pid}`);
  acquireRoleLock(runFolder, 'agent').release();
  lock.release();
  lock.release();
  expect(existsSync(join(runFolder, 'engine.pid'))).toBe(false);
  acquireRoleLock(runFolder, 'engine').release();
});

test('a lock of another process names its pid and the way out, and ends with it, however it dies', async () => {
  const child = await holder();
  expect(() => acquireRoleLock(folder, 'engine')).toThrow(
    expect.objectContaining({
      code: 'ROLE_LOCKED',
      isRetryable: false,
      message: expect.stringContaining(`process ${child.pid}`),
      hint: expect.stringContaining(`stop process ${child.pid}`),
    }),
  );
  child.kill('SIGKILL');
  await once(child, 'close');
  const lock = acquireRoleLock(folder, 'engine');
  expect(readFileSync(join(folder, 'engine.pid'), 'utf8')).toBe(`${process.pid}\n`);
  lock.release();
});

test('with a timeout it waits for the holder', async () => {
  await holder(`setTimeout(() => process.exit(), 300)`);
  expect(() => acquireRoleLock(folder, 'engine')).toThrow('already run');
  acquireRoleLock(folder, 'engine', { busyTimeoutMs: 10_000 }).release();
});

test('a folder that cannot be used is one clear error', () => {
  writeFileSync(join(folder, 'a-file'), '');
  expect(() => acquireRoleLock(join(folder, 'a-file/run'), 'engine')).toThrow(
    expect.objectContaining({ code: 'LOCK_UNUSABLE', hint: expect.stringContaining('another data_dir') }),
  );
  mkdirSync(join(folder, 'run/engine.lock'), { recursive: true });
  expect(() => acquireRoleLock(join(folder, 'run'), 'engine')).toThrow(
    /engine\.lock cannot be locked: .*unable to open/,
  );
});
