import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT } from '../../src/lib/errors.ts';
import { accessLine, accessLines } from '../support/access-lines.ts';
import { type Ended, tailrace, workFolder } from '../support/tailrace-process.ts';

let folder: ReturnType<typeof workFolder>;
beforeEach(() => {
  folder = workFolder();
});
afterEach(() => folder.remove());

const LINES = 1000;
/** Sum of 0 … n − 1: what the lines say of their bytes. */
const bytesOf = (lines: number): number => (lines * (lines - 1)) / 2;

interface RunResult {
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
  readonly audit: { readonly sent: number; readonly stored: number; readonly lost: number; readonly doubled: number };
}

function resultOf({ code, stdout, stderr }: Ended, expected = 0): RunResult {
  expect({ code, stderr }).toMatchObject({ code: expected });
  return JSON.parse(stdout) as RunResult;
}

async function totals(): Promise<unknown> {
  const query = "select sum(requests), sum(bytes), count(*) filter (status = 'open') from requests";
  const { stdout, code } = await tailrace(['sql', query, '--json'], { cwd: folder.path });
  expect(code).toBe(0);
  return (JSON.parse(stdout) as { rows: unknown[][] }).rows[0];
}

test('a file becomes rows once, however often it is read', async () => {
  const log = join(folder.path, 'access.log');
  writeFileSync(log, accessLines(LINES));
  const run = async (code?: number): Promise<RunResult> =>
    resultOf(await tailrace(['run', '--once', '--json', 'access.log'], { cwd: folder.path }), code);

  expect((await run()).audit).toMatchObject({ sent: LINES, stored: LINES, lost: 0, doubled: 0 });
  expect(await totals()).toEqual([LINES, bytesOf(LINES), 0]);

  const again = await tailrace(['run', '--once', '--json', 'access.log'], { cwd: folder.path });
  expect(again.stderr).toContain('nothing new was read: no line has come since the last run');
  expect(resultOf(again).audit).toMatchObject({ sent: LINES, stored: LINES, lost: 0, doubled: 0 });
  expect(await totals()).toEqual([LINES, bytesOf(LINES), 0]);

  // What is appended later is read later; its windows, long over, were closed: it is late, and that is said.
  appendFileSync(
    log,
    accessLines(2 * LINES)
      .split('\n')
      .slice(LINES)
      .join('\n'),
  );
  expect((await run(EXIT.unusedLines)).audit).toMatchObject({
    sent: 2 * LINES,
    stored: 2 * LINES,
    lost: 0,
    doubled: 0,
  });
});

test('a run for people shows tables, where to ask more, and the proof', async () => {
  writeFileSync(join(folder.path, 'access.log'), `${accessLines(100)}not a line\n`);
  const { code, stdout, stderr } = await tailrace(['run', '--once', 'access.log'], { cwd: folder.path });
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout).toContain('requests: ');
  expect(stdout).toContain('sent 101 = stored 101, lost 0, doubled 0');
  expect(stderr).toContain('access.log: combined lines');
  expect(stderr).toContain('tailrace sql --data-dir tailrace-data "from requests');
});

test('a configuration file says what is kept; control characters of a log reach no terminal', async () => {
  writeFileSync(join(folder.path, 'access.log'), accessLines(50).replaceAll('/page/3', '/\u001b]0;owned\u0007'));
  writeFileSync(
    join(folder.path, 'tailrace.yaml'),
    `version: 1
name: web
sources: { web: { type: file, include: [access.log], stream: access } }
streams: { access: { codec: { type: combined } } }
rollups:
  pages: { from: access, by: [url.path], window: { type: tumbling, size: 1h }, measures: { hits: count } }
`,
  );
  const { code, stdout } = await tailrace(['run', '--once'], { cwd: folder.path });
  expect(code).toBe(0);
  expect(stdout).toContain('/\\x1b]0;owned\\x07');
  // oxlint-disable-next-line no-control-regex
  expect(stdout).not.toMatch(/[\u001b\u0007]/);
});

test('a visitor who makes up keys fills a table no further than rows_max, and no line is lost', async () => {
  const line = (path: string): string => accessLine(1, Date.UTC(2026, 0, 1)).replace('/page/1', path);
  const paths = ['/a', '/b', ...Array.from({ length: 500 }, (_, i) => `/\u001b]0;owned\u0007${i}`), '/a', '/b'];
  writeFileSync(join(folder.path, 'access.log'), `${paths.map(line).join('\n')}\n`);
  writeFileSync(
    join(folder.path, 'tailrace.yaml'),
    `version: 1
name: web
sources: { web: { type: file, include: [access.log], stream: access } }
streams: { access: { codec: { type: combined } } }
rollups:
  pages: { from: access, by: [url.path], rows_max: 2, window: { type: tumbling, size: 1h }, measures: { hits: count } }
`,
  );
  const checked = await tailrace(['check'], { cwd: folder.path });
  expect(checked.stdout).toContain('table pages: windows of 1h over access, up to 2 keys a window and partition');
  const ran = await tailrace(['run', '--once', '--json'], { cwd: folder.path });
  expect(resultOf(ran).audit).toMatchObject({ sent: 504, stored: 504, lost: 0, doubled: 0 });
  expect(ran.stderr).toContain('ALARM access/0: table pages has no row left for the key /\\x1b]0;owned\\x070 in');
  const query = 'select url_path, hits, is_other from pages order by all';
  const { stdout } = await tailrace(['sql', query, '--json'], { cwd: folder.path });
  expect((JSON.parse(stdout) as { rows: unknown[][] }).rows).toEqual([
    ['/a', 2, false],
    ['/b', 2, false],
    [null, 500, true],
  ]);
  const { stdout: lag } = await tailrace(['lag'], { cwd: folder.path });
  expect(lag).toContain('table pages is full: 500 lines went into rows of other keys');
});

test('numbers of 64 bits are exact in tables, as SQL over the lines has them; larger ones are said', async () => {
  const time = (i: number): string => new Date(Date.UTC(2026, 0, 1) + i * 1000).toISOString();
  const numbers = ['9007199254740993', '9223372036854775807', '-9223372036854775808', '4611686018427387905', '7'];
  const lines = Array.from({ length: 200 }, (_, i) => {
    const number = numbers[i % numbers.length]!;
    return `{"@timestamp":"${time(i)}","id":${number},"n":${number},"x":0.5}`;
  });
  lines.push(`{"@timestamp":"${time(0)}","id":9223372036854775808,"n":1,"x":1}`);
  lines.push(`{"@timestamp":"${time(0)}","id":0,"n":9223372036854775808,"x":1e999}`);
  writeFileSync(join(folder.path, 'app.json'), `${lines.join('\n')}\n`);
  writeFileSync(
    join(folder.path, 'tailrace.yaml'),
    `version: 1
name: web
sources: { app: { type: file, include: [app.json], stream: app } }
streams: { app: { codec: { type: json, fields: { '@timestamp': date, id: long, n: long, x: double } }, event_time: { out_of_orderness: 1h } } }
rollups:
  ids: { from: app, by: [id], window: { type: tumbling, size: 1h }, measures: { total: sum(n), least: min(n), most: max(n), x: sum(x) } }
`,
  );
  const ran = await tailrace(['run', '--once', '--json'], { cwd: folder.path });
  expect(resultOf(ran).audit).toMatchObject({ sent: 202, stored: 202, lost: 0, doubled: 0 });
  expect(ran.stderr).toContain('ALARM app/0: table ids cannot tell apart keys with numbers that are too large');
  const query = 'select id, total, least, most, x, overflow, is_other from ids order by is_other, overflow, id';
  const { stdout } = await tailrace(['sql', query, '--json'], { cwd: folder.path });
  const exact = numbers
    .toSorted((one, other) => (BigInt(one) < BigInt(other) ? -1 : 1))
    .map((number) => {
      const [id, total] = [number, String(BigInt(number) * 40n)].map((text) => (number === '7' ? Number(text) : text));
      return [id, total, id, id, 20, false, false];
    });
  expect((JSON.parse(stdout) as { rows: unknown[][] }).rows).toEqual([
    ...exact,
    [0, null, null, null, null, true, false],
    [null, 1, 1, 1, 1, false, true],
  ]);
});

test('two streams, one of them in three partitions, are kept apart and counted whole', async () => {
  const events = Array.from({ length: 300 }, (_, i) => {
    const time = new Date(Date.UTC(2026, 0, 1) + i * 1000).toISOString();
    return JSON.stringify({ '@timestamp': time, level: i % 3 === 0 ? 'warn' : 'info', ms: i });
  });
  for (let i = 0; i < 3; i++) {
    writeFileSync(join(folder.path, `app-${i}.json`), `${events.slice(i * 100, i * 100 + 100).join('\n')}\n`);
  }
  writeFileSync(join(folder.path, 'access.log'), accessLines(100));
  const config = `version: 1
name: web
sources:
  web: { type: file, include: [access.log], stream: access }
  app: { type: file, include: [app-*.json], stream: app }
streams:
  access: { codec: { type: combined } }
  app:
    codec: { type: json, fields: { '@timestamp': date, level: keyword, ms: long } }
    event_time: { out_of_orderness: 1h }
    partitions: 3
rollups:
  pages: { from: access, by: [url.path], window: { type: tumbling, size: 1h }, measures: { hits: count } }
  levels: { from: app, by: [level], window: { type: tumbling, size: 1h }, measures: { n: count, total: sum(ms), worst: max(ms) } }
`;
  writeFileSync(join(folder.path, 'tailrace.yaml'), config);
  const run = (): Promise<Ended> => tailrace(['run', '--once', '--json'], { cwd: folder.path });
  expect(resultOf(await run()).audit).toMatchObject({ sent: 400, stored: 400, lost: 0, doubled: 0 });
  const query = 'select level, sum(n), sum(total), max(worst) from levels group by level order by level';
  const { stdout } = await tailrace(['sql', query, '--json'], { cwd: folder.path });
  expect((JSON.parse(stdout) as { rows: unknown }).rows).toEqual([
    ['info', 200, 30_000, 299],
    ['warn', 100, 14_850, 297],
  ]);

  // A rollup may be added, but not changed under its name: that is one clear line, and nothing happens.
  writeFileSync(join(folder.path, 'tailrace.yaml'), config.replace('hits: count', 'hits: count, some: count'));
  const changed = await run();
  expect(changed).toMatchObject({ code: 3, stdout: '' });
  expect(changed.stderr).toContain('rollup pages has another definition');
  writeFileSync(
    join(folder.path, 'tailrace.yaml'),
    `${config}  extra: { from: access, window: { type: tumbling, size: 1h }, measures: { n: count } }\n`,
  );
  expect(resultOf(await run()).audit).toMatchObject({ lost: 0, doubled: 0 });
});

/** Lines of now, as a server writes them. */
function liveLines(count: number): string {
  const stamp = new Date().toISOString();
  const months = 'JanFebMarAprMayJunJulAugSepOctNovDec';
  const month = months.slice(Number(stamp.slice(5, 7)) * 3 - 3, Number(stamp.slice(5, 7)) * 3);
  const at = `${stamp.slice(8, 10)}/${month}/${stamp.slice(0, 4)}:${stamp.slice(11, 19)} +0000`;
  return `192.0.2.7 - - [${at}] "GET /live HTTP/1.1" 200 10 "-" "-"\n`.repeat(count);
}

async function rowsOf(query: string): Promise<unknown[][]> {
  const { stdout, stderr, code } = await tailrace(['sql', query, '--json'], { cwd: folder.path });
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return (JSON.parse(stdout) as { rows: unknown[][] }).rows;
}

test('runs from cron over a file that grows: the hour that is not over stays open, every line is in it, none is late', async () => {
  const runs = 4;
  for (let run = 1; run <= runs; run++) {
    appendFileSync(join(folder.path, 'access.log'), liveLines(5));
    const { code, stdout, stderr } = await tailrace(['run', '--once', 'access.log'], { cwd: folder.path });
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout).toMatch(/windows? (is|are) not over yet: .*clients from .* in the next run; --close closes all/);
    expect(stdout).toContain(`sent ${5 * run} = stored ${5 * run}, lost 0, doubled 0`);
  }
  expect(await rowsOf('select sum(requests), sum(late_lines) from clients')).toEqual([[5 * runs, 0]]);
  expect(await rowsOf('select sum(requests), sum(late_lines) from requests')).toEqual([[5 * runs, 0]]);
  const audit = await tailrace(['audit'], { cwd: folder.path });
  expect(audit).toMatchObject({ code: 0 });
  expect(audit.stdout).toContain('lost 0, doubled 0');

  const last = await tailrace(['run', '--once', '--close', 'access.log'], { cwd: folder.path });
  expect(last).toMatchObject({ code: 0 });
  expect(last.stdout).not.toContain('not over yet');
  expect(await rowsOf("select count(*) from clients where status = 'open'")).toEqual([[0]]);
});

test('the time of reading as event time: the same', async () => {
  writeFileSync(
    join(folder.path, 'tailrace.yaml'),
    `version: 1
name: web
sources: { web: { type: file, include: [access.log], stream: access } }
streams: { access: { codec: { type: combined }, event_time: { field: read_at } } }
rollups:
  hits: { from: access, by: [url.path], window: { type: tumbling, size: 1d }, measures: { hits: count } }
`,
  );
  const run = async (): Promise<string> => {
    appendFileSync(join(folder.path, 'access.log'), accessLines(1));
    const { code, stdout, stderr } = await tailrace(['run', '--once'], { cwd: folder.path });
    expect({ code, stderr }).toMatchObject({ code: 0 });
    return stdout;
  };
  await run();
  expect(await run()).toMatch(/not over yet: hits from /);
  expect(await rowsOf("select sum(hits), sum(late_lines) from hits where status = 'open'")).toEqual([[2, 0]]);
});

test('--close without --once is a word of advice', async () => {
  writeFileSync(join(folder.path, 'access.log'), accessLines(1));
  for (const verb of ['run', 'agent']) {
    const { code, stderr } = await tailrace([verb, '--close'], { cwd: folder.path });
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('--close needs --once') });
  }
});

test('one log after the other in one folder: each has its tables, none of its lines is late, and one audit counts all', async () => {
  const event = (more: object): string =>
    `${JSON.stringify({ time: '2021-04-29T09:01:40Z', level: 'info', ...more })}\n`;
  writeFileSync(join(folder.path, 'a.log'), accessLines(100));
  writeFileSync(join(folder.path, 'live.log'), liveLines(3));
  writeFileSync(join(folder.path, 'a.json'), event({ msg: 'hi' }).repeat(4));
  writeFileSync(join(folder.path, 'b.json'), event({ svc: 'x' }).repeat(4));
  let stderr = '';
  for (const file of ['live.log', 'a.log', 'a.json', 'b.json']) {
    const ended = await tailrace(['run', '--once', file], { cwd: folder.path });
    expect({ file, code: ended.code, stderr: ended.stderr }).toMatchObject({ code: 0 });
    stderr = ended.stderr;
  }
  expect(stderr).toContain('tables of other logs in this folder: ');
  expect(stderr).toContain('from events_b ');
  const counts = `select (select sum(requests) from requests), (select sum(requests) from requests_a),
    (select sum(events) from events), (select sum(events) from events_b)`;
  expect(await rowsOf(counts)).toEqual([[3, 100, 4, 4]]);
  expect(await rowsOf('select count(*) from tailrace.late')).toEqual([[0]]);
  const audit = await tailrace(['audit'], { cwd: folder.path });
  expect(audit.stdout).toContain('sent 111 = stored 111, lost 0, doubled 0');
});

test('a run whose lines are mostly in no row says why, how to see them, and ends with a code of its own', async () => {
  const lines = ['soon', '2015-05-17T10:00:00Z', '2015-05-17T10:01', 'never'].map((time) => `{"ts":"${time}","n":1}\n`);
  writeFileSync(join(folder.path, 'app.json'), lines.join(''));
  const { code, stdout, stderr } = await tailrace(['run', '--once', 'app.json'], { cwd: folder.path });
  expect({ code, stderr }).toMatchObject({ code: EXIT.unusedLines });
  expect(stderr).toContain('event time: ts\n');
  expect(stderr).toContain('2 of 4 lines are in no row of events: no_event_time 2');
  const sql = "select path, reason, detail, line from tailrace.dead_letters where stream = 'json' limit 20";
  expect(stderr).toContain(`sql --data-dir tailrace-data "${sql}"`);
  expect(stdout).toContain('sent 4 = stored 4, lost 0, doubled 0');
  const shown = await tailrace(['sql', sql, '--json'], { cwd: folder.path });
  const [soon, never] = (JSON.parse(shown.stdout) as { rows: unknown[][] }).rows.map((row) => row.join(' | '));
  const why = 'no_event_time | ts: column 7: expected a time (time_format auto), found';
  expect(soon).toBe(`${join(folder.path, 'app.json')} | ${why} "soon" | {"ts":"soon","n":1}`);
  expect(never).toContain('found "never" |');
});

test.each([
  ['status', '{"time":"2021-04-29T09:01:40+03:00","status":200,"events":"x"}', 'http_status'],
  ['the unit of a number', '{"ts":1619676109290000000,"level":"info"}', '2021-04-29T06:01:00.000Z'],
  ['no time', '{"level":"info"}', 'level'],
])('a JSON log of any keys becomes a table: %s', async (what, line, shown) => {
  writeFileSync(join(folder.path, 'app.json'), `${line}\r\n`.repeat(4));
  const { code, stdout, stderr } = await tailrace(['run', '--once', '--close', 'app.json'], { cwd: folder.path });
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout).toContain(shown);
  expect(stdout).toContain('sent 4 = stored 4, lost 0, doubled 0');
  expect(stderr.includes('event time: the moment of reading; no field looks like a time')).toBe(what === 'no time');
});
