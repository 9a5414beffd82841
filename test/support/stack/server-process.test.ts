import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { ServerProcess, freePorts } from './server-process.ts';

/** Whoever is dead and not yet waited for is dead. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function until(isSo: () => boolean): Promise<void> {
  for (let waitedMs = 0; !isSo(); waitedMs += 10) {
    if (waitedMs > 10_000) throw new Error('waited for in vain');
    await sleep(10);
  }
}

const shell = (folder: string, script: string): ServerProcess =>
  new ServerProcess({ name: 'a shell', command: 'sh', args: ['-c', script], folder });

test.each([true, false])(
  'a server dies with the process that started it, with all its children (folder kept: %s)',
  async (keepFolder) => {
    const folder = mkdtempSync(join(tmpdir(), 'tailrace-server-'));
    const options = { name: 'x', command: 'sh', args: ['-c', 'sleep 600 & echo $! > child; wait'], folder, keepFolder };
    const script = `
    import { ServerProcess } from ${JSON.stringify(join(import.meta.dirname, 'server-process.ts'))};
    console.log(new ServerProcess(${JSON.stringify(options)}).pid);
    setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(String(said));
    await until(() => existsSync(join(folder, 'child')) && readFileSync(join(folder, 'child'), 'utf8').endsWith('\n'));
    const child = Number(readFileSync(join(folder, 'child'), 'utf8'));
    expect([isAlive(pid), isAlive(child)]).toEqual([true, true]);
    parent.kill('SIGKILL');
    await until(() => !isAlive(pid) && !isAlive(child));
    if (!keepFolder) await until(() => !existsSync(folder));
    expect(existsSync(folder)).toBe(keepFolder);
    rmSync(folder, { recursive: true, force: true });
  },
);

test('waits until a server is ready, and says its last words if it ends instead', async () => {
  let looks = 0;
  const server = shell(tmpdir(), 'sleep 600');
  await server.ready(async () => {
    looks += 1;
    if (looks < 3) throw new Error('not yet');
  }, 10_000);
  await server.end();
  expect([server.isRunning, looks]).toEqual([false, 3]);

  const broken = shell(tmpdir(), 'echo no room >&2; exit 3');
  await expect(broken.ready(() => Promise.reject(new Error('refused')), 10_000)).rejects.toThrow(
    /a shell ended while it started: Error: refused\nno room/,
  );
  await broken.end();
});

test('an observer hears every line, and of an end that nobody asked for; what is left of the group is killed', async () => {
  const heard: string[] = [];
  const watched = (script: string): ServerProcess =>
    new ServerProcess({
      name: 'a shell',
      command: 'sh',
      args: ['-c', script],
      folder: tmpdir(),
      observer: {
        started: (pid) => heard.push(`started ${pid > 0}`),
        line: (text) => heard.push(text),
        ended: (how) => heard.push(how),
      },
    });
  // A line in two pieces is one line.
  const killed = watched('printf "one "; sleep 0.1; echo line; sleep 600 & echo $!; wait');
  await until(() => heard.length === 3);
  const child = Number(heard.pop());
  process.kill(killed.pid, 'SIGKILL');
  await until(() => heard.length === 3 && !isAlive(child));
  expect(heard.splice(0)).toEqual(['started true', 'one line', 'killed by SIGKILL']);
  await killed.end();

  const broken = watched('echo last words; exit 3');
  await until(() => heard.length === 3);
  expect(heard.splice(0)).toEqual(['started true', 'last words', 'exit code 3']);
  await broken.end();

  await watched('sleep 600').end();
  expect(heard).toEqual(['started true']);
});

test('free ports differ, also from those that were given before and are not in use yet', async () => {
  const ports = [...(await freePorts(20)), ...(await freePorts(300)), ...(await freePorts(300))];
  expect(new Set(ports).size).toBe(620);
});
