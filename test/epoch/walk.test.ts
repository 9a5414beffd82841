import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Log } from '../../src/broker/broker.ts';
import { encodeEpoch } from '../../src/epoch/codec.ts';
import { type EpochPlace, EpochWalk, type WalkStart } from '../../src/epoch/walk.ts';
import { EpochChain, pipelineOf } from '../support/epochs.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-log.ts';

const SNAPSHOT = { pipeline: pipelineOf(), fingerprints: {} };

let store: MemoryStore;
let log: Log;
let chain: EpochChain;
let place: EpochPlace;
let batches: number;

/** A genesis, a snapshot (1), an epoch (2), one of a writer that was fenced (3), an epoch (4). */
beforeEach(async () => {
  store = new MemoryStore({ clock: new ManualClock() });
  log = store.open();
  chain = await EpochChain.begin(log);
  place = { log, topic: chain.topic, partition: 0 };
  await chain.append(SNAPSHOT);
  const { envelope, body } = chain.make({});
  await chain.append({});
  await log.append(chain.topic, 0, encodeEpoch({ envelope: { ...envelope, id: 'f'.repeat(32) }, body }));
  await chain.append({});
  batches = 0;
  store.beforeBatch = () => void batches++;
});

const walkFrom = (start: Partial<WalkStart> = {}): EpochWalk =>
  new EpochWalk(place, { offset: 0, hasBodies: false, ...start });

async function numbers(walk: EpochWalk, options?: Parameters<EpochWalk['all']>[0]): Promise<number[]> {
  return (await walk.all(options)).map(({ envelope }) => envelope.n);
}

describe('a walk along a chain', () => {
  test('meets every message, and says which epochs count', async () => {
    const walk = walkFrom();
    const met: unknown[] = [];
    for await (const { message, epoch } of walk.steps()) met.push([message.offset, message.kind, epoch?.envelope.n]);
    expect(met).toEqual([
      [0, 'genesis', undefined],
      [1, 'epoch', 1],
      [2, 'epoch', 2],
      [3, 'epoch', undefined],
      [4, 'epoch', 3],
    ]);
    expect([walk.nextOffset, walk.chain?.n, walk.uncounted]).toEqual([5, 3, 1]);
  });

  test('goes on where it stands, also in the middle of a batch', async () => {
    const walk = walkFrom();
    for await (const { envelope } of walk.epochs()) if (envelope.n === 1) break;
    expect(walk.nextOffset).toBe(2);
    expect(await numbers(walk)).toEqual([2, 3]);
    await chain.append({});
    expect(await numbers(walk)).toEqual([4]);
  });

  test('has bodies only where they are asked for', async () => {
    const [snapshot] = await walkFrom().all();
    expect(snapshot).toMatchObject({ body: undefined, sizeBytes: 0 });
    const [again, next] = await EpochWalk.fromEpoch(place, snapshot!).all();
    expect([again?.envelope.n, again?.body?.pipeline?.name, next?.envelope.n]).toEqual([1, 'web', 2]);
  });

  test('goes on behind a cursor', async () => {
    const first = walkFrom();
    await first.end({ before: 3 });
    expect(await numbers(walkFrom({ offset: first.nextOffset, chain: first.chain }))).toEqual([3]);
  });

  test('ends before an offset, without reading on', async () => {
    const walk = walkFrom();
    expect(await walk.end({ before: 3, batchBytesMax: 1 })).toMatchObject({ n: 2 });
    expect([walk.nextOffset, batches]).toEqual([3, 3]);
    expect(await walk.end({ before: 3 })).toMatchObject({ n: 2 });
    expect(batches).toBe(3);
  });

  test('may be ended after each batch', async () => {
    const walk = walkFrom();
    const stops: number[] = [];
    while (walk.nextOffset < 5) {
      await walk.end({ batchBytesMax: 1, isOver: () => true });
      stops.push(walk.nextOffset);
    }
    expect(stops).toEqual([1, 2, 3, 4, 5]);
  });

  test('follows the log until its signal aborts', async () => {
    const stop = new AbortController();
    const met: number[] = [];
    for await (const { envelope } of walkFrom().epochs({ follow: stop.signal })) {
      met.push(envelope.n);
      if (envelope.n === 3) setImmediate(() => void chain.append({}));
      if (envelope.n === 4) stop.abort();
    }
    expect(met).toEqual([1, 2, 3, 4]);
  });

  test('that comes back sees when the log has lost its end and has grown again', async () => {
    const walk = walkFrom();
    await walk.end();
    expect(await walk.all({ checksLast: true })).toEqual([]);
    store.loseTail(chain.topic, 0, 1);
    await log.append(chain.topic, 0, encodeEpoch(chain.make({}, { n: 3, id: 'e'.repeat(32) })));
    await expect(walk.all({ checksLast: true })).rejects.toMatchObject({
      code: 'LOG_FORKED',
      message: `${chain.topic}/0: message 4 is not the one that was read there`,
    });
  });

  test('does not hide that the log was trimmed', async () => {
    await log.trim(chain.topic, 0, 2);
    await expect(walkFrom().end()).rejects.toMatchObject({ code: 'LOG_TRIMMED' });
  });
});
