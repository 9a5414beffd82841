import { afterAll, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { FileFinder } from '../../src/agent/sources/file.ts';
import { inputPlaces } from '../../src/cli/input-places.ts';
import { configOfLogs } from '../../src/config/zero-config.ts';
import { describeError } from '../../src/lib/errors.ts';
import { accessLines } from '../support/access-lines.ts';

const folder = mkdtempSync(join(tmpdir(), 'tailrace-zero-'));
afterAll(() => rmSync(folder, { recursive: true }));

function logOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test('an access log gets the tables most people want', () => {
  const path = logOf('access.log', accessLines(10));
  const config = configOfLogs([path], join(folder, 'data'));
  expect(config).toMatchObject({
    file: null,
    dataDir: join(folder, 'data'),
    inputs: [{ include: [path], stream: 'combined' }],
    pipeline: { streams: { combined: { codec: { type: 'combined' } } } },
  });
  expect(Object.keys(config.pipeline.rollups)).toEqual(['requests', 'clients']);
});

test('of two formats that fit the richer one is taken; a few odd lines do not matter', () => {
  const common = accessLines(10).replaceAll(/ "-" "test"/g, '');
  expect(configOfLogs([logOf('common.log', `${common}odd\nodd\n`)], folder).inputs[0]?.stream).toBe('common');
});

test('JSON lines get the fields that are found in them', () => {
  const line = (i: number): string => JSON.stringify({ time: `2026-01-01T00:00:0${i}Z`, level: 'info', ms: i });
  const path = logOf('app.json', Array.from({ length: 9 }, (_, i) => `${line(i)}\n`).join(''));
  const { pipeline } = configOfLogs([path], folder);
  expect(pipeline.streams['json']).toMatchObject({
    codec: { fields: { time: 'date', level: 'keyword', ms: 'long' }, time_format: 'iso' },
    eventTime: { field: 'time' },
  });
  expect(pipeline.rollups['events']).toMatchObject({ by: [{ field: 'level' }], measures: [{ aggregate: 'count' }] });
});

test('JSON lines without a time are counted by the time they are read', () => {
  const { pipeline } = configOfLogs([logOf('bare.json', '{"a":1}\n{"a":2}\n')], folder);
  expect(pipeline.streams['json']?.eventTime.field).toBe('read_at');
});

test('a line that is cut by the end of the sample does no harm', () => {
  const config = configOfLogs([logOf('large.log', accessLines(2000))], folder);
  expect(config.inputs[0]?.stream).toBe('combined');
});

test('a file that holds no lines is refused by what it is', () => {
  const path = join(folder, 'access.log.gz');
  writeFileSync(path, gzipSync(accessLines(10)));
  expect(() => configOfLogs([path], folder)).toThrow(`${path} is compressed (gzip)`);
  expect(() => configOfLogs([logOf('list.json', '[\n{"a":1},\n{"a":2}\n]\n')], folder)).toThrow(/is a JSON array/);
});

test('prose and an empty file are refused', () => {
  expect(() => configOfLogs([logOf('prose.log', 'once upon\na time\n')], folder)).toThrow(/is not known/);
  expect(() => configOfLogs([logOf('empty.log', '')], folder)).toThrow(/has no lines yet/);
});

test.each(['app[1].log', 'a*b.log', 'what?.log', '{a,b}.log', '!important.log', 'back\\slash.log', '[z-a].log', '~'])(
  'a file called %s is that file and no pattern',
  (name) => {
    const path = logOf(name, accessLines(10));
    logOf('app1.log', accessLines(10));
    const [input] = configOfLogs([path], folder).inputs;
    const { include } = input as { readonly include: readonly string[] };
    expect(new FileFinder([{ name: 'web', include, exclude: [] }]).scan().found.map((file) => file.path)).toEqual([
      path,
    ]);
    expect(inputPlaces(input!)).toEqual([path]);
  },
);

test('a name that a shell did not expand, or that is no text, is said to be so', () => {
  const hintOf = (path: string): string => {
    try {
      configOfLogs([path], folder);
    } catch (error) {
      return describeError(error);
    }
    return '';
  };
  expect(hintOf('~/access.log')).toBe('~/access.log does not exist (a shell expands ~ only outside quotes)');
  expect(hintOf('caf\ufffd.log')).toContain('its name is not UTF-8');
});

test('a data_dir that can be none is said before anything is written', () => {
  const path = logOf('fine.log', accessLines(10));
  expect(() => configOfLogs([path], '/proc/x')).toThrow("data_dir /proc/x lies in /proc, which is the kernel's");
  expect(() => configOfLogs([path], '~/x')).toThrow('data_dir ~/x begins with ~, which is for a shell');
});
