import { afterAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { FileFinder } from '../../src/agent/sources/file.ts';
import { configOfLogs } from '../support/configs.ts';
import { describeError } from '../../src/lib/errors.ts';
import { COMPONENTS } from '../../src/components.ts';
import { OperatingError } from '../../src/lib/errors.ts';
import { RollupTables } from '../../src/sinks/duckdb/rollup-tables.ts';
import { accessLines } from '../support/access-lines.ts';

const folder = mkdtempSync(join(tmpdir(), 'tailrace-zero-'));
afterAll(() => rmSync(folder, { recursive: true }));

const madeOf = (paths: readonly string[], dataDir: string) => configOfLogs(paths, dataDir).config;

function logOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test('an access log gets the tables most people want', () => {
  const path = logOf('access.log', accessLines(10));
  const config = madeOf([path], join(folder, 'data'));
  expect(config).toMatchObject({
    file: null,
    dataDir: join(folder, 'data'),
    inputs: [{ include: [path], stream: 'combined' }],
    pipeline: { streams: { combined: { codec: { type: 'combined' } } } },
  });
  expect(Object.keys(config.pipeline.rollups)).toEqual(['requests', 'visits', 'clients']);
});

test('of two formats that fit the richer one is taken; a few odd lines do not matter', () => {
  const common = accessLines(10).replaceAll(/ "-" "test"/g, '');
  expect(madeOf([logOf('common.log', `${common}odd\nodd\n`)], folder).inputs[0]?.stream).toBe('common');
});

test('JSON lines get the fields that are found in them', () => {
  const line = (i: number): string => JSON.stringify({ time: `2026-01-01T00:00:0${i}Z`, level: 'info', ms: i });
  const path = logOf('app.json', Array.from({ length: 9 }, (_, i) => `${line(i)}\n`).join(''));
  const { pipeline } = madeOf([path], folder);
  expect(pipeline.streams['json']).toMatchObject({
    codec: { fields: { time: 'date', level: 'keyword', ms: 'long' }, time_format: 'auto' },
    eventTime: { field: 'time' },
  });
  expect(pipeline.rollups['events']).toMatchObject({ by: [{ field: 'level' }], measures: [{ aggregate: 'count' }] });
});

test('lines that end as on Windows, or begin with a byte order mark, are recognised', () => {
  const windows = accessLines(3).replaceAll('\n', '\r\n');
  expect(madeOf([logOf('windows.log', windows)], folder).inputs[0]?.stream).toBe('combined');
  expect(madeOf([logOf('marked.log', `\ufeff${accessLines(1)}`)], folder).inputs[0]?.stream).toBe('combined');
  const { pipeline } = madeOf([logOf('marked.json', '\ufeff{"ts":1619676109,"level":"a"}\r\n')], folder);
  expect(pipeline.streams['json']?.eventTime.field).toBe('ts');
});

test('a first line that is longer than most samples is read to its end', () => {
  const line = JSON.stringify({ time: '2026-01-01T00:00:00Z', body: 'x'.repeat(200_000) });
  expect(madeOf([logOf('long.json', `${line}\n`)], folder).pipeline.streams['json']?.eventTime.field).toBe('time');
});

/** Keys and notes that a log of one record again and again gets. */
function guessOf(record: Readonly<Record<string, unknown>> | string, lines = 4) {
  const line = typeof record === 'string' ? record : JSON.stringify(record);
  const { config, notes } = configOfLogs([logOf('guess.json', `${line}\n`.repeat(lines))], folder);
  const { streams, rollups } = config.pipeline;
  const { fields } = streams['json']!.codec as unknown as { readonly fields: Record<string, string> };
  const keys = rollups['events']!.by.map(({ field, column }) => `${field}: ${column}`);
  return { fields, keys, notes, time: streams['json']!.eventTime.field };
}

test('a key whose column is taken gets another one, and it is said', () => {
  expect(guessOf({ time: '2021-04-29T09:01:40+03:00', status: 200, method: 'GET' })).toMatchObject({
    keys: ['status: http_status', 'method: method'],
    notes: ["the column of the key status is http_status: status is every table's own status"],
    time: 'time',
  });
  expect(guessOf({ time: '2021-04-29T09:01:40Z', events: 'x' })).toMatchObject({
    keys: ['events: log_events'],
    notes: ['the column of the key events is log_events: events is the measure events'],
  });
  expect(guessOf({ time: '2021-04-29T09:01:40Z', a_b: 'x', 'A.B': 'y' })).toMatchObject({
    keys: ['a_b: a_b', 'A.B: log_a_b'],
    notes: ['the column of the key A.B is log_a_b: A_B is the key a_b'],
  });
  expect(guessOf({ time: '2021-04-29T09:01:40Z', 日本: 'x', '7': 'y' })).toMatchObject({
    keys: ['7: log_7', '日本: log_field'],
    notes: [
      'the column of the key 7 is log_7: its own name is none of SQL',
      'the column of the key 日本 is log_field: its own name is none of SQL',
    ],
  });
});

test('what is used is among the fields that are declared, and the others are named', () => {
  const wide = Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`f${i}`, i]));
  const { fields, keys, time, notes } = guessOf({ ...wide, level: 'info', '@timestamp': '2021-04-29T09:01:40Z' });
  expect(Object.keys(fields)).toHaveLength(64);
  expect(fields).toMatchObject({ '@timestamp': 'date', level: 'keyword', f61: 'long' });
  expect({ keys, time }).toEqual({ keys: ['level: level'], time: '@timestamp' });
  expect(notes).toEqual(['of 72 fields 64 can be used; left out: f62, f63, f64 and 5 more']);
});

test('names that no field can have are left out and said', () => {
  const long = 'k'.repeat(300);
  const { fields, keys, notes } = guessOf(
    `{"time":"2021-04-29T09:01:40Z","${long}":"x","__proto__":"y","":"z","\\u001b[31m":"w"}`,
  );
  expect(Object.keys(fields)).toEqual(['time', '\u001b[31m']);
  expect(keys).toEqual(['\u001b[31m: log_31m']);
  expect(notes).toEqual([
    String.raw`the column of the key \x1b[31m is log_31m: its own name is none of SQL`,
    `no field can have the name of ${'k'.repeat(40)}…, __proto__, "": not read`,
  ]);
});

test('a file of another format than the others is named', () => {
  const paths = [logOf('most.log', accessLines(10)), logOf('other.json', '{"a":1}\n')];
  const { config, notes } = configOfLogs(paths, folder);
  expect(config.inputs[0]?.stream).toBe('combined');
  expect(notes).toEqual([
    `the first lines of ${paths[1]} are json lines: read as combined, most become dead letters; run it alone`,
  ]);
});

/** Any JSON log: whatever its keys and values are, it makes tables or one clear line. */
const anyName = fc.oneof(
  fc.constantFrom(
    'status',
    'Status',
    'events',
    'lines',
    'level',
    'LEVEL',
    'time',
    'ts',
    '@timestamp',
    'timestamp',
    'a.b',
    'a_b',
    'A.B',
    'a b',
    '',
    '.',
    '..',
    'a.',
    '.a',
    '__proto__',
    'constructor',
    'toString',
    'read_at',
    'window_start',
    '7',
    '1e3',
    'é',
    'É',
    '日本',
    '😀',
    '\ud800',
    '\u0000',
    '\u001b[0m',
    'name',
    'http_status',
    'log_status',
    '"',
    '\\',
    'select',
    'from',
    'x'.repeat(256),
    'x'.repeat(257),
    'y'.repeat(64),
    'tailrace',
    'sum_a',
    'partition',
    '$',
    '${env:X}',
  ),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ maxLength: 70 }),
);
const anyValue = fc.letrec<{ value: unknown; object: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<unknown>(
      '2026-01-01T00:00:00Z',
      '2026-01-01',
      'Sun, 17 May 2015 10:05:03 GMT',
      '1619676109.290',
      'x',
      'y',
      '',
      '192.0.2.1',
      1619676109,
      1619676109290000,
      1.5,
      0,
      -1,
      1e300,
      2 ** 53,
      true,
      false,
      null,
    ),
    fc.jsonValue({ maxDepth: 1 }),
    fc.array(tie('value'), { maxLength: 2 }),
    tie('object'),
  ),
  object: fc
    .array(fc.tuple(anyName, tie('value')), { maxLength: 5 })
    .map((entries) => new RawObject(entries as [string, unknown][])),
})).value;

/** Keys as they come, also twice and `__proto__`. */
class RawObject {
  readonly entries: readonly (readonly [string, unknown])[];
  constructor(entries: readonly (readonly [string, unknown])[]) {
    this.entries = entries;
  }
}

function jsonOf(value: unknown): string {
  if (value instanceof RawObject)
    return `{${value.entries.map(([name, inner]) => `${JSON.stringify(name)}:${jsonOf(inner)}`).join(',')}}`;
  return Array.isArray(value) ? `[${value.map(jsonOf).join(',')}]` : JSON.stringify(value);
}

test('any JSON log makes a pipeline that passes every check, or one clear line', () => {
  const few = fc.array(fc.tuple(anyName, anyValue), { maxLength: 8 });
  const many = fc.array(fc.tuple(anyName, anyValue), { minLength: 60, maxLength: 300 });
  const anyRecord = fc.oneof({ weight: 200, arbitrary: few }, { weight: 1, arbitrary: many });
  const fates = { tables: 0, keys: 0, named: 0, times: 0, refused: 0 };
  fc.assert(
    fc.property(
      fc.array(anyRecord, { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 4 }),
      (records, times) => {
        const text = records.map((entries) => `${jsonOf(new RawObject(entries))}\n`.repeat(times)).join('');
        const path = logOf('any.json', text);
        try {
          const { config } = configOfLogs([path], folder);
          const rollup = config.pipeline.rollups['events']!;
          fates.tables++;
          if (rollup.by.length > 0) fates.keys++;
          if (rollup.by.some((key) => key.as !== undefined)) fates.named++;
          if (config.pipeline.streams['json']!.eventTime.field !== 'read_at') fates.times++;
          new RollupTables(config.pipeline.tables['events']!, COMPONENTS.aggregates);
          const columns = rollup.by.map(({ column }) => column.toLowerCase());
          expect(new Set(columns).size).toBe(columns.length);
        } catch (error) {
          if (!(error instanceof OperatingError)) throw error;
          fates.refused++;
        }
      },
    ),
    { seed: 11, numRuns: 10_000 },
  );
  // The generator reaches all of it, and a JSON log is never refused.
  expect(fates.refused).toBe(0);
  for (const [fate, count] of Object.entries(fates)) if (fate !== 'refused') expect(count).toBeGreaterThan(500);
});

test('JSON lines without a time are counted by the time they are read', () => {
  const { pipeline } = madeOf([logOf('bare.json', '{"a":1}\n{"a":2}\n')], folder);
  expect(pipeline.streams['json']?.eventTime.field).toBe('read_at');
});

test('a line that is cut by the end of the sample does no harm', () => {
  const config = madeOf([logOf('large.log', accessLines(2000))], folder);
  expect(config.inputs[0]?.stream).toBe('combined');
});

test('a file that holds no lines is refused by what it is', () => {
  const path = join(folder, 'access.log.gz');
  writeFileSync(path, gzipSync(accessLines(10)));
  expect(() => configOfLogs([path], folder)).toThrow(`${path} is compressed (gzip)`);
  expect(() => configOfLogs([logOf('list.json', '[\n{"a":1},\n{"a":2}\n]\n')], folder)).toThrow(/is a JSON array/);
});

test('prose and an empty file are refused', () => {
  expect(() => configOfLogs([logOf('prose.log', 'once upon\na time\n')], folder)).toThrow(
    /is not known: of the first 2 lines, the first begins "once upon"/,
  );
  expect(() => configOfLogs([logOf('empty.log', '')], folder)).toThrow(/has no lines yet/);
});

test.each(['app[1].log', 'a*b.log', 'what?.log', '{a,b}.log', '!important.log', 'back\\slash.log', '[z-a].log', '~'])(
  'a file called %s is that file and no pattern',
  (name) => {
    const path = logOf(name, accessLines(10));
    logOf('app1.log', accessLines(10));
    const [input] = madeOf([path], folder).inputs;
    const { include } = input as unknown as { readonly include: readonly string[] };
    expect(new FileFinder([{ name: 'web', include, exclude: [] }]).scan().found.map((file) => file.path)).toEqual([
      path,
    ]);
    expect(COMPONENTS.sources['file']!.places(input!)).toEqual([path]);
  },
);

test('a name that a shell did not expand, or that is not a text, is said to be so', () => {
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
