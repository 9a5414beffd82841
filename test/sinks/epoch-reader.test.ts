import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Log } from '../../src/broker/broker.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { EpochReader } from '../../src/sinks/epoch-reader.ts';
import { snapshotStart } from '../../src/sinks/snapshot-start.ts';
import { EpochChain, pipelineOf, rowsOf } from '../support/epochs.ts';
import { MemoryStore } from '../support/memory-log.ts';
import { WarehouseHarness } from '../support/warehouse-harness.ts';

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
    await chain.append({ upserts: rows(1) });
    const second = await chain.append({ ...snapshot, upserts: rows(2) });
    await chain.append({ upserts: rows(3) });
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
    const second = await chain.append({ ...snapshot, upserts: rows(2) });
    await log.trim(chain.topic, 0, second);
    await harness.runToEnd(log, chain.topic);
    expect(await harness.query('SELECT lines FROM traffic')).toEqual([[2]]);
  });

  test('a log that is trimmed while it is followed from its start is followed from the new one', async () => {
    const ids: string[] = [];
    for (const body of [snapshot, {}, snapshot, snapshot, {}]) {
      const epoch = chain.make(body);
      ids.push(epoch.envelope.id);
      await chain.append(body);
    }
    const from = { stream: 'access', topic: chain.topic, partition: 0 };
    const words = { who: 'the sink', startOver: 'begin again' };
    await log.report('sink', chain.topic, 0, { offset: 6, id: ids[4]! });
    let batches = 0;
    store.beforeBatch = () => {
      if (++batches === 1) store.trim(chain.topic, 0, 3);
    };
    const { cursor } = await snapshotStart(log, 'sink', from, words);
    expect(cursor).toEqual({ offset: 4, id: ids[2], n: 3, to: 3 });
    batches = 0;
    store.beforeBatch = undefined;
    const stored = { offset: 6, id: ids[4]!, n: 5, to: 5 };
    const stop = new AbortController();
    const reader = new EpochReader({ log, group: 'sink', from, cursor: stored });
    store.beforeBatch = () => {
      if (++batches === 1) store.trim(chain.topic, 0, 4);
      else stop.abort();
    };
    const read: number[] = [];
    await reader.run(stop.signal, async ({ epoch }) => void read.push(epoch.envelope.n));
    expect(read).toEqual([]);
    expect(batches).toBeGreaterThan(1);
  });

  test.each([
    ['was passed by another process of its group', 'FENCED', { offset: 4, id: 'x' }],
    ['was passed by nobody', 'LOG_TRIMMED', undefined],
  ] as const)('trimmed while it follows, a reader that %s ends with %s', async (_, code, passed) => {
    for (const body of [snapshot, {}, snapshot, {}]) await chain.append(body);
    const from = { stream: 'access', topic: chain.topic, partition: 0 };
    const cursor = { offset: 2, id: '1'.padStart(32, 'a'), n: 1, to: 1 };
    await log.report('sink', chain.topic, 0, passed ?? cursor);
    const reader = new EpochReader({ log, group: 'sink', from, cursor, isReporting: false });
    // The first batch is its look whether the log is the one it knows.
    let batches = 0;
    store.beforeBatch = () => {
      if (++batches === 2) store.trim(chain.topic, 0, 3);
    };
    await expect(reader.run(new AbortController().signal, async () => {})).rejects.toMatchObject({ code });
  });

  test('a log that has lost its end, and another log, stop it', async () => {
    await chain.append(snapshot);
    await chain.append({ upserts: rows(1) });
    await harness.runToEnd(log, chain.topic);
    store.loseTail(chain.topic, 0, 1);
    await log.forget('warehouse');
    await expect(harness.runToEnd(log, chain.topic)).rejects.toMatchObject({ code: 'LOG_FORKED' });
    await chain.append({ upserts: rows(7) }, { id: 'f'.repeat(32), n: 2, from: 1, to: 2, prev: '1'.padStart(32, 'a') });
    await expect(harness.runToEnd(log, chain.topic)).rejects.toMatchObject({
      code: 'LOG_FORKED',
      message: expect.stringContaining('is not what counts'),
    });
    expect(await harness.query('SELECT lines FROM traffic')).toEqual([[1]]);
  });

  test('a damaged message where it stands is said to be damaged', async () => {
    await chain.append(snapshot);
    await harness.runToEnd(log, chain.topic);
    store.damage(chain.topic, 0, await chain.append({ upserts: rows(1) }));
    await expect(harness.runToEnd(log, chain.topic)).rejects.toMatchObject({
      code: 'LOG_DAMAGED',
      message: `${chain.topic}/0: message 2 is damaged: damaged by the test`,
    });
  });

  test('epochs that do not count change nothing, and are passed over', async () => {
    await chain.append(snapshot);
    const zombie = await EpochChain.begin(log);
    await zombie.append({ ...snapshot, upserts: rows(99) }, { id: 'e'.repeat(32) });
    await chain.append({ upserts: rows(1) });
    await harness.runToEnd(log, chain.topic);
    expect(await harness.query('SELECT lines FROM traffic')).toEqual([[1]]);
  });
});
