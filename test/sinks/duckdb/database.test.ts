import { readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Log } from '../../../src/broker/broker.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { WAREHOUSE_FORMAT_VERSION } from '../../../src/sinks/duckdb/schema.ts';
import { EpochChain, pipelineOf } from '../../support/epochs.ts';
import { MemoryStore } from '../../support/memory-log.ts';
import { WarehouseHarness } from '../../support/warehouse-harness.ts';

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
