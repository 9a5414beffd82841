import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accessLines } from '../support/access-lines.ts';
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

function resultOf({ code, stdout, stderr }: Ended): RunResult {
  expect({ code, stderr }).toMatchObject({ code: 0 });
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
  const run = async (): Promise<RunResult> =>
    resultOf(await tailrace(['run', '--once', '--json', 'access.log'], { cwd: folder.path }));

  expect((await run()).audit).toMatchObject({ sent: LINES, stored: LINES, lost: 0, doubled: 0 });
  expect(await totals()).toEqual([LINES, bytesOf(LINES), 0]);

  expect((await run()).audit).toMatchObject({ sent: LINES, stored: LINES, lost: 0, doubled: 0 });
  expect(await totals()).toEqual([LINES, bytesOf(LINES), 0]);

  // What is appended later is read later; its windows are not closed yet.
  appendFileSync(
    log,
    accessLines(2 * LINES)
      .split('\n')
      .slice(LINES)
      .join('\n'),
  );
  expect((await run()).audit).toMatchObject({ sent: 2 * LINES, stored: 2 * LINES, lost: 0, doubled: 0 });
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
