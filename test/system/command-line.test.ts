import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { accessLines } from '../support/access-lines.ts';
import { type Ended, tailrace, workFolder } from '../support/tailrace-process.ts';

const folder = workFolder();
const at = (name: string): string => join(folder.path, name);
const run = (...args: string[]): Promise<Ended> => tailrace(args, { cwd: folder.path });

const FOUR_WORKERS = `version: 1
name: web
sources: { web: { type: file, include: [access.log], stream: access } }
streams: { access: { codec: { type: combined }, partitions: 6 } }
rollups:
  pages: { from: access, by: [url.path], window: { type: tumbling, size: 1h }, measures: { hits: count } }
engine: { workers: 4 }
`;

beforeAll(() => {
  writeFileSync(at('access.log'), accessLines(3));
  writeFileSync(at('prose.log'), 'this is no log\nof any kind\n');
  writeFileSync(at('secret.log'), accessLines(3));
  chmodSync(at('secret.log'), 0o000);
  mkdirSync(at('logs'));
  execFileSync('mkfifo', [at('pipe.log'), at('pipe.yaml')]);
  writeFileSync(at('broken.yaml'), 'version: 1\nname: [web\n');
  writeFileSync(at('four.yaml'), FOUR_WORKERS);
  writeFileSync(at('binary.yaml'), Buffer.from([0, 1, 2]));
  writeFileSync(at('unknown.yaml'), 'version: 1\nname: web\nsorces: {}\nstreams: {}\nrollups: {}\n');
  writeFileSync(at('future.yaml'), 'version: 1\nname: web\nalerts: {}\nsources: {}\nstreams: {}\nrollups: {}\n');
});
afterAll(() => folder.remove());

describe('bad input is one clear line, with the way out', () => {
  const isRoot = process.getuid?.() === 0;
  const refuses = (args: readonly string[], code: number, message: string): void => {
    test(args.join(' '), async () => {
      const ended = await run(...args);
      expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code, stderr: `tailrace: ${message}\n` });
      expect(ended.stdout).toBe('');
    });
  };
  refuses(['run', 'none.log'], 2, 'none.log does not exist (check the path)');
  refuses(['run', 'logs'], 2, 'logs is a folder (name files: logs/*.log)');
  refuses(
    ['run', 'pipe.log'],
    2,
    'pipe.log is not a regular file (write its lines to a file first: positions of a pipe cannot be read again)',
  );
  // Root may read everything.
  if (!isRoot) refuses(['run', 'secret.log'], 2, 'secret.log cannot be read: permission denied (see ls -l secret.log)');
  refuses(
    ['run', 'prose.log'],
    2,
    'the format of prose.log is not known: of the first 2 lines, the first begins "this is no log" (formats that are recognised: combined, common, json; for others write a configuration, or JSON, one object a line)',
  );
  refuses(
    ['run', 'unknown.yaml', 'access.log'],
    2,
    'unknown.yaml is a configuration: name it alone, or log files alone (tailrace run --help)',
  );
  refuses(
    ['run', 'access.log', '--json'],
    2,
    '--json needs --once: a run without end has no result (tailrace run --help)',
  );
  refuses(
    ['check'],
    3,
    'there is no tailrace.yaml here (name a configuration with -c, or log files: tailrace run access.log)',
  );
  refuses(
    ['check', 'none.yaml'],
    3,
    'none.yaml does not exist (name a configuration with -c, or log files: tailrace run access.log)',
  );
  refuses(['check', 'logs'], 3, 'logs is a folder (name a file, such as logs/tailrace.yaml)');
  refuses(['check', 'pipe.yaml'], 3, 'pipe.yaml is not a regular file (a configuration is a YAML file)');
  refuses(['check', 'binary.yaml'], 3, 'binary.yaml is not a text file (a configuration is a YAML file)');
  refuses(
    ['run', '--once', 'access.log', '--data-dir', 'access.log/x'],
    3,
    'data_dir access.log/x cannot be used: a file is on the way to it (move the file, or name another folder)',
  );
});

describe('a wrong configuration is shown with its line', () => {
  const shows = (file: string, picture: string): void => {
    test(file, async () => {
      for (const verb of ['check', 'run', 'engine', 'agent']) {
        const args = verb === 'check' || verb === 'run' ? [verb, file] : [verb, '-c', file];
        expect(await run(...args)).toMatchObject({ code: 3, stderr: picture, stdout: '' });
      }
    });
  };
  shows(
    'broken.yaml',
    `error CONFIG_YAML: not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]
  ┌─ broken.yaml:3:1
3 │ 
  │ ^
`,
  );
  shows(
    'unknown.yaml',
    `error CONFIG_UNKNOWN_KEY: unknown key "sorces"
  ┌─ unknown.yaml:3:1
3 │ sorces: {}
  │ ^^^^^^ did you mean "sources"?
`,
  );
  shows(
    'future.yaml',
    `error CONFIG_NOT_BUILT: "alerts" is not built yet
  ┌─ future.yaml:3:1
3 │ alerts: {}
  │ ^^^^^^ remove it
`,
  );
});

describe('several workers', () => {
  test('check says who gets how many', async () => {
    const { code, stdout } = await run('check', 'four.yaml');
    expect(code).toBe(0);
    expect(stdout).toContain(
      '4 engine workers with fixed partitions\n  note: 6 partitions for 4 workers do not divide evenly: 2 of them have 2, the others 1\n',
    );
  });

  test('an engine that is started alone needs its number, and one that is there', async () => {
    const messages = [
      [[], 'there are 4 workers, and each needs its number (add --worker 0 … --worker 3)'],
      [['--worker', '4'], 'there is no worker 4 of 4: they count from 0 (use --worker 0 … --worker 3)'],
      [['--worker', 'x'], '"x" is not a whole number (tailrace engine --help)'],
    ] as const;
    for (const [args, message] of messages) {
      const ended = await run('engine', '-c', 'four.yaml', ...args);
      expect(ended).toMatchObject({ code: 2, stderr: `tailrace: ${message}\n` });
    }
  });
});

describe('the command line itself', () => {
  test('says what there is, in an instant', async () => {
    const startedMs = systemClock.monotonicMs();
    const { code, stdout } = await run('--help');
    // 150 ms on a quiet machine; this one may be very busy.
    expect(systemClock.monotonicMs() - startedMs).toBeLessThan(10_000);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Examples:/);
    for (const verb of ['run', 'check', 'sql', 'audit', 'engine'])
      expect(stdout).toMatch(new RegExp(`^  ${verb} `, 'm'));
  });

  test('without a word it says the same', async () => {
    expect(await run()).toMatchObject({ code: 0, stdout: expect.stringContaining('Every day:') });
  });

  test('knows what was probably meant', async () => {
    expect(await run('chek')).toMatchObject({ code: 2, stderr: expect.stringContaining('Did you mean check?') });
    expect(await run('check', '--jsn')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Did you mean --json?'),
    });
    expect(await run('run', '--max-failures', 'x', 'access.log')).toMatchObject({ code: 2 });
  });

  test('says its version', async () => {
    expect((await run('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(JSON.parse((await run('version', '--json')).stdout)).toMatchObject({ node: process.versions.node });
  });

  test('lists its components for programs', async () => {
    const listed = JSON.parse((await run('list', '--json')).stdout) as { kind: string; name: string }[];
    expect(listed.map(({ kind, name }) => `${kind} ${name}`)).toEqual(
      expect.arrayContaining(['source file', 'codec combined', 'codec json', 'aggregate avg', 'sink duckdb']),
    );
  });

  test('a reader that closes stdout early is no error', async () => {
    const child = spawn(
      '/bin/sh',
      ['-c', `"${process.execPath}" "${resolve('dist/main.js')}" list | head -1; exit "$?"`],
      { cwd: folder.path },
    );
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const code = await new Promise((done) => child.once('close', done));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test('a slow reader gets everything: more than a pipe holds', async () => {
    const sources = Array.from(
      { length: 1500 },
      (_, i) => `  s${i}: { type: file, include: [access.log], stream: access }`,
    );
    writeFileSync(at('many.yaml'), FOUR_WORKERS.replace(/^sources: .*$/m, `sources:\n${sources.join('\n')}`));
    const whole = (await run('check', '--json', 'many.yaml')).stdout;
    const command = `"${process.execPath}" "${resolve('dist/main.js')}" check --json many.yaml | (sleep 2; wc -c)`;
    const counted = execFileSync('/bin/sh', ['-c', command], { cwd: folder.path, encoding: 'utf8' });
    expect(Number(counted)).toBe(Buffer.byteLength(whole));
    expect(Number(counted)).toBeGreaterThan(2 * 65_536);
  });
});
