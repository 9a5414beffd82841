import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { accessLines } from '../support/access-lines.ts';
import { type Ended, Tailrace, processesOf, tailrace, until, workFolder } from '../support/tailrace-process.ts';

let folder: ReturnType<typeof workFolder>;
beforeEach(() => {
  folder = workFolder();
  writeFileSync(join(folder.path, 'access.log'), accessLines(500));
});
afterEach(() => folder.remove());

const ROLES = ['agent', 'engine', 'sink-warehouse'];

async function follow(): Promise<Tailrace> {
  const run = new Tailrace(['run', 'access.log', '--data-dir', join(folder.path, 'data')], { cwd: folder.path });
  await run.says(/following/);
  return run;
}

function pidOf(role: string): number {
  return Number(readFileSync(join(folder.path, 'data/run', `${role}.pid`), 'utf8'));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('SIGTERM drains, and leaves no process behind', async () => {
  const run = await follow();
  const pids = ROLES.map(pidOf);
  expect(pids.map(isAlive)).toEqual([true, true, true]);
  run.child.kill('SIGTERM');
  expect((await run.ended).code).toBe(143);
  expect(pids.map(isAlive)).toEqual([false, false, false]);
  expect(processesOf(folder.path)).toEqual([]);
  expect(run.stderr).not.toContain('killing it');
});

test('Ctrl-C drains with its own exit code', async () => {
  const run = await follow();
  run.child.kill('SIGINT');
  expect((await run.ended).code).toBe(130);
  expect(processesOf(folder.path)).toEqual([]);
});

test('a run that is stopped asks its warehouse once more, from the file: which lines are in no row', async () => {
  const lines = ['soon', '2015-05-17T10:00:00Z', '2015-05-17T10:01', 'never'].map((time) => `{"ts":"${time}","n":1}\n`);
  writeFileSync(join(folder.path, 'app.json'), lines.join(''));
  const run = new Tailrace(['run', 'app.json'], { cwd: folder.path });
  await run.says(/following/);
  run.child.kill('SIGTERM');
  expect((await run.ended).code).toBe(143);
  expect(run.stderr).toContain('2 of 4 lines are in no row of events: no_event_time 2');
});

test('a killed supervisor leaves no orphan, and the next run goes on', async () => {
  const run = await follow();
  const pids = ROLES.map(pidOf);
  run.child.kill('SIGKILL');
  await run.ended;
  await until(
    () => !pids.some(isAlive),
    120_000,
    () => `alive: ${pids.filter(isAlive).join(' ')}`,
  );
  const next = await follow();
  next.child.kill('SIGTERM');
  expect((await next.ended).code).toBe(143);
  const { code, stdout } = await tailrace(['audit', '--data-dir', join(folder.path, 'data')], { cwd: folder.path });
  expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('sent 500 = stored 500') });
});

test.each(ROLES)('a killed %s is back soon', async (role) => {
  const run = await follow();
  const before = pidOf(role);
  process.kill(before, 'SIGKILL');
  const startedMs = systemClock.monotonicMs();
  const isBack = (): boolean => {
    try {
      return pidOf(role) !== before && isAlive(pidOf(role));
    } catch {
      return false;
    }
  };
  await until(isBack, 60_000, () => run.stderr);
  // Two seconds on a quiet machine.
  expect(systemClock.monotonicMs() - startedMs).toBeLessThan(30_000);
  expect(run.stderr).toMatch(/ended \(signal SIGKILL\): starting it again in 100 ms/);
  run.child.kill('SIGTERM');
  expect((await run.ended).code).toBe(143);
});

test('an engine that is killed again and again, with nothing wrong, never waits', async () => {
  const run = await follow();
  for (let kill = 1; kill <= 4; kill++) {
    const before = pidOf('engine');
    process.kill(before, 'SIGKILL');
    const isBack = (): boolean => pidOf('engine') !== before && isAlive(pidOf('engine'));
    await until(isBack, 60_000, () => run.stderr);
    appendFileSync(join(folder.path, 'access.log'), accessLines(10, Date.UTC(2026, 0, 1, kill)));
    const sql = 'SELECT max(lines) FROM tailrace.ledger WHERE fate = $$in$$';
    const linesOf = async (): Promise<string> =>
      (await tailrace(['sql', sql, '-o', 'csv', '--data-dir', join(folder.path, 'data')], { cwd: folder.path })).stdout;
    let seen = '';
    while (!seen.includes(String(500 + 10 * kill))) seen = await linesOf();
    // It has to live on for a second behind its work.
    await systemClock.sleep(1_500);
  }
  const pauses = [...run.stderr.matchAll(/engine\S* ended .* in (\d+) ms/g)].map(([, pause]) => pause);
  expect(pauses).toEqual(Array.from({ length: 4 }, () => '100'));
  run.child.kill('SIGTERM');
  expect((await run.ended).code).toBe(143);
});

test('a second run on one data_dir says who has it', async () => {
  const run = await follow();
  const second = await tailrace(['run', 'access.log', '--data-dir', join(folder.path, 'data')], { cwd: folder.path });
  expect(second.code).toBe(1);
  expect(second.stderr).toContain(`role 'run' is already run by process ${run.pid}`);
  expect(second.stderr).toMatch(/^tailrace: [^\n]*\(stop process \d+, or give this one a data_dir of its own\)\n$/);
  // The first one works on, with the configuration it was started with.
  run.child.kill('SIGTERM');
  expect((await run.ended).code).toBe(143);
});

test('a role alone does its work, and needs no supervisor', async () => {
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
  const agent = await tailrace(['agent', '--once'], { cwd: folder.path });
  expect(agent).toMatchObject({ code: 0, stderr: '' });
  const engine = new Tailrace(['engine', '--resolved', 'none.json'], { cwd: folder.path });
  expect(await engine.ended).toMatchObject({ code: 1, stderr: expect.stringContaining('use -c with a YAML file') });
});

test('a source can be sent again, and counts once all the same', async () => {
  const run = (): Promise<Ended> => tailrace(['run', '--once', '--json', 'access.log'], { cwd: folder.path });
  expect((await run()).code).toBe(0);
  const asked = await tailrace(['sql', 'select source from tailrace.sources', '--json'], { cwd: folder.path });
  const [[source]] = (JSON.parse(asked.stdout) as { rows: [[string]] }).rows;
  const resent = await tailrace(['agent', 'resend', source], { cwd: folder.path });
  expect(resent).toMatchObject({ code: 0, stdout: expect.stringContaining('will be sent again from byte') });
  expect(JSON.parse((await run()).stdout)).toMatchObject({ audit: { sent: 500, stored: 500, lost: 0, doubled: 0 } });
  const unknown = await tailrace(['agent', 'resend', 'nobody/1'], { cwd: folder.path });
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('there is no source nobody/1') });
});
