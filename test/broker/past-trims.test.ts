import { beforeEach, expect, test } from '@jest/globals';
import type { Log } from '../../src/broker/broker.ts';
import { pastTrims } from '../../src/broker/past-trims.ts';
import { OperatingError } from '../../src/lib/errors.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-log.ts';

const TOPIC = 't.raw.a';
const OTHER = 't.epochs.a';
const EMPTY = new Uint8Array(0);

let store: MemoryStore;
let log: Log;

beforeEach(async () => {
  store = new MemoryStore({ clock: new ManualClock() });
  log = store.open();
  await log.ensureTopics([TOPIC, OTHER].map((topic) => ({ topic, partitions: 2, messageBytesMax: 1024 })));
  const messages = [1, 2, 3, 4].map((byte) => ({ kind: 'block' as const, header: Uint8Array.of(byte), value: EMPTY }));
  await log.append(TOPIC, 1, messages);
});

async function offsetsFrom(from: number): Promise<number[]> {
  const offsets: number[] = [];
  for await (const batch of log.read(TOPIC, 1, from, { isFollowing: false, batchBytesMax: 1 }))
    offsets.push(...batch.map((message) => message.offset));
  return offsets;
}

const startOf = async (): Promise<number> => (await log.ends(TOPIC))[1]!.start;

/** Trims before the reader's batches, one offset at a time. */
function trimUnder(...befores: number[]): void {
  store.beforeBatch = () => {
    const before = befores.shift();
    if (before !== undefined) store.trim(TOPIC, 1, before);
  };
}

test('a reader whose start is trimmed under it begins at the new one, as often as it takes', async () => {
  trimUnder(2, 3);
  const read = async (): Promise<number[]> => offsetsFrom(await startOf());
  await expect(read()).rejects.toMatchObject({ code: 'LOG_TRIMMED' });
  trimUnder(3, 4);
  expect(await pastTrims(log, [{ topic: TOPIC, partition: 1 }], read)).toEqual([4]);
});

test('any of its partitions may be the one', async () => {
  trimUnder(2);
  const read = async (): Promise<number[]> => offsetsFrom(await startOf());
  const partitions = [
    { topic: OTHER, partition: 0 },
    { topic: TOPIC, partition: 1 },
  ];
  expect(await pastTrims(log, partitions, read)).toEqual([2, 3, 4]);
});

test('one that stands at what is gone for good is told so, also where the start moved once more', async () => {
  store.trim(TOPIC, 1, 2);
  await expect(pastTrims(log, [{ topic: TOPIC, partition: 1 }], () => offsetsFrom(0))).rejects.toMatchObject({
    code: 'LOG_TRIMMED',
  });
  trimUnder(3);
  await expect(pastTrims(log, [{ topic: TOPIC, partition: 1 }], () => offsetsFrom(0))).rejects.toMatchObject({
    code: 'LOG_TRIMMED',
  });
});

test('one whose start was given back, and trimmed again to where it was, looks once more', async () => {
  store.trim(TOPIC, 1, 3);
  let reads = 0;
  const read = async (): Promise<number[]> => offsetsFrom(++reads === 1 ? 1 : await startOf());
  expect(await pastTrims(log, [{ topic: TOPIC, partition: 1 }], read)).toEqual([3, 4]);
});

test('a log that is always trimmed before it is read is given up', async () => {
  const messages = Array.from({ length: 20 }, () => ({ kind: 'block' as const, header: EMPTY, value: EMPTY }));
  await log.append(TOPIC, 1, messages);
  let reads = 0;
  store.beforeBatch = () => store.trim(TOPIC, 1, ++reads);
  const read = async (): Promise<number[]> => offsetsFrom(await startOf());
  await expect(pastTrims(log, [{ topic: TOPIC, partition: 1 }], read)).rejects.toMatchObject({ code: 'LOG_TRIMMED' });
  expect(reads).toBe(10);
});

test('every other error is the reader’s', async () => {
  let reads = 0;
  const read = async (): Promise<never> => {
    store.trim(TOPIC, 1, ++reads);
    throw new OperatingError('no', { code: 'LOG_FORKED' });
  };
  await expect(pastTrims(log, [{ topic: TOPIC, partition: 1 }], read)).rejects.toMatchObject({ code: 'LOG_FORKED' });
  expect(reads).toBe(1);
});
