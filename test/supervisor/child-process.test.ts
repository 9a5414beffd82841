import { afterAll, expect, test } from '@jest/globals';
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

test('a role can be killed, and says by what it died', async () => {
  const { child } = startProgram('setInterval(() => {}, 1000); // until killed');
  child.kill('SIGKILL');
  expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
});
