import { afterAll, afterEach, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { appendFileSync, closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemErrorCode } from '../../src/lib/errors.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { AccessLoad } from '../support/access-load.ts';
import { withAppliance } from '../support/appliance.ts';
import { beginLoad, verdictOf } from '../support/load-runs.ts';
import { logEnds } from '../support/log-probe.ts';
import { until } from '../support/tailrace-process.ts';

const SIZE = '96m';

/** A small disk of its own, which only root can make. */
const disk = mkdtempSync(join(tmpdir(), 'tailrace-disk-'));
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', disk]);
const canMount = mounted.status === 0;
if (!canMount) process.stderr.write(`SKIPPED: no small disk can be mounted here: ${String(mounted.stderr)}\n`);

afterAll(() => {
  if (canMount) spawnSync('umount', ['-l', disk]);
  rmSync(disk, { recursive: true, force: true });
});

const ballast = join(disk, 'ballast');

// A test that failed must not leave the next one a full disk.
afterEach(() => rmSync(ballast, { force: true }));

/** Takes all space there is. */
function fillDisk(): void {
  const descriptor = openSync(ballast, 'a');
  for (const size of [1024 * 1024, 4096]) {
    const block = Buffer.alloc(size, 1);
    try {
      for (;;) writeSync(descriptor, block);
    } catch (error) {
      expect(systemErrorCode(error)).toBe('ENOSPC');
    }
  }
  closeSync(descriptor);
}

const onSmallDisk = canMount ? test : test.skip;

onSmallDisk('a full disk is said once, loses nothing, and work goes on when there is space', () =>
  withAppliance({ dataDir: join(disk, 'first'), outOfOrderness: '5m' }, async (appliance) => {
    const load = new AccessLoad({ seed: 31 });
    const log = appliance.log('access.log');
    writeFileSync(log, load.lines(2000));
    const run = appliance.supervised();
    await run.says(/caught up/, 30_000);
    // Some of it is on its way through engine and sink when the disk is full.
    appendFileSync(log, load.lines(50_000));
    fillDisk();
    appendFileSync(log, load.lines(50_000));
    await run.says(/^agent: .*disk is full/m, 30_000);
    // Attempts go on, roles are started again, and no line is said twice.
    await systemClock.sleep(3000);
    const said = run.stderr.match(/^.*disk is full.*$/gm) ?? [];
    expect(said).toEqual([...new Set(said)]);
    expect(run.stderr.match(/exit code 4/g)?.length ?? 0).toBeLessThan(said.length);
    expect(run.stderr).toMatch(/^agent: .* takes no more: .* the disk is full \(free space .*\); files wait$/m);
    rmSync(ballast);
    await run.says(/takes blocks again/, 30_000);
    expect(await verdictOf(appliance)).toMatchObject({ differences: [], lines: 102_000 });
  }),
);

onSmallDisk('a disk that fills while every role works: all of it comes right when there is space', () =>
  withAppliance({ dataDir: join(disk, 'second'), outOfOrderness: '5m', idleTimeout: '10s' }, async (appliance) => {
    const writer = await beginLoad(appliance, 10_000);
    const run = appliance.supervised();
    for (let round = 0; round < 3; round++) {
      const { raw, epochs } = logEnds(appliance.dataDir);
      const isAtWork = (): boolean => {
        const now = logEnds(appliance.dataDir);
        return now.raw.end > raw.end && now.epochs.end > epochs.end;
      };
      await until(isAtWork, 60_000, () => `does not go on: ${run.stderr}`);
      fillDisk();
      await systemClock.sleep(1500);
      rmSync(ballast);
    }
    writer.stop();
    // Whoever met the full disk said so in one line, and its end counts as no failure.
    expect(run.stderr).not.toMatch(/^ +at |exit code 1/m);
    expect(run.stderr).toMatch(/the disk is full \(free space/);
    expect(run.child.exitCode).toBe(null);
    expect((await verdictOf(appliance)).differences).toEqual([]);
  }),
);
