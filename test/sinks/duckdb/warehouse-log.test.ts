import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Log } from '../../../src/broker/broker.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { querySql } from '../../../src/sinks/duckdb/client.ts';
import { WAREHOUSE_FORMAT_VERSION } from '../../../src/sinks/duckdb/schema.ts';
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

const snapshot = { pipeline: pipelineOf(), fingerprints: { traffic: 'a' } };
const rows = (lines: number) => [
  rowsOf('traffic', [{ startMs: 0, endMs: 60_000, key: ['/a', 200], accumulators: [1, 1], lines }]),
];

describe('the log it reads', () => {
  test('its group is registered before it has read anything, and its cursor is told after each transaction', async () => {
    await chain.append(snapshot);
    await harness.runToEnd(log, chain.topic);
    const [report] = await log.reports(chain.topic);
    expect(report).toMatchObject({
      group: 'warehouse',
      partition: 0,
      cursor: { offset: 2, id: '1'.padStart(32, 'a') },
    });
    expect(
      await harness.query('SELECT topic, partition, stream, "offset", n, raw_to, first_n FROM tailrace.cursors'),
    ).toEqual([[chain.topic, 0, 'access', 2, 1, 1, 1]]);
  });

  test('a trimmed log is read from its first snapshot by a new warehouse, and refused by one that has missed something', async () => {
    await chain.append(snapshot);
    await harness.runToEnd(log, chain.topic);
    await chain.append({ rows: rows(1) });
    const second = await chain.append({ ...snapshot, rows: rows(2) });
    await chain.append({ rows: rows(3) });
    await log.trim(chain.topic, 0, second);
    await expect(harness.runToEnd(log, chain.topic)).rejects.toMatchObject({
      code: 'LOG_TRIMMED',
      message: `${chain.topic}/0: the warehouse has read up to offset 2, the log begins at ${second}: ${second - 2} messages are gone`,
    });
    await log.forget('warehouse');
    harness.path = `${harness.path}.new`;
    await harness.runToEnd(log, chain.topic);
    expect(await harness.query('SELECT lines FROM traffic')).toEqual([[3]]);
    expect(await harness.query('SELECT first_n FROM tailrace.cursors')).toEqual([[3]]);
  });

  test('a log that was trimmed to exactly where it stands is gone on with', async () => {
    await chain.append(snapshot);
    await harness.runToEnd(log, chain.topic);
    const second = await chain.append({ ...snapshot, rows: rows(2) });
    await log.trim(chain.topic, 0, second);
    await harness.runToEnd(log, chain.topic);
    expect(await harness.query('SELECT lines FROM traffic')).toEqual([[2]]);
  });

  test('a log that has lost its end, and another log, stop it', async () => {
    await chain.append(snapshot);
    await chain.append({ rows: rows(1) });
    await harness.runToEnd(log, chain.topic);
    store.loseTail(chain.topic, 0, 1);
    await log.forget('warehouse');
    await expect(harness.runToEnd(log, chain.topic)).rejects.toMatchObject({ code: 'LOG_FORKED' });
    await chain.append({ rows: rows(7) }, { id: 'f'.repeat(32), n: 2, from: 1, to: 2, prev: '1'.padStart(32, 'a') });
    await expect(harness.runToEnd(log, chain.topic)).rejects.toMatchObject({
      code: 'LOG_FORKED',
      message: expect.stringContaining('message 2'),
    });
    expect(await harness.query('SELECT lines FROM traffic')).toEqual([[1]]);
  });

  test('epochs that do not count change nothing, and are passed over', async () => {
    await chain.append(snapshot);
    const zombie = await EpochChain.begin(log);
    await zombie.append({ ...snapshot, rows: rows(99) }, { id: 'e'.repeat(32) });
    await chain.append({ rows: rows(1) });
    await harness.runToEnd(log, chain.topic);
    expect(await harness.query('SELECT lines FROM traffic')).toEqual([[1]]);
  });
});

describe('the file', () => {
  test('is made whole under another name, and what a fault left of an earlier try goes', async () => {
    writeFileSync(`${harness.path}.new-left`, 'half');
    await chain.append(snapshot);
    await harness.runToEnd(log, chain.topic);
    expect(readdirSync(dirname(harness.path)).filter((name) => name.includes('.new-'))).toEqual([]);
  });

  test('of a newer format is refused, and so is one that is no warehouse', async () => {
    await chain.append(snapshot);
    await harness.runToEnd(log, chain.topic);
    const instance = await DuckDBInstance.create(harness.path);
    const connection = await instance.connect();
    await connection.run(
      `UPDATE tailrace.meta SET value = '${WAREHOUSE_FORMAT_VERSION + 1}' WHERE key = 'format_version'`,
    );
    connection.closeSync();
    instance.closeSync();
    await expect(harness.runToEnd(log, chain.topic)).rejects.toMatchObject({ code: 'FORMAT_NEWER' });
    harness.path = join(harness.folder, 'other.duckdb');
    writeFileSync(harness.path, 'not a database, and long enough to be looked at'.repeat(300));
    await expect(harness.runToEnd(log, chain.topic)).rejects.toMatchObject({ code: 'WAREHOUSE_UNREADABLE' });
  });
});

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
    await chain.append({ ...snapshot, rows: rows(5) });
    await running(async (target) => {
      expect((await querySql(target, 'SELECT url_path, lines FROM traffic')).rows).toEqual([['/a', 5]]);
      await chain.append({ rows: rows(6) });
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
});
