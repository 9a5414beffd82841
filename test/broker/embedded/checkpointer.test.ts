import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../../src/lib/clock.ts';
import { embeddedLogHarness } from '../../support/embedded-log-harness.ts';
import type { EmbeddedLogHarness } from '../../support/embedded-log-harness.ts';
import { valueOf } from '../../support/log-child.ts';
import { message, MESSAGE_BYTES_MAX, TOPIC } from '../../support/log-messages.ts';

const MIB = 1024 * 1024;
const TOPICS = [{ topic: TOPIC, partitions: 1, messageBytesMax: MESSAGE_BYTES_MAX }];

let harness: EmbeddedLogHarness;
beforeEach(() => {
  harness = embeddedLogHarness();
});
afterEach(() => harness.close());

function sizeBytes(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

function folderBytes(): number {
  return readdirSync(harness.folder).reduce((sum, name) => sum + sizeBytes(join(harness.folder, name)), 0);
}

test('ten minutes of one beat and one report a second, from two processes, grow the folder by less than 1 MiB', async () => {
  let aheadMs = 0;
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
  const [agent, sink] = [await harness.open({ clock }), await harness.open({ clock })];
  await agent.ensureTopics(TOPICS);
  const startBytes = folderBytes();
  let mostBytes = 0;
  for (let second = 0; second < 600; second++) {
    aheadMs += 1000;
    const offset = await agent.append(TOPIC, 0, [message('x'.repeat(200), '', 'beat')]);
    await sink.report('warehouse', TOPIC, 0, { offset, id: '0123456789abcdef' });
    await sink.reports(TOPIC);
    mostBytes = Math.max(mostBytes, folderBytes());
  }
  expect(mostBytes - startBytes).toBeLessThan(MIB);
});

test('under load the write-ahead log takes 16 MiB before it goes into the file, and begins again', async () => {
  const log = await harness.open();
  await log.ensureTopics(TOPICS);
  const value = valueOf(1, MIB);
  const databaseBytes: number[] = [];
  let walBytesMost = 0;
  for (let n = 0; n < 60; n++) {
    await log.append(TOPIC, 0, [message(`${n}`, value)]);
    databaseBytes.push(sizeBytes(harness.path));
    walBytesMost = Math.max(walBytesMost, sizeBytes(`${harness.path}-wal`));
  }
  const checkpoints = new Set(databaseBytes).size - 1;
  expect(checkpoints).toBeGreaterThanOrEqual(3);
  expect(checkpoints).toBeLessThanOrEqual(4);
  expect(walBytesMost).toBeGreaterThan(15 * MIB);
  expect(walBytesMost).toBeLessThan(20 * MIB);
});

test('space that trimming frees is used again', async () => {
  const log = await harness.open();
  await log.ensureTopics(TOPICS);
  const value = valueOf(1, 60_000);
  const sizes: number[] = [];
  for (let round = 0; round < 4; round++) {
    for (let n = 0; n < 20; n++) {
      await log.append(
        TOPIC,
        0,
        Array.from({ length: 10 }, () => message('h', value)),
      );
    }
    await log.trim(TOPIC, 0, Infinity);
    expect(log.usage().bytes).toBeLessThan(100_000);
    sizes.push(folderBytes() - sizeBytes(`${harness.path}-wal`));
  }
  expect(Math.max(...sizes)).toBeLessThan(14 * MIB);
});
