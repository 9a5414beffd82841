import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { commandName } from '../../src/cli/command-name.ts';
import { accessLines } from '../support/access-lines.ts';
import { RIGHT_CONFIG } from '../support/broken-config.ts';
import { NODE_FLAGS } from '../support/node-flags.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-program-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const MAIN = resolve('src/main.ts');

function tailrace(...args: string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [...NODE_FLAGS, MAIN, ...args], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
  });
}

test('the launcher starts Node as the tests do', () => {
  expect(readFileSync(resolve('tailrace'), 'utf8')).toContain(` ${NODE_FLAGS.join(' ')} `);
});

describe('wrong usage is one line, with the way out', () => {
  test.each([
    [['check', '--jsn'], "unknown option '--jsn'. Did you mean --json? (tailrace check --help)"],
    [
      ['search', '-status:200 path:/x'],
      "unknown option '-status:200 path:/x'. An argument that begins with - comes after -- (tailrace search --help)",
    ],
    [['sql', '-x'], "unknown option '-x' (tailrace sql --help)"],
    [['chek'], "unknown command 'chek'. Did you mean check? (tailrace --help)"],
    [['--jsn'], "unknown option '--jsn' (tailrace --help)"],
    [['sql'], "missing required argument 'query' (tailrace sql --help)"],
    [
      ['audit', 'x\u001b[2J'],
      "too many arguments for 'audit'. Expected 0 arguments but got 1: x\\x1b[2J (tailrace audit --help)",
    ],
  ])('%j', (args, line) => {
    expect(tailrace(...args)).toMatchObject({ status: 2, stdout: '', stderr: `tailrace: ${line}\n` });
  });
});

test('help is asked for in the ways people ask for it', () => {
  const [word, flag] = [tailrace('help', 'sql'), tailrace('sql', '--help')];
  expect(word).toMatchObject({ status: 0, stderr: '' });
  expect(word.stdout).toContain('Usage: tailrace sql');
  expect(word.stdout).toBe(flag.stdout);
  expect(tailrace('help').stdout).toContain('Every day:');
});

test('a question to a folder where nothing has run makes nothing there', () => {
  writeFileSync(join(folder, 'a-file'), '');
  for (const where of ['nowhere', 'a-file']) {
    for (const verb of [['sql', 'show tables'], ['audit'], ['lag'], ['agent', 'resend', 'a/1']]) {
      const { status, stdout, stderr } = tailrace(...verb, '--data-dir', where);
      expect({ stdout, lines: stderr.split('\n').length }).toEqual({ stdout: '', lines: 2 });
      if (where === 'nowhere') expect(status).toBe(4);
    }
  }
  expect(existsSync(join(folder, 'nowhere'))).toBe(false);
});

describe('a run that reads once', () => {
  const configure = (name: string, include: string): string => {
    const text = `version: 1
name: web
data_dir: ./${name}
sources: { web: { type: file, include: [${include}], stream: access } }
streams: { access: { codec: { type: combined } } }
rollups: { traffic: { from: access, window: { type: tumbling, size: 1m }, measures: { requests: count } } }
`;
    writeFileSync(join(folder, `${name}.yaml`), text);
    return `${name}.yaml`;
  };

  test('says which files it could not read, and ends as one that reached them not', () => {
    writeFileSync(join(folder, 'there.log'), accessLines(3));
    const ended = tailrace('run', '--once', '--json', configure('missing', 'there.log, missing.log'));
    expect(ended.stderr).toContain('tailrace: not in this result, since they cannot be read: missing.log\n');
    expect(JSON.parse(ended.stdout)).toMatchObject({ audit: { sent: 3 }, unread: [join(folder, 'missing.log')] });
    expect(ended.status).toBe(4);
  }, 60_000);

  test('says that no file matched', () => {
    const ended = tailrace('run', '--once', configure('unmatched', 'none-*.log'));
    expect(ended.stderr).toContain('tailrace: nothing was read: no file matches none-*.log\n');
    expect(ended.status).toBe(0);
  }, 60_000);

  test('of a pipeline without tables ends well and says why there is no proof', () => {
    writeFileSync(join(folder, 'there.log'), accessLines(3));
    const file = configure('no-tables', 'there.log');
    writeFileSync(join(folder, file), `${readFileSync(join(folder, file), 'utf8')}sinks: {}\n`);
    const why =
      'tailrace: this pipeline has no sink of type duckdb: there are no tables to ask, and no audit (add warehouse: { type: duckdb } to its sinks)\n';
    const ended = tailrace('run', '--once', file);
    expect(ended).toMatchObject({ status: 0, stdout: '' });
    expect(ended.stderr).toContain(why);
    expect(ended.stderr).not.toContain('ask it with');
    expect(tailrace('audit', '-c', file)).toMatchObject({ status: 3, stdout: '', stderr: why });
  }, 60_000);

  test('refuses a folder whose path is too long for its socket before it starts anything', () => {
    const { status, stderr } = tailrace('run', '--once', configure('d'.repeat(100), 'there.log'));
    expect(stderr).toMatch(/^error CONFIG_VALUE: data_dir makes the path of a socket with \d+ bytes/);
    expect(status).toBe(3);
  });
});

test('files of TLS that a sink names are there for check and run; a role without that sink does without them', () => {
  const sinks = "{ search: { type: elasticsearch, nodes: ['https://e:9200'], tls: { ca: no.pem } } }";
  writeFileSync(join(folder, 'tls.yaml'), `${RIGHT_CONFIG}data_dir: ./tls\nsinks: ${sinks}\n`);
  const refused = {
    status: 3,
    stdout: '',
    stderr: expect.stringContaining('sinks.search.tls.ca: no.pem does not exist'),
  };
  expect(tailrace('check', 'tls.yaml')).toMatchObject(refused);
  expect(tailrace('run', 'tls.yaml')).toMatchObject(refused);
  expect(tailrace('run', '--once', 'tls.yaml')).toMatchObject(refused);
  expect(tailrace('agent', '--once', '-c', 'tls.yaml')).toMatchObject({ status: 0 });
  expect(tailrace('lag', '-c', 'tls.yaml').stderr).not.toContain('no.pem');
  // Whoever opens it says so.
  expect(tailrace('search', '-c', 'tls.yaml')).toMatchObject({
    status: 3,
    stdout: '',
    stderr: expect.stringContaining('no.pem cannot be read'),
  });
}, 60_000);

test('lines to copy name the program as it is reached from here', () => {
  expect(commandName('/nowhere', resolve('.'))).toBe('./tailrace');
  expect(commandName('', folder)).toBe(resolve('tailrace'));
  mkdirSync(join(folder, 'bin'));
  symlinkSync(resolve('tailrace'), join(folder, 'bin/tailrace'));
  expect(commandName(`/nowhere:${join(folder, 'bin')}`, folder)).toBe('tailrace');
});
