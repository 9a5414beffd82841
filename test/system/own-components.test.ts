import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { EXIT } from '../../src/lib/errors.ts';
import { type Ended, tailrace, workFolder } from '../support/tailrace-process.ts';

/** The program as somebody has it who brings a source, codec, transform, window, aggregate and sink. */
const program = resolve('test/fixtures/components/main.ts');
const CONFIG = `version: 1
name: own
sources:
  given: { type: list, stream: s, lines: ['60000|a|2', '61000|A|3', '119000|b|5', '130000|a|7', odd, '500000|z|1'] }
streams:
  s: { codec: { type: piped }, transforms: [{ type: capitals, field: key }] }
rollups:
  sums: { from: s, by: [key], window: { type: minutes, of: 2 }, measures: { n: count, p: product(value), s: sum(value) } }
sinks:
  warehouse: { type: duckdb }
  file: { type: ndjson, path: rows.ndjson }
`;
/** Start of the window in minutes, key, count, product, sum: by hand. */
const ROWS = [
  [0, 'A', 2, 6, 5],
  [0, 'B', 1, 5, 5],
  [2, 'A', 1, 7, 7],
  [8, 'Z', 1, 1, 1],
];

let folder: ReturnType<typeof workFolder>;
beforeEach(() => {
  folder = workFolder();
  writeFileSync(join(folder.path, 'tailrace.yaml'), CONFIG);
});
afterEach(() => folder.remove());

const own = (args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  tailrace(args, { cwd: folder.path, environment, program });

function rowsOfFile(): unknown[] {
  const [, ...lines] = readFileSync(join(folder.path, 'rows.ndjson'), 'utf8').trimEnd().split('\n');
  return lines
    .map((line) => (JSON.parse(line) as [string, Record<string, unknown>])[1])
    .map((row) => [Number(row['window_start']) / 60_000, row['key'], row['n'], row['p'], row['s']])
    .toSorted((left, right) => (String(left) < String(right) ? -1 : 1));
}

async function expectAll(): Promise<void> {
  const { code, stdout, stderr } = await own(['run', '--once', '--close', '--json']);
  // One line of six cannot be read.
  expect({ code, stderr }).toMatchObject({ code: EXIT.unusedLines });
  const { audit } = JSON.parse(stdout) as { readonly audit: unknown };
  expect(audit).toMatchObject({ sent: 6, stored: 6, lost: 0, doubled: 0 });
  expect(rowsOfFile()).toEqual(ROWS);
  const query = 'select epoch(window_start) / 60, key, n, p, s from sums order by all';
  expect(JSON.parse((await own(['sql', query, '--json'])).stdout)).toMatchObject({ rows: ROWS });
}

test('one component of each kind from outside works like those that are there, in all processes', async () => {
  const { stdout } = await own(['list', '--json']);
  const listed = (JSON.parse(stdout) as { readonly kind: string; readonly name: string }[]).map(
    ({ kind, name }) => `${kind} ${name}`,
  );
  const brought = ['source list', 'codec piped', 'transform capitals', 'window minutes', 'aggregate product'];
  expect(listed).toEqual(expect.arrayContaining([...brought, 'sink ndjson', 'sink duckdb']));
  expect((await own(['check'])).stdout).toContain('table sums: windows of 2 minutes over s');
  await expectAll();
  const built = await tailrace(['check'], { cwd: folder.path });
  expect(built).toMatchObject({ code: 3 });
  expect(built.stderr).toContain('sources.given has no type "list"');
}, 120_000);

test('killed in each of its stages and started again, it has each line once', async () => {
  const points = ['agent.sent', 'engine.after_append', 'ndjson.before_rename', 'ndjson.after_rename'];
  for (const point of [...points, 'warehouse.before_commit']) {
    const faults = join(folder.path, `${point}.log`);
    const environment = { TAILRACE_FAULT: point, TAILRACE_FAULT_LOG: faults };
    const { code, stderr } = await own(['run', '--once', '--close', '--max-failures', '0'], environment);
    expect({ point, code, stderr }).toMatchObject({ code: 1 });
    expect(existsSync(faults)).toBe(true);
  }
  await expectAll();
  await expectAll();
}, 240_000);
