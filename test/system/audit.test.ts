import { expect, test } from '@jest/globals';
import { closeSync, copyFileSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT } from '../../src/lib/errors.ts';
import type { AuditResult } from '../../src/query/audit.ts';
import { AccessLoad } from '../support/access-load.ts';
import { type Appliance, type ApplianceOptions, endOf, withAppliance } from '../support/appliance.ts';
import { decidedTo, logEnds, storedTo, withLog } from '../support/log-probe.ts';
import { Warehouse } from '../support/row-oracle.ts';
import { type Ended, tailrace, until } from '../support/tailrace-process.ts';

const LINES = 30_000;
/** With late lines, and with nothing trimmed. */
const OPTIONS: ApplianceOptions = { outOfOrderness: '1m', retain: '7d', snapshotAfter: '64MiB' };

function writeLines(appliance: Appliance): void {
  const load = new AccessLoad({ seed: 21, stepMs: 100, lateEvery: 500, lateMs: 7_200_000 });
  writeFileSync(appliance.log('access.log'), load.lines(LINES));
}

/** The agent alone reads everything into the log and ends; nobody has decided anything then. */
async function sent(appliance: Appliance): Promise<void> {
  writeLines(appliance);
  expect((await endOf(appliance.start(['agent', '--once', '-c', appliance.config]))).code).toBe(0);
}

/** All roles work until everything is decided and stored; no source is closed, so the audit reads the file again. */
async function followed(appliance: Appliance): Promise<void> {
  writeLines(appliance);
  const run = appliance.supervised();
  await run.says(/caught up/, 60_000);
  run.child.kill('SIGTERM');
  await endOf(run);
}

/** Engine and sink alone work until all that is in the log is decided and stored. */
async function decided(appliance: Appliance): Promise<void> {
  appliance.role('engine');
  appliance.role('sink');
  const { dataDir } = appliance;
  const isDecided = (): boolean => decidedTo(dataDir) >= logEnds(dataDir).raw.end;
  await until(isDecided, 120_000, () => `not decided: ${appliance.report()}`);
  await until(
    () => storedTo(dataDir) >= logEnds(dataDir).epochs.end,
    120_000,
    () => 'not stored',
  );
  await appliance.stop();
}

async function change(appliance: Appliance, sql: string): Promise<void> {
  const warehouse = await Warehouse.open(join(appliance.dataDir, 'warehouse.duckdb'), 'READ_WRITE');
  await warehouse.run(sql);
  warehouse.close();
}

/** The audit must say it by its exit code, its sentence and a line that matches. */
async function audited(appliance: Appliance, pattern: RegExp): Promise<AuditResult> {
  const { code, result } = await appliance.audit();
  expect(result.differences.join('\n')).toMatch(pattern);
  expect({ code, isBalanced: result.isBalanced }).toEqual({ code: EXIT.badData, isBalanced: false });
  const text = await tailrace(['audit', '-c', appliance.config], { cwd: appliance.folder });
  expect(text.code).toBe(EXIT.badData);
  expect(text.stdout).toMatch(pattern);
  return result;
}

/** Removes a raw block in the middle, as if the disk had lost it. */
function loseBlock(appliance: Appliance): void {
  withLog(appliance.dataDir, {}, (database) => {
    const blocks = database.prepare('SELECT id FROM messages WHERE kind = 1 ORDER BY id').all();
    expect(blocks.length).toBeGreaterThan(3);
    database.prepare('DELETE FROM messages WHERE id = ?').run(blocks[2]!['id']!);
  });
}

test('everything there: lost 0, doubled 0, exit code 0', () =>
  withAppliance(OPTIONS, async (appliance) => {
    await followed(appliance);
    const { code, result } = await appliance.audit();
    expect({ code, differences: result.differences }).toEqual({ code: 0, differences: [] });
    expect(result).toMatchObject({ sent: LINES, stored: LINES, lost: 0, doubled: 0 });
    expect(result.sources).toMatchObject([{ countedBy: 'file' }]);
    expect(result.rollups[0]!.late).toBeGreaterThan(0);
    const text = await tailrace(['audit', '-c', appliance.config], { cwd: appliance.folder });
    expect(text.stdout).toContain('sent 30,000 = stored 30,000, lost 0, doubled 0');
  }));

test('a block that the log lost before it was read is missed with its place, and sent again on demand', () =>
  withAppliance(OPTIONS, async (appliance) => {
    await sent(appliance);
    loseBlock(appliance);
    await decided(appliance);
    const result = await audited(appliance, /access\.log: bytes \d+ to \d+ are missing/);
    expect(result.lost).toBeGreaterThan(1000);
    const [source] = result.sources;
    expect(source).toMatchObject({ state: 'gap' });
    expect(source!.gapBytes).toBeGreaterThan(100_000);
    const resent: Ended = await tailrace(['agent', 'resend', source!.source, '-c', appliance.config], {
      cwd: appliance.folder,
    });
    expect({ code: resent.code, stderr: resent.stderr }).toEqual({ code: 0, stderr: '' });
    expect(await appliance.drain()).toMatchObject({ sent: LINES, lost: 0, doubled: 0, isBalanced: true });
  }));

test('a row that was altered', () =>
  withAppliance(OPTIONS, async (appliance) => {
    await followed(appliance);
    await change(
      appliance,
      'UPDATE tailrace.traffic_final SET lines = lines + 1 WHERE rowid = (SELECT min(rowid) FROM tailrace.traffic_final)',
    );
    expect(await audited(appliance, /traffic: the ledger has placed .* 1 doubled/)).toMatchObject({ doubled: 1 });
  }));

test('a row that was deleted', () =>
  withAppliance(OPTIONS, async (appliance) => {
    await followed(appliance);
    await change(
      appliance,
      'DELETE FROM tailrace.clients_open WHERE rowid = (SELECT min(rowid) FROM tailrace.clients_open)',
    );
    await audited(appliance, /clients: the ledger has placed .* lost/);
  }));

test('a late line that was deleted', () =>
  withAppliance(OPTIONS, async (appliance) => {
    await followed(appliance);
    await change(
      appliance,
      `DELETE FROM tailrace.late WHERE "offset" = (SELECT min("offset") FROM tailrace.late WHERE rollup = 'traffic') AND rollup = 'traffic'`,
    );
    expect(await audited(appliance, /traffic: the ledger has late lines .* 1 lost/)).toMatchObject({ lost: 1 });
  }));

test('a line that is gone from the file although it was read', () =>
  withAppliance(OPTIONS, async (appliance) => {
    await followed(appliance);
    // Two lines become one, in place.
    const first = new AccessLoad({ seed: 21, stepMs: 100, lateEvery: 500, lateMs: 7_200_000 }).lines(100);
    const descriptor = openSync(appliance.log('access.log'), 'r+');
    writeSync(descriptor, ' ', first.length - 1);
    closeSync(descriptor);
    expect(await audited(appliance, /access\.log .* has 29999 lines, the ledger took in 30000/)).toMatchObject({
      doubled: 1,
    });
  }));

/** Tables of the windows that are not tumbling, and what makes them. */
const WINDOWS: Readonly<Record<string, string>> = {
  visits: '{ type: session, gap: 10s }',
  recent: '{ type: sliding, size: 5m, slide: 1m }',
};

test('a row of any other window that was altered, removed or doubled', () => {
  const rollups = Object.entries(WINDOWS).map(
    ([name, window]) =>
      `\n  ${name}: { from: access, by: [source.address], window: ${window}, measures: { pages: count } }`,
  );
  return withAppliance({ ...OPTIONS, rollups: rollups.join('') }, async (appliance) => {
    await followed(appliance);
    expect(await appliance.audit()).toMatchObject({ code: 0, result: { isBalanced: true } });
    const [whole, copy] = ['warehouse.duckdb', 'copy.duckdb'].map((name) => join(appliance.dataDir, name));
    copyFileSync(whole!, copy!);
    for (const name of Object.keys(WINDOWS)) {
      const table = `tailrace.${name}_final`;
      const first = `rowid = (SELECT min(rowid) FROM ${table})`;
      const damages: readonly (readonly [sql: string, says: RegExp])[] = [
        [`UPDATE ${table} SET lines = lines + 1 WHERE ${first}`, / 1 doubled/],
        [`UPDATE ${table} SET sum_a = xor(sum_a, 1) WHERE ${first}`, /as many, but other lines/],
        [`DELETE FROM ${table} WHERE ${first}`, / lost/],
        [`INSERT INTO ${table} FROM ${table} WHERE ${first}`, / doubled/],
      ];
      for (const [sql, says] of damages) {
        copyFileSync(copy!, whole!);
        await change(appliance, sql);
        await audited(appliance, new RegExp(`${name}: the ledger has (placed|\\d+ placements) .*${says.source}`));
      }
    }
  });
});
