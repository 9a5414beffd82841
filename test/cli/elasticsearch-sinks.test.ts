// What a person sees, and when, whose command finds no Elasticsearch or Kibana where one should be.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Script, startScriptedServer } from '../support/scripted-http.ts';
import { NODE_FLAGS } from '../support/node-flags.ts';

/** Longer than for an answer that comes at once: three seconds for who takes a connection and answers nothing, and what a busy machine adds. */
const WAIT_MS_MAX = 20_000;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-away-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

let runs = 0;

async function tailrace(url: string, args: readonly string[]): Promise<{ code: number; said: string; tookMs: number }> {
  const config = join(folder, `${++runs}.yaml`);
  writeFileSync(
    config,
    `version: 1
name: away
sources: { web: { type: file, include: ['*.log'], stream: access } }
streams: { access: { codec: { type: combined } } }
rollups: {}
sinks: { search: { type: elasticsearch, nodes: ['${url}'] } }
`,
  );
  const startedMs = performance.now();
  const main = [...NODE_FLAGS, resolve('src/main.ts')];
  const child = spawn(process.execPath, [...main, ...args, '-c', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  return { code: code as number, said, tookMs: performance.now() - startedMs };
}

const SILENT: Script = () => undefined;
const STRANGER: Script = () => ({
  status: 200,
  body: '<html>',
  headers: { 'x-elastic-product': 'none', 'content-type': 'text/html' },
});
const REFUSING: Script = () => ({ status: 401, body: { error: { type: 'security_exception', reason: 'who?' } } });

test.each([
  ['search', (_: string): string[] => ['search', 'status>=500']],
  ['provision elasticsearch', (_: string): string[] => ['provision', 'elasticsearch']],
  ['provision kibana', (url: string): string[] => ['provision', 'kibana', '--kibana', url]],
] as const)('tailrace %s says in one line, soon, what is wrong and what to do', async (name, argsOf) => {
  const isKibana = name === 'provision kibana';
  const cases: readonly (readonly [Script | undefined, number, RegExp])[] = [
    [undefined, 4, /cannot be reached.*ECONNREFUSED.*\(start it/],
    [SILENT, 4, isKibana ? /no answer within 3000 ms.*\(start it/ : /no answer in time from/],
    [REFUSING, 3, /answered 401.*\(give/],
    [STRANGER, isKibana ? 1 : 4, isKibana ? /answered 200: <html>.*this is none/ : /is not an Elasticsearch/],
  ];
  const judge = async ([script, exitCode, line]: (typeof cases)[number]): Promise<number> => {
    const server = await startScriptedServer(script ?? SILENT);
    if (script === undefined) await server.stop();
    const { code, said, tookMs } = await tailrace(server.url, argsOf(server.url));
    if (script !== undefined) await server.stop();
    expect(said).toMatch(line);
    expect(said.trimEnd().split('\n')).toHaveLength(1);
    expect(code).toBe(exitCode);
    return tookMs;
  };
  const tookMs = await Promise.all(cases.map(judge));
  expect(Math.max(...tookMs) - Math.min(...tookMs)).toBeLessThan(WAIT_MS_MAX);
});
