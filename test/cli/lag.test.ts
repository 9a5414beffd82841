import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accessLines } from '../support/access-lines.ts';
import { scrapeUntil } from '../support/scrape.ts';
import { Tailrace, tailrace, workFolder } from '../support/tailrace-process.ts';
import { NODE_FLAGS } from '../support/node-flags.ts';

const folder = workFolder();
afterAll(() => folder.remove());

beforeAll(async () => {
  writeFileSync(join(folder.path, 'access.log'), accessLines(200));
  const { code } = await tailrace(['run', '--once', 'access.log'], { cwd: folder.path });
  expect(code).toBe(0);
}, 60_000);

test('readers that have read everything are at zero, and OK', async () => {
  const { code, stdout } = await tailrace(['lag', '--json', '--fail-on', 'warn'], { cwd: folder.path });
  expect(code).toBe(0);
  const { groups } = JSON.parse(stdout) as { groups: object[] };
  expect(groups).toEqual([
    expect.objectContaining({ group: 'logs.warehouse', status: 'OK', lines: 0, bytes: 0, seconds: 0, messages: 0 }),
    expect.objectContaining({ group: 'pipeline.logs', status: 'OK', lines: 0, bytes: 0, seconds: 0, messages: 0 }),
  ]);
});

test('one reader alone can be asked for; one that is not there is not well', async () => {
  const ask = (group: string) =>
    tailrace(['lag', '--json', '--group', group, '--fail-on', 'err'], { cwd: folder.path });
  const { code, stdout } = await ask('logs.warehouse');
  expect(code).toBe(0);
  expect((JSON.parse(stdout) as { groups: object[] }).groups).toHaveLength(1);
  expect(await ask('logs.nobody')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('nobody reads as group "logs.nobody" (one of: '),
  });
  expect((await tailrace(['lag', '--group', 'logs.warehose'], { cwd: folder.path })).stderr).toContain(
    'nobody reads as group "logs.warehose" (did you mean "logs.warehouse"?)',
  );
});

test('the table for people has no colours in a file', async () => {
  const { stdout } = await tailrace(['lag'], { cwd: folder.path });
  expect(stdout).not.toContain('\u001b');
  expect(stdout).toMatch(/^GROUP +LINES +BYTES +BEHIND +STATUS\nlogs\.warehouse +0 +0 B +0 s +OK\n/);
});

test('an interval that is none is wrong usage', async () => {
  expect((await tailrace(['lag', '--interval', 'often'], { cwd: folder.path })).code).toBe(2);
});

test('the exporter serves what lag says, until it is stopped', async () => {
  const exporter = new Tailrace(['lag', '--listen', '127.0.0.1:0', '--interval', '100ms'], { cwd: folder.path });
  await exporter.says(/metrics on http/);
  const [address = ''] = /http:\S+/.exec(exporter.stderr) ?? [];
  const text = await scrapeUntil(address, 'tailrace_exporter_up 1\n', 20_000);
  expect(text).toContain(
    'tailrace_lag_status{group="logs.warehouse",topic="tailrace.epochs.logs.combined",partition="0"} 1\n',
  );
  expect(text).toMatch(
    /kafka_consumergroup_current_offset\{consumergroup="pipeline.logs",topic="tailrace.raw.combined",partition="0"\} [1-9]/,
  );
  expect(text).toMatch(/tailrace_checkpoint_last_success_timestamp_seconds\{.*partition="0"\} \d+/);
  exporter.child.kill('SIGTERM');
  expect((await exporter.ended).code).toBe(143);
});

test('an exporter for other machines needs a guard', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    [...NODE_FLAGS, 'dist/main.js', 'lag', '--listen', '0.0.0.0:0', '--data-dir', join(folder.path, 'tailrace-data')],
    { encoding: 'utf8' },
  );
  expect(status).toBe(2);
  expect(stderr).toContain('nothing guards it');
});
