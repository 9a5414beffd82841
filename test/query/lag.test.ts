import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Log } from '../../src/broker/broker.ts';
import { LagBoard, type LagLook, type PartitionLag } from '../../src/query/lag.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { encodeBeat } from '../../src/record/beat.ts';
import { encodeBlockHeader } from '../../src/record/block.ts';
import { EMPTY_TAIL, sourceId } from '../../src/record/source.ts';
import { EpochChain } from '../support/epochs.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-log.ts';

const AGENT = '0'.repeat(8) + '-0000-4000-8000-' + '0'.repeat(12);
const RAW = 't.raw.access';
const EPOCHS = 't.epochs.web.access';
/** Of a document sink, which is not there in most tests. */
const DOCUMENTS = 't.documents.web.search.access';
const NO_BYTES = new Uint8Array(0);

let clock: ManualClock;
let store: MemoryStore;
let log: Log;
let chain: EpochChain;
let position: number;

beforeEach(async () => {
  clock = new ManualClock();
  store = new MemoryStore({ clock });
  log = store.open();
  position = 0;
  await log.ensureTopics([{ topic: RAW, partitions: 1, messageBytesMax: 2 ** 20 }]);
  chain = await EpochChain.begin(log, { topic: EPOCHS });
});

/** One block of so many lines of ten bytes. Resolves to its offset. */
function appendBlock(lines: number, on: Log = log): Promise<number> {
  const start = position;
  position += lines * 10;
  const header = encodeBlockHeader({
    source: sourceId(AGENT, 1),
    identity: '1'.repeat(16),
    origin: 0,
    prev: start,
    start,
    end: position,
    tail: EMPTY_TAIL,
    endTail: EMPTY_TAIL,
    lines,
    readAtMs: 0,
  });
  return on.append(RAW, 0, [{ kind: 'block', header, value: NO_BYTES }]);
}

function appendBeat(): Promise<number> {
  const header = encodeBeat({
    agent: AGENT,
    log: 'raw',
    tMs: clock.nowMs(),
    isFull: false,
    hasEnded: false,
    sources: [],
  });
  return log.append(RAW, 0, [{ kind: 'beat', header, value: NO_BYTES }]);
}

function boardOf(on: Log = log): LagBoard {
  return new LagBoard({
    log: on,
    clock,
    streams: [{ stream: 'access', raw: RAW, epochs: [EPOCHS, DOCUMENTS] }],
    scanMsMax: 1000,
  });
}

/** The log with another way to read. */
function readsThrough(read: Log['read']): Log {
  return new Proxy(log, {
    get: (target, name) => {
      if (name === 'read') return read;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const lagOf = ({ lags }: LagLook, group: string): PartitionLag => lags.find((one) => one.group === group)!;

describe('a reader of raw', () => {
  test('is behind by the lines, bytes and seconds of the blocks it has not read', async () => {
    await appendBlock(3);
    await clock.advance(5000);
    const second = await appendBlock(4);
    await clock.advance(1000);
    await appendBlock(5);
    await clock.advance(500);
    await log.report('pipeline.web', RAW, 0, { offset: second, id: 'x' });
    expect(lagOf(await boardOf().look(), 'pipeline.web')).toMatchObject({
      offset: second,
      end: second + 2,
      messages: 2,
      lines: 9,
      bytes: 90,
      seconds: 1.5,
      isEstimated: false,
    });
  });

  test('that was registered and never reported begins with what there is', async () => {
    await appendBlock(3);
    await log.report('pipeline.web', RAW, 0, undefined);
    expect(lagOf(await boardOf().look(), 'pipeline.web')).toMatchObject({ offset: 0, lines: 3, seconds: 0 });
    await log.trim(RAW, 0, 2);
    expect(lagOf(await boardOf().look(), 'pipeline.web')).toMatchObject({ offset: 2, messages: 0, lines: 0 });
  });

  test('is not behind for a minute of beats, and is when nobody reads them', async () => {
    const first = await appendBeat();
    await log.report('pipeline.web', RAW, 0, { offset: first, id: 'x' });
    const board = boardOf();
    await clock.advance(60_000);
    expect(lagOf(await board.look(), 'pipeline.web')).toMatchObject({
      messages: 1,
      lines: 0,
      seconds: 0,
      status: 'OK',
    });
    await clock.advance(1000);
    expect(lagOf(await board.look(), 'pipeline.web')).toMatchObject({ lines: 0, seconds: 61, status: 'STOP' });
  });

  test('that is past the end reads another log', async () => {
    const offset = await appendBlock(3);
    await log.report('pipeline.web', RAW, 0, { offset: offset + 1, id: 'x' });
    const board = boardOf();
    expect(lagOf(await board.look(), 'pipeline.web').status).toBe('OK');
    store.loseTail(RAW, 0, 1);
    expect(lagOf(await board.look(), 'pipeline.web')).toMatchObject({ status: 'ERR', messages: 0 });
  });
});

describe('a reader of epochs', () => {
  test('is behind by the lines that its unread epochs decided', async () => {
    const a = await appendBlock(3);
    await chain.append({}, { from: 0, to: a + 1 });
    const b = await appendBlock(4);
    const otherLines = { traffic: 7 };
    const possible = { possibleLossBytes: 5, possibleDoubleBytes: 17 };
    const [second] = [await chain.append({}, { from: a + 1, to: b + 1, otherLines, ...possible })];
    await appendBlock(5);
    await clock.advance(2000);
    await log.report('web.warehouse', EPOCHS, 0, { offset: second!, id: 'x' });
    const look = await boardOf().look();
    // The third block is decided by nobody yet: that is the engine's lag, not the warehouse's.
    expect(lagOf(look, 'web.warehouse')).toMatchObject({ lines: 4, bytes: 40, seconds: 2, messages: 1 });
    expect(look.checkpoints).toEqual([
      { stream: 'access', partition: 0, n: 2, appendedAtMs: clock.nowMs() - 2000, otherLines, ...possible },
    ]);
  });

  test('of several topics is behind in each', async () => {
    const documents = await EpochChain.begin(log, { topic: DOCUMENTS });
    const a = await appendBlock(3);
    await chain.append({}, { from: 0, to: a + 1 });
    await documents.append({}, { from: 0, to: 1 });
    const second = await documents.append({}, { from: 1, to: a + 1 });
    await log.report('web.warehouse', EPOCHS, 0, undefined);
    await log.report('web.warehouse', DOCUMENTS, 0, { offset: second, id: 'x' });
    const { lags, checkpoints } = await boardOf().look();
    expect(lags.map(({ topic, lines, messages }) => [topic, lines, messages])).toEqual([
      [DOCUMENTS, 3, 1],
      [EPOCHS, 3, 2],
    ]);
    expect(checkpoints.map(({ n }) => n)).toEqual([1]);
  });

  test('is not behind for a record that does not count', async () => {
    const a = await appendBlock(3);
    const first = await chain.append({}, { from: 0, to: a + 1 });
    await log.report('web.warehouse', EPOCHS, 0, { offset: first + 1, id: 'x' });
    await chain.append({}, { prev: 'e'.repeat(32), from: a + 1, to: a + 1 });
    await clock.advance(3_600_000);
    expect(lagOf(await boardOf().look(), 'web.warehouse')).toMatchObject({
      messages: 1,
      lines: 0,
      seconds: 0,
      status: 'OK',
    });
  });
});

describe('looking again', () => {
  test('reads only what is new, and forgets what all have passed', async () => {
    const reads: number[] = [];
    const counting = readsThrough((...args) => {
      if (args[0] === RAW) reads.push(args[2]);
      return log.read(...args);
    });
    await log.report('pipeline.web', RAW, 0, undefined);
    await appendBlock(3);
    const board = boardOf(counting);
    expect(lagOf(await board.look(), 'pipeline.web').lines).toBe(3);
    await board.look();
    await appendBlock(4);
    expect(lagOf(await board.look(), 'pipeline.web').lines).toBe(7);
    expect(reads).toEqual([0, 2]);
    await log.report('pipeline.web', RAW, 0, { offset: 2, id: 'x' });
    expect(lagOf(await board.look(), 'pipeline.web').lines).toBe(4);
    // One who stands before all that is remembered: read again.
    await log.report('late.comer', RAW, 0, undefined);
    const look = await board.look();
    expect([lagOf(look, 'late.comer').lines, lagOf(look, 'pipeline.web').lines]).toEqual([7, 4]);
    expect(reads).toEqual([0, 2, 0]);
  });

  test('what there was no time for is estimated, and exact later', async () => {
    await log.report('pipeline.web', RAW, 0, undefined);
    for (let i = 0; i < 40; i++) await appendBlock(2);
    // A clock whose every look takes longer than the budget: one batch a look.
    let nowMs = 0;
    const slow = { ...systemClock, nowMs: () => clock.nowMs(), monotonicMs: () => (nowMs += 2000) };
    const small = readsThrough(async function* (...[topic, partition, from, options]) {
      for await (const batch of log.read(topic, partition, from, options)) {
        for (let at = 0; at < batch.length; at += 10) yield batch.slice(at, at + 10);
      }
    });
    const streams = [{ stream: 'access', raw: RAW, epochs: [EPOCHS] as [string] }];
    const board = new LagBoard({ log: small, clock: slow, streams, scanMsMax: 1 });
    const first = lagOf(await board.look(), 'pipeline.web');
    expect(first.isEstimated).toBe(true);
    // Nine blocks and the genesis were read.
    expect(first.lines).toBe(18 + Math.round(1.8 * 31));
    for (let i = 0; i < 4; i++) await board.look();
    expect(lagOf(await board.look(), 'pipeline.web')).toMatchObject({ lines: 80, isEstimated: false });
  });
});
