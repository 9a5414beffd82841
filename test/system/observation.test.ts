import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import type { Status } from '../../src/metrics/status.ts';
import { accessLines } from '../support/access-lines.ts';
import { scrapeUntil } from '../support/scrape.ts';
import { Tailrace, workFolder } from '../support/tailrace-process.ts';

const WAIT_MS = 60_000;
const TOKEN = 'a-token-of-twenty-one';
const TASK = 'pipeline="web",stream="access",partition="0"';

let folder: ReturnType<typeof workFolder>;
beforeEach(() => {
  folder = workFolder();
  writeFileSync(join(folder.path, 'access.log'), accessLines(500));
});
afterEach(() => folder.remove());

async function follow(observe: string): Promise<{ run: Tailrace; address: string }> {
  writeFileSync(
    join(folder.path, 'tailrace.yaml'),
    `version: 1
name: web
data_dir: ./data
observe: ${observe}
sources:
  web: { type: file, include: [./access.log], stream: access }
streams:
  access: { codec: { type: combined }, event_time: { out_of_orderness: 60s } }
rollups:
  traffic: { from: access, by: [http.response.status_code], window: { type: tumbling, size: 1m }, measures: { requests: count } }
`,
  );
  const run = new Tailrace(['run'], { cwd: folder.path });
  await run.says(/metrics on http\S+\/metrics/);
  const address = /metrics on (http\S+)\/metrics/.exec(run.stderr)![1]!;
  return { run, address };
}

function statusOf(socketPath: string): Promise<Status> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: '/status' }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      answer.on('end', () => resolve(JSON.parse(text) as Status));
    })
      .on('error', reject)
      .end();
  });
}

test('a run says what it does, that nothing was lost, and what is not ready while a killed role comes back', async () => {
  const { run, address } = await follow('{ listen: "127.0.0.1:0" }');
  await run.says(/following/);
  const lines = (fate: string, count: number): string =>
    `tailrace_lines_total{${TASK},consumer="traffic",fate="${fate}",reason="",process="engine"} ${count}\n`;
  const text = await scrapeUntil(`${address}/metrics`, lines('rolled_up', 500), WAIT_MS);
  expect(text).toContain(lines('in', 500));
  expect(text).toContain(`tailrace_conservation_lines{${TASK},consumer="traffic",process="engine"} 0\n`);
  // Each process says what it measures once a second, and they take turns.
  await scrapeUntil(`${address}/metrics`, 'tailrace_agent_lines_total{process="agent"} 500\n', WAIT_MS);
  expect(text).toMatch(/tailrace_checkpoint_attempts_total\{.*outcome="ok".*\} [1-9]/);
  expect(text).toMatch(/tailrace_task_idle_seconds_total\{.*\} \d/);
  await scrapeUntil(`${address}/readyz`, '"notReady":[]', WAIT_MS);
  const all = await (await fetch(`${address}/metrics`)).text();
  expect(all).toMatch(/process_resident_memory_bytes\{process="sink warehouse"\} [1-9]/);
  expect((await fetch(`${address}/healthz`)).status).toBe(200);
  expect(await (await fetch(`${address}/version`)).json()).toMatchObject({ node: expect.stringMatching(/^24\./) });

  const pid = Number(readFileSync(join(folder.path, 'data/run/engine.pid'), 'utf8'));
  process.kill(pid, 'SIGKILL');
  await scrapeUntil(
    `${address}/metrics`,
    'tailrace_restarts_total{role="engine",reason="killed",process="run"} 1\n',
    WAIT_MS,
  );
  appendFileSync(join(folder.path, 'access.log'), accessLines(20));
  // The ledger is in the log: the counts go on where they were.
  const after = await scrapeUntil(`${address}/metrics`, lines('in', 520), WAIT_MS);
  expect(after).toContain(`tailrace_conservation_lines{${TASK},consumer="traffic",process="engine"} 0\n`);
  await scrapeUntil(`${address}/readyz`, '"notReady":[]', WAIT_MS);

  const socket = join(folder.path, 'data/run/run.sock');
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  const status = await statusOf(socket);
  expect(status).toMatchObject({ pipeline: 'web', state: 'running', notReady: [] });
  expect(status.roles.map(({ name, restarts }) => [name, restarts])).toEqual([
    ['agent', 0],
    ['engine', 1],
    ['sink warehouse', 0],
  ]);
  expect(status.events.map(({ text: words }) => words).join('\n')).toContain('engine ended (signal SIGKILL)');
  run.child.kill('SIGTERM');
  expect((await run.ended).code).toBe(143);
});

test('at an address that has a token, nothing but life is told without it', async () => {
  const { run, address } = await follow(`{ listen: "127.0.0.1:0", token: ${TOKEN} }`);
  const statusOfPath = async (path: string, headers: Record<string, string> = {}): Promise<number> =>
    (await fetch(`${address}${path}`, { headers })).status;
  for (const path of ['/metrics', '/readyz', '/status', '/version']) expect(await statusOfPath(path)).toBe(401);
  expect(await statusOfPath('/healthz')).toBe(200);
  expect(await statusOfPath('/status', { authorization: `Bearer ${TOKEN}` })).toBe(200);
  expect(await statusOfPath('/nothing')).toBe(404);
  expect(run.stderr).not.toContain(TOKEN);
  run.child.kill('SIGTERM');
  await run.ended;
});
