import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Log } from '../../src/broker/broker.ts';
import { encodeEpoch } from '../../src/epoch/codec.ts';
import type { Epoch } from '../../src/epoch/epoch.ts';
import { foldableEnds } from '../../src/epoch/fold-start.ts';
import { EpochWalk } from '../../src/epoch/walk.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { EpochChain, pipelineOf } from '../support/epochs.ts';
import { MemoryStore } from '../support/memory-log.ts';

const SNAPSHOT = { pipeline: pipelineOf(), fingerprints: {} };

let store: MemoryStore;
let log: Log;
let chain: EpochChain;

beforeEach(async () => {
  store = new MemoryStore({ clock: new ManualClock() });
  log = store.open();
  chain = await EpochChain.begin(log);
});

const startOf = async (): Promise<number> => (await foldableEnds(log, chain.topic, 0)).start;

/** What a writer that was fenced left: it follows what it knew, and nothing follows it. */
function zombie(epoch: Epoch, id: string): Promise<number> {
  return log.append(chain.topic, 0, encodeEpoch({ ...epoch, envelope: { ...epoch.envelope, id } }));
}

/** A snapshot in three messages. */
async function parts(): Promise<number> {
  const { envelope, body } = chain.make(SNAPSHOT);
  const { length } = encodeEpoch({ envelope, body })[0]!.value;
  const messages = encodeEpoch({ envelope, body }, Math.ceil(length / 3));
  expect(messages).toHaveLength(3);
  const first = await log.append(chain.topic, 0, messages);
  await chain.append({}, { n: envelope.n + 1, from: envelope.to, to: envelope.to + 1, prev: envelope.id });
  return first;
}

describe('a fold of an epoch partition begins', () => {
  test('at its genesis', async () => {
    await chain.append(SNAPSHOT);
    await chain.append({});
    expect(await foldableEnds(log, chain.topic, 0)).toEqual({ start: 0, end: 3 });
  });

  test('at the snapshot it was trimmed to, also where that is the only one', async () => {
    await chain.append(SNAPSHOT);
    const second = await chain.append(SNAPSHOT);
    await log.trim(chain.topic, 0, second);
    expect(await startOf()).toBe(second);
    await chain.append({});
    expect(await startOf()).toBe(second);
  });

  test('at the first snapshot that counts, where the log gives back some of what was trimmed', async () => {
    await chain.append(SNAPSHOT);
    const delta = await chain.append({});
    await chain.append({});
    const third = await chain.append(SNAPSHOT);
    await chain.append({});
    await chain.append(SNAPSHOT);
    const { envelope } = chain.make({});
    await log.trim(chain.topic, 0, delta);
    expect(await startOf()).toBe(third);
    const walk = await EpochWalk.fromStart({ log, topic: chain.topic, partition: 0 });
    expect([walk.nextOffset, (await walk.end())?.id, walk.uncounted]).toEqual([third, envelope.prev, 0]);
  });

  test('at no snapshot of a writer that was fenced, though the log begins with it', async () => {
    await chain.append(SNAPSHOT);
    const first = await zombie(chain.make(SNAPSHOT), 'e'.repeat(32));
    const second = await chain.append(SNAPSHOT);
    await zombie(chain.make(SNAPSHOT), 'f'.repeat(32));
    await chain.append({});
    await log.trim(chain.topic, 0, first);
    expect(await startOf()).toBe(second);
  });

  test('at no snapshot whose first parts are gone', async () => {
    await chain.append(SNAPSHOT);
    const first = await parts();
    await log.trim(chain.topic, 0, first);
    expect(await startOf()).toBe(first);
    await log.trim(chain.topic, 0, first + 1);
    await expect(startOf()).rejects.toMatchObject({ code: 'LOG_DAMAGED', exitCode: 77 });
    const next = await chain.append(SNAPSHOT);
    await chain.append({});
    expect(await startOf()).toBe(next);
  });
});

test('a partition without a snapshot that counts is said, with the way out', async () => {
  await chain.append(SNAPSHOT);
  const second = await chain.append({});
  await chain.append({});
  store.damage(chain.topic, 0, second + 1);
  await log.trim(chain.topic, 0, second);
  await expect(startOf()).rejects.toMatchObject({
    code: 'LOG_DAMAGED',
    message: `${chain.topic}/0 begins at ${second} in the middle of its epochs, and holds no snapshot that counts`,
    hint: expect.stringContaining('another name'),
  });
});
