import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accessLines } from '../support/access-lines.ts';
import { tailrace, workFolder } from '../support/tailrace-process.ts';

let folder: ReturnType<typeof workFolder>;
beforeEach(() => {
  folder = workFolder();
  for (const [name, lines] of [
    ['a', 30],
    ['b', 50],
  ] as const) {
    mkdirSync(join(folder.path, name));
    writeFileSync(join(folder.path, name, 'access.log'), accessLines(lines));
  }
});
afterEach(() => folder.remove());

const configOf = (sources: string): string => `version: 1
name: web
data_dir: ./d
sources:
${sources}
streams:
  s: { codec: { type: combined } }
rollups:
  t: { from: s, by: [url.path], window: { type: tumbling, size: 1m }, measures: { n: count } }
`;
const entry = (name: string, include: string): string =>
  `  ${name}: { type: file, include: ['${include}'], stream: s, copy_grace: 2s }`;

/** What a run ends with: lines that were sent, and the sum over the table. */
async function runs(...sources: string[]): Promise<unknown> {
  writeFileSync(join(folder.path, 'c.yaml'), configOf(sources.join('\n')));
  const run = await tailrace(['run', '--once', '--json', 'c.yaml'], { cwd: folder.path });
  const { audit } = JSON.parse(run.stdout) as { audit: Record<string, number> };
  const sql = await tailrace(['sql', '-c', 'c.yaml', '--json', 'select sum(n) from t'], { cwd: folder.path });
  const [[n]] = (JSON.parse(sql.stdout) as { rows: [[number]] }).rows;
  return { sent: audit['sent'], lost: audit['lost'], doubled: audit['doubled'], n };
}

test('the files of several entries of one stream count once, whatever becomes of the entries', async () => {
  const all = { sent: 80, lost: 0, doubled: 0, n: 80 };
  // The second log is one of a stream's two, and begins with the lines of the first: so two files of the same begin are both read.
  expect(await runs(entry('a', './a/*.log'), entry('b', './b/*.log'))).toEqual(all);
  expect(await runs(entry('a', './a/*.log'), entry('b', './b/*.log'))).toEqual(all);
  expect(await runs(entry('b', './a/*.log'), entry('a', './b/*.log'))).toEqual(all);
  expect(await runs(entry('new', './b/*.log'), entry('other', './a/*.log'))).toEqual(all);
  expect(await runs(entry('both', './*/*.log'), entry('a', './a/*.log'))).toEqual(all);
  const check = await tailrace(['check', 'c.yaml'], { cwd: folder.path });
  expect(check.stdout).toContain('a/access.log is of both, which comes before a');
});

test('a copy that stays beside its original is a file of its own, which is said once and counted', async () => {
  const original = join(folder.path, 'a', 'access.log');
  expect(await runs(entry('a', './a/*.log*'))).toMatchObject({ sent: 30, n: 30 });
  copyFileSync(original, `${original}.1`);
  expect(await runs(entry('a', './a/*.log*'))).toMatchObject({ sent: 60, doubled: 0 });
  const sql = 'select count(*) from tailrace.sources where possible_double_bytes > 0';
  const { stdout } = await tailrace(['sql', '-c', 'c.yaml', '--json', sql], { cwd: folder.path });
  expect((JSON.parse(stdout) as { rows: unknown }).rows).toEqual([[1]]);
});
