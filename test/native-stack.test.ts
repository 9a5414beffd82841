// What `make stack` does around its servers, without any: where their words go, and what is said of a stack that runs or does not.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { PartLog } from '../scripts/stack/part-log.ts';
import { holdStack, partsFolder, rolesFolder } from '../scripts/stack/running.ts';
import { KAFKA_VERSION } from './support/stack/kafka.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-parts-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

test('the words of a part take a bounded place, over any number of starts', () => {
  const path = join(folder, 'kafka.log');
  for (let start = 0; start < 3; start += 1) {
    const log = new PartLog(path, 1000);
    for (let i = 0; i < 50; i += 1) log.write(`line ${start}-${i}`);
    expect(log.lastLine).toBe(`line ${start}-49`);
    expect(statSync(path).size).toBeLessThanOrEqual(1000);
    expect(statSync(`${path}.1`, { throwIfNoEntry: false })?.size ?? 0).toBeLessThanOrEqual(1000);
  }
  const kept = [`${path}.1`, path].flatMap((file) => readFileSync(file, 'utf8').trim().split('\n'));
  const all = [0, 1, 2].flatMap((start) => Array.from({ length: 50 }, (_, i) => `line ${start}-${i}`));
  expect(kept).toEqual(all.slice(-kept.length));
  expect(kept.length).toBeGreaterThan(80);
});

function make(verb: string): { readonly code: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [resolve('scripts/compose.ts'), verb], {
    encoding: 'utf8',
    cwd: folder,
    env: { ...process.env, DOCKER_HOST: 'unix:///nowhere/docker.sock' },
  });
  return { code: status, said: stdout + stderr };
}

test.each([
  ['ps', /: `make stack` starts one\n$/],
  ['logs', /`make stack` starts one; what the last one said is in stack-data\/parts\/\n$/],
  ['down', /^no stack runs here, and [^:;]+\n$/],
])('make %s, where nothing runs and there is no engine, is one line and no error', (verb, words) => {
  if (verb === 'logs') mkdirSync(partsFolder(folder), { recursive: true });
  const { code, said } = make(verb);
  expect(said).toMatch(/^no stack runs here, and [^\n]+\n$/);
  expect(said).toMatch(words);
  expect(code).toBe(0);
});

test('make ps lists parts and roles, make down says how to stop them', () => {
  const ended = spawnSync('true').pid;
  const lock = holdStack(folder);
  try {
    mkdirSync(rolesFolder(folder), { recursive: true });
    for (const [path, pid] of [
      [join(partsFolder(folder), 'elasticsearch.pid'), ended],
      [join(partsFolder(folder), 'kafka.pid'), process.pid],
      [join(rolesFolder(folder), 'engine-0.pid'), process.pid],
      [join(rolesFolder(folder), 'run.pid'), process.pid],
    ] as const) {
      writeFileSync(path, `${pid}\n`);
    }
    const { code, said } = make('ps');
    expect(code).toBe(0);
    expect(said.split('\n')).toEqual([
      `\`make stack\` runs here, process ${process.pid}; its parts`,
      '  elasticsearch        ENDED',
      `  kafka                process ${process.pid}`,
      'and in the pipeline, which starts again what ends',
      `  engine-0             process ${process.pid}`,
      `\`make logs\` shows what they say; Ctrl-C there, or \`kill ${process.pid}\`, stops it`,
      '',
    ]);
    expect(make('down')).toEqual({
      code: 0,
      said: `\`make stack\` runs in another terminal: Ctrl-C there, or \`kill ${process.pid}\`, stops it\n`,
    });
  } finally {
    lock.release();
  }
});

test('make logs shows what the parts say, until the stack ends', async () => {
  const lock = holdStack(folder);
  writeFileSync(join(partsFolder(folder), 'kafka.log'), 'a word of Kafka\n');
  const logs = spawn(process.execPath, [resolve('scripts/compose.ts'), 'logs'], { cwd: folder });
  let said = '';
  logs.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (said.includes('a word of Kafka')) lock.release();
  });
  const [code] = (await once(logs, 'close')) as [number];
  expect(code).toBe(0);
  expect(said).toMatch(/a word of Kafka\nprocess \d+, `make stack`, has ended\n$/);
});

test('Ctrl-C at make logs is no failure', async () => {
  const lock = holdStack(folder);
  writeFileSync(join(partsFolder(folder), 'kafka.log'), 'a word of Kafka\n');
  // A group of its own, as a terminal gives it.
  const logs = spawn(process.execPath, [resolve('scripts/compose.ts'), 'logs'], { cwd: folder, detached: true });
  logs.stdout.once('data', () => process.kill(-(logs.pid ?? 0), 'SIGINT'));
  expect(await once(logs, 'close')).toEqual([0, null]);
  lock.release();
});

describe('before a start', () => {
  /** In an empty cache, with these programs alone on the PATH. */
  const lookWith = (...programs: readonly string[]): unknown => {
    for (const name of programs) writeFileSync(join(folder, name), '#!/bin/sh\n', { mode: 0o755 });
    const script = `
      import { missingForStack, toDownload } from ${JSON.stringify(resolve('scripts/stack/needs.ts'))};
      console.log(JSON.stringify([missingForStack() ?? 'nothing', toDownload()]));`;
    const env = { ...process.env, XDG_CACHE_HOME: folder, PATH: folder };
    const args = ['--input-type=module', '-e', script];
    return JSON.parse(spawnSync(process.execPath, args, { encoding: 'utf8', env }).stdout);
  };

  test('what is to be downloaded is said, and what is there is not', () => {
    const [, all] = lookWith() as [string, string[]];
    expect(all).toEqual(['Kafka (54 MB)', 'Elasticsearch (96 MB)']);
    mkdirSync(join(folder, 'tailrace', 'stack', `kafka-${KAFKA_VERSION}`), { recursive: true });
    const [, rest] = lookWith() as [string, string[]];
    expect(rest).toEqual(['Elasticsearch (96 MB)']);
  });

  test('what cannot be had is said in one line, with the way to get it', () => {
    const [without] = lookWith('alertmanager') as [string];
    expect(without).toMatch(
      /^make stack needs kafka \(no .*\) and elasticsearch \(no .*\) and prometheus \(prometheus is not /,
    );
    const [withIt] = lookWith('prometheus', 'mvn') as [string];
    expect(withIt).not.toContain('prometheus');
  });
});
