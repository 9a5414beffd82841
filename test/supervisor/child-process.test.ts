import { afterAll, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { childProcesses } from '../../src/supervisor/child-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'tailrace-child-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A role's program, and what it said until it ended. */
function startProgram(source: string): {
  said: string[];
  messages: unknown[];
  child: ReturnType<ReturnType<typeof childProcesses>>;
} {
  const program = join(folder, `role-${Math.abs(source.length)}.mjs`);
  writeFileSync(program, source);
  const said: string[] = [];
  const messages: unknown[] = [];
  const start = childProcesses({
    program,
    environment: process.env,
    onLine: (service, line) => said.push(`${service}: ${line}`),
    onMessage: (_service, message) => messages.push(message),
  });
  return { said, messages, child: start({ name: 'role', args: ['x', 'y'], canFinish: false }) };
}

test('arguments go in; lines, messages and the exit code come out', async () => {
  const { said, messages, child } = startProgram(
    `process.send({ at: 1 }); console.error(process.argv.slice(2).join(' ')); process.exitCode = 75; process.disconnect();`,
  );
  expect(await child.exited).toEqual({ code: 75, signal: null });
  await systemClock.sleep(50);
  expect(said).toEqual(['role: x y']);
  expect(messages).toEqual([{ at: 1 }]);
});

test('nothing of a role is compiled in another thread, which could hold up its exit for ever', async () => {
  const { messages, child } = startProgram('process.send(process.execArgv); process.disconnect();');
  await child.exited;
  expect(messages).toEqual([expect.arrayContaining(['--no-concurrent-sparkplug', '--no-concurrent-recompilation'])]);
});

test.each([
  ['before', 100],
  ['after', 0],
])('a role dies with its supervisor, were it %s the role looks', async (_when, loadMs) => {
  const program = join(folder, 'orphan.mjs');
  const module = JSON.stringify(new URL('../../src/supervisor/child-process.ts', import.meta.url).href);
  writeFileSync(
    program,
    `await new Promise((resolve) => setTimeout(resolve, ${loadMs}));
    const { dieWithSupervisor } = await import(${module});
    dieWithSupervisor();
    if (${loadMs} === 0) process.send('looked');
    setTimeout(() => process.exit(7), 30_000);`,
  );
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  if (loadMs === 0) await once(child, 'message');
  else await once(child, 'spawn');
  child.disconnect();
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
});

test('a role can be killed, and says by what it died', async () => {
  const { child } = startProgram('setInterval(() => {}, 1000); // until killed');
  child.kill('SIGKILL');
  expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
});
