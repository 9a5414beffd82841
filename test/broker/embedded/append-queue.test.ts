import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { AppendQueue } from '../../../src/broker/embedded/append-queue.ts';
import { Checkpointer } from '../../../src/broker/embedded/checkpointer.ts';
import { Connection } from '../../../src/broker/embedded/connection.ts';
import { openDatabase } from '../../../src/broker/embedded/database.ts';
import { DiskSpace } from '../../../src/broker/embedded/disk-space.ts';
import type { EmbeddedLog } from '../../../src/broker/embedded/embedded-log.ts';
import { PartitionTable } from '../../../src/broker/embedded/partition-table.ts';
import { ReportTable } from '../../../src/broker/embedded/report-table.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { setFaultHandler } from '../../../src/lib/fault-point.ts';
import { embeddedLogHarness } from '../../support/embedded-log-harness.ts';
import type { EmbeddedLogHarness } from '../../support/embedded-log-harness.ts';
import { valueOf } from '../../support/log-child.ts';
import { headerOf, message, MESSAGE_BYTES_MAX, readAll, TOPIC } from '../../support/log-messages.ts';

let harness: EmbeddedLogHarness;
let log: EmbeddedLog;
beforeEach(async () => {
  harness = embeddedLogHarness();
  log = await harness.open();
  await log.ensureTopics([{ topic: TOPIC, partitions: 2, messageBytesMax: MESSAGE_BYTES_MAX }]);
});
afterEach(async () => {
  setFaultHandler(undefined);
  await harness.close();
});

test('appends of one turn share a commit, over partitions', async () => {
  let commits = 0;
  setFaultHandler((point) => {
    if (point === 'log.after_commit') commits++;
  });
  const appends = Array.from({ length: 50 }, (_, n) => log.append(TOPIC, n % 2, [message(`${n}`)]));
  const offsets = await Promise.all(appends);
  expect(offsets).toEqual(Array.from({ length: 50 }, (_, n) => 1 + Math.floor(n / 2)));
  expect(commits).toBe(1);
  await log.append(TOPIC, 0, [message('alone')]);
  expect(commits).toBe(2);
});

test('a refused append leaves the others of its commit alone', async () => {
  const small = await harness.open({ diskMaxBytes: 1024 * 1024 });
  const results = await Promise.allSettled([
    small.append(TOPIC, 0, [message('first')]),
    small.append(TOPIC, 0, [message('too much', valueOf(1, 2_000_000))]),
    small.append(TOPIC, 0, [message('last')]),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect((await readAll(log, 1)).map(headerOf)).toEqual(['first', 'last']);
});

test('blocks leave room for epochs at the disk limit', async () => {
  const small = await harness.open({ diskMaxBytes: 4 * 1024 * 1024 });
  const blocks = async (): Promise<void> => {
    for (;;) await small.append(TOPIC, 0, [message('block', valueOf(1, 50_000))]);
  };
  await expect(blocks()).rejects.toMatchObject({ code: 'LOG_DISK_FULL' });
  await small.append(TOPIC, 1, [message('epoch', valueOf(1, 300_000), 'epoch')]);
  const { bytes, maxBytes } = small.usage();
  expect(bytes).toBeGreaterThan(0.9 * maxBytes);
  expect(bytes).toBeLessThanOrEqual(maxBytes);
});

test('more than the queue holds comes through, in order', async () => {
  const value = valueOf(3, MESSAGE_BYTES_MAX - 10);
  const appends = Array.from({ length: 9 }, (_, n) => log.append(TOPIC, 0, [message(`${n}`, value)]));
  expect(await Promise.all(appends)).toEqual(Array.from({ length: 9 }, (_, n) => n + 1));
  const headers = (await readAll(log, 1, { hasValues: false })).map(headerOf);
  expect(headers).toEqual(Array.from({ length: 9 }, (_, n) => `${n}`));
});

test('a crash before the commit leaves nothing, one after it everything', async () => {
  const crashAt = (at: string): void =>
    setFaultHandler((point) => {
      if (point === at) throw new Error(`crashed in ${at}`);
    });
  crashAt('log.before_commit');
  await expect(log.append(TOPIC, 0, [message('lost')])).rejects.toThrow('crashed in log.before_commit');
  crashAt('log.after_commit');
  await expect(log.append(TOPIC, 0, [message('kept')])).rejects.toThrow('crashed in log.after_commit');
  setFaultHandler(undefined);
  expect(await log.append(TOPIC, 0, [message('next')])).toBe(2);
  expect((await readAll(log, 1)).map(headerOf)).toEqual(['kept', 'next']);
});

test('a disk that is full refuses whole commits, and takes them again when there is space', async () => {
  const database = openDatabase(harness.path);
  const checkpointer = new Checkpointer(database, systemClock);
  const connection = new Connection(database, harness.path, systemClock, {
    checkpointer,
    afterCommit: () => undefined,
  });
  const queue = new AppendQueue(connection, {
    partitions: new PartitionTable(database, harness.path),
    reports: new ReportTable(database),
    space: new DiskSpace(database, 1024 ** 3),
  });
  const value = valueOf(1, 100_000);
  // SQLite answers SQLITE_FULL at this many pages just as it does at ENOSPC.
  database.exec('PRAGMA max_page_count = 40');
  const append = (): Promise<number> => queue.append(TOPIC, 0, [message('a', value), message('b', value)]);
  expect(await append()).toBe(1);
  await expect(append()).rejects.toMatchObject({ code: 'LOG_DISK_FULL', isRetryable: true });
  expect((await readAll(log, 1)).map(headerOf)).toEqual(['a', 'b']);
  database.exec('PRAGMA max_page_count = 1000');
  expect(await append()).toBe(3);
  connection.close();
});

test('a lock held by another process delays appends and nothing else', async () => {
  const holder = openDatabase(harness.path);
  holder.exec('BEGIN IMMEDIATE');
  let isDone = false;
  const append = log.append(TOPIC, 0, [message('a')]).finally(() => (isDone = true));
  await systemClock.sleep(200);
  expect(isDone).toBe(false);
  expect(await log.ends(TOPIC)).toHaveLength(2);
  holder.exec('COMMIT');
  holder.close();
  expect(await append).toBe(1);
});

test('a lock that is held too long is a retryable error, and nothing was written', async () => {
  let lateMs = 0;
  const late = await harness.open({ clock: { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + lateMs } });
  const holder = openDatabase(harness.path);
  holder.exec('BEGIN IMMEDIATE');
  setTimeout(() => (lateMs = 60_000), 50);
  await expect(late.append(TOPIC, 0, [message('a')])).rejects.toMatchObject({ code: 'LOG_BUSY', isRetryable: true });
  holder.exec('COMMIT');
  holder.close();
  expect(await late.append(TOPIC, 0, [message('a')])).toBe(1);
});
