import { execFile } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Log } from '../../../src/broker/broker.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { querySql } from '../../../src/sinks/duckdb/client.ts';
import { Warehouse } from '../../../src/sinks/duckdb/warehouse.ts';
import { EpochChain, pipelineOf, rowsOf } from '../../support/epochs.ts';
import { MemoryStore } from '../../support/memory-log.ts';
import { AGGREGATES, WarehouseHarness } from '../../support/warehouse-harness.ts';

let harness: WarehouseHarness;
let store: MemoryStore;
let log: Log;
let chain: EpochChain;

beforeEach(async () => {
  harness = new WarehouseHarness();
  store = new MemoryStore({ clock: systemClock });
  log = store.open();
  chain = await EpochChain.begin(log);
});
afterEach(() => harness.remove());

const SCRIPT = join(import.meta.dirname, '../../support/sql-of-a-large-process.ts');

const snapshot = { pipeline: pipelineOf(), fingerprints: { traffic: 'a' } };
const rows = (lines: number) => [
  rowsOf('traffic', [{ startMs: 0, endMs: 60_000, key: ['/a', 200], accumulators: [1, 1], lines }]),
];

describe('the socket', () => {
  const running = async (
    work: (target: { socketPath: string; databasePath: string }) => Promise<void>,
  ): Promise<void> => {
    const stop = new AbortController();
    let isReady = false;
    const warehouse = new Warehouse({
      clock: systemClock,
      log,
      aggregates: AGGREGATES,
      options: harness.options([{ stream: 'access', topic: chain.topic, partitions: 1 }]),
      notify: (event) => (isReady ||= event.type === 'committed'),
    });
    const run = warehouse.run(stop.signal);
    try {
      while (!isReady) await systemClock.sleep(5);
      await work({ socketPath: harness.socketPath, databasePath: harness.path });
    } finally {
      stop.abort();
      await run;
    }
  };

  test('answers its owner while rows come in, and errors keep their code', async () => {
    await chain.append({ ...snapshot, upserts: rows(5) });
    await running(async (target) => {
      expect((await querySql(target, 'SELECT url_path, lines FROM traffic')).rows).toEqual([['/a', 5]]);
      await chain.append({ upserts: rows(6) });
      let lines: unknown;
      while (lines !== 6) lines = (await querySql(target, 'SELECT lines FROM traffic')).rows[0]?.[0];
      await expect(querySql(target, 'DROP TABLE x')).rejects.toMatchObject({ code: 'SQL_REFUSED' });
      expect(statSync(target.socketPath).mode & 0o777).toBe(0o600);
      expect(statSync(dirname(target.socketPath)).mode & 0o777).toBe(0o700);
    });
    expect(existsSync(harness.socketPath)).toBe(false);
    // Nobody is there any more: the file answers.
    const target = { socketPath: harness.socketPath, databasePath: harness.path };
    expect((await querySql(target, 'SELECT lines FROM traffic')).rows).toEqual([[6]]);
  });

  test('a path that no socket can have is refused, and a folder where nothing ran says so', async () => {
    const target = { socketPath: `/tmp/${'x'.repeat(120)}`, databasePath: join(harness.folder, 'none.duckdb') };
    await expect(querySql(target, 'SELECT 1')).rejects.toMatchObject({ code: 'SOCKET_PATH_TOO_LONG' });
    await expect(querySql({ ...target, socketPath: harness.socketPath }, 'SELECT 1')).rejects.toMatchObject({
      code: 'NOTHING_YET',
      exitCode: 4,
    });
  });

  test('a query is not guilty of the memory that its process had before', async () => {
    await chain.append({ ...snapshot, upserts: rows(5) });
    await harness.runToEnd(log, chain.topic);
    const args = ['--disable-warning=ExperimentalWarning', SCRIPT, harness.socketPath, harness.path];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(JSON.parse(stdout)).toEqual([[5]]);
  });
});
