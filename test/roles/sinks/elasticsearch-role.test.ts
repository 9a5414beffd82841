import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { systemClock } from '../../../src/lib/clock.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../../support/scripted-http.ts';
import { NODE_FLAGS } from '../../support/node-flags.ts';

const PATIENCE_MS = 60_000;

const ended: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).toReversed()) await end();
});

/** The role `sink search` over a server that answers as the test says; health is always good. */
async function start(script: Script): Promise<{ server: ScriptedServer; child: ChildProcess; said: () => string }> {
  const server = await startScriptedServer((request) =>
    request.path.startsWith('/_cluster/health') ? { status: 200, body: { status: 'green' } } : script(request),
  );
  ended.push(() => server.stop());
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-sink-'));
  ended.push(async () => rmSync(folder, { recursive: true }));
  const config = join(folder, 'tailrace.yaml');
  writeFileSync(
    config,
    `version: 1
name: web
data_dir: ${join(folder, 'data')}
sources: { web: { type: file, include: ['${folder}/*.log'], stream: access } }
streams: { access: { codec: { type: combined } } }
rollups: { traffic: { from: access, by: [url.path], window: { type: tumbling, size: 1m }, measures: { n: count } } }
sinks: { search: { type: elasticsearch, nodes: ['${server.url}'], documents: [] } }
`,
  );
  const main = [...NODE_FLAGS, resolve('src/main.ts')];
  const child = spawn(process.execPath, [...main, 'sink', 'search', '-c', config], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  ended.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return { server, child, said: () => said };
}

async function until(isSo: () => boolean): Promise<void> {
  const endMs = systemClock.monotonicMs() + PATIENCE_MS;
  while (!isSo() && systemClock.monotonicMs() < endMs) await systemClock.sleep(20);
}

test('a server that takes no templates yet is waited for, said once; and one that falls silent does not hold up the stop', async () => {
  let asked = 0;
  const { server, child, said } = await start(({ method, path }) => {
    if (!path.startsWith('/_index_template/')) return undefined;
    if (method === 'PUT') return { status: 200, body: { acknowledged: true } };
    return ++asked <= 2 ? { status: 503, body: { error: { type: 'x', reason: 'not yet' } } } : { status: 404 };
  });
  await until(() => server.requests.some(({ path }) => path.includes('_refresh')));
  expect(server.requests.map(({ path }) => path)).toContainEqual(expect.stringContaining('_refresh'));
  expect(said().match(/not yet/g)).toHaveLength(1);
  const startedMs = systemClock.monotonicMs();
  child.kill('SIGTERM');
  await once(child, 'exit');
  expect(systemClock.monotonicMs() - startedMs).toBeLessThan(20_000);
});
