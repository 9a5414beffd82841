import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Log } from '../../src/broker/broker.ts';
import { type EpochDraft, EpochWriter, type SentEpoch } from '../../src/engine/epoch-writer.ts';
import { ENGINE_DEFAULTS, type EngineOptions } from '../../src/engine/engine-parts.ts';
import { EpochWalk } from '../../src/epoch/walk.ts';
import { EpochChain, bodyOf, pipelineOf } from '../support/epochs.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-log.ts';

const RAW = 't.raw.access';
const DRAFT: EpochDraft = {
  to: 5,
  rawId: 'raw 4',
  isSnapshot: false,
  generation: 1,
  otherLines: {},
  possibleLossBytes: 0,
  possibleDoubleBytes: 0,
  body: bodyOf({}),
};

let clock: ManualClock;
let store: MemoryStore;
let log: Log;
/** Another engine's epochs in the same partition. */
let other: EpochChain;
let counted: SentEpoch[];

beforeEach(async () => {
  clock = new ManualClock();
  store = new MemoryStore({ clock });
  log = store.open();
  await log.ensureTopics([{ topic: RAW, partitions: 1, messageBytesMax: 1024 }]);
  other = await EpochChain.begin(log);
  counted = [];
});

async function newWriter(options: Partial<EngineOptions> = {}): Promise<EpochWriter> {
  const walk = await EpochWalk.fromStart({ log, topic: other.topic, partition: 0 });
  await walk.end();
  let ids = 0;
  const newId = (): string => `${++ids}`.padStart(32, 'e');
  return new EpochWriter({
    deps: {
      log,
      clock,
      newId,
      options: { ...ENGINE_DEFAULTS, pipeline: pipelineOf(), topicPrefix: 't', ...options },
    },
    task: { pipeline: 'web', stream: 'access', partition: 0 },
    epochTopic: other.topic,
    rawTopic: RAW,
    group: 'pipeline.web',
    rawLog: 'raw',
    walk,
    snapshots: [],
  });
}

function send(writer: EpochWriter, draft: Partial<EpochDraft> = {}): Promise<void> {
  writer.send({ ...DRAFT, ...draft }, (sent) => counted.push(sent));
  return writer.settled();
}

const envelopes = async (): Promise<unknown[]> => {
  const walk = await EpochWalk.fromStart({ log, topic: other.topic, partition: 0 });
  return (await walk.all()).map(({ envelope: { id, n, from, to } }) => [Number(id.slice(-1)), n, from, to]);
};

describe('epochs', () => {
  test('follow one another, and are told when they count', async () => {
    const writer = await newWriter();
    for (const to of [5, 5, 9]) await send(writer, { to });
    expect(await envelopes()).toEqual([
      [1, 1, 0, 5],
      [2, 2, 5, 5],
      [3, 3, 5, 9],
    ]);
    expect(counted.map(({ n }) => n)).toEqual([1, 2, 3]);
    expect([writer.sentTo, writer.committedTo, writer.isInFlight]).toEqual([9, 9, false]);
  });

  test('go on behind those that were there', async () => {
    await other.append({});
    await send(await newWriter());
    expect(await envelopes()).toEqual([
      [1, 1, 0, 1],
      [1, 2, 1, 5],
    ]);
  });

  test('are reported with the position in raw that they bring, when they count', async () => {
    const writer = await newWriter();
    await send(writer);
    expect(await log.reports(RAW)).toMatchObject([{ group: 'pipeline.web', cursor: { offset: 5, id: 'raw 4' } }]);
  });

  test('are in flight until the log has answered', async () => {
    const gate = Promise.withResolvers<void>();
    const append = log.append.bind(log);
    log.append = async (...args: Parameters<Log['append']>) => gate.promise.then(() => append(...args));
    const writer = await newWriter();
    const sending = send(writer);
    await clock.advance(1_000);
    expect([writer.isInFlight, writer.sentTo, writer.committedTo, counted]).toEqual([true, 5, 0, []]);
    expect(() => writer.send(DRAFT, () => undefined)).toThrow('one epoch in flight');
    gate.resolve();
    await sending;
    expect([writer.isInFlight, writer.committedTo, counted.length]).toEqual([false, 5, 1]);
  });

  test('go in appends of their own where a snapshot has parts', async () => {
    const appends: number[] = [];
    const append = log.append.bind(log);
    log.append = (topic, partition, messages) => {
      appends.push(messages.length);
      return append(topic, partition, messages);
    };
    const writer = await newWriter({ partBytesMax: 100 });
    const body = bodyOf({ pipeline: pipelineOf(), fingerprints: {} });
    await send(writer, { body });
    const [parts] = appends;
    expect(parts).toBeGreaterThan(1);
    await send(writer, { body, isSnapshot: true });
    await send(writer, { body, isSnapshot: true });
    expect(appends).toEqual([parts, ...Array.from({ length: 2 * parts! }, () => 1)]);
    expect(writer.snapshots).toEqual([1 + parts!, 1 + 2 * parts!]);
    writer.forgetSnapshots(1 + 2 * parts!);
    expect(writer.snapshots).toEqual([1 + 2 * parts!]);
  });
});

describe('a writer ends', () => {
  test('when the log does not answer in time', async () => {
    log.append = () => new Promise(() => undefined);
    const writer = await newWriter();
    const sending = send(writer);
    sending.catch(() => undefined);
    await clock.advance(ENGINE_DEFAULTS.checkpoint.timeoutMs - 1);
    expect(writer.isInFlight).toBe(true);
    await clock.advance(1);
    await expect(sending).rejects.toMatchObject({
      code: 'CHECKPOINT_TIMEOUT',
      message: 'web/access/0: no answer to a checkpoint in 60000 ms',
    });
    expect(counted).toEqual([]);
  });

  test('when the outcome of an append is unknown, even if the epoch counts; and writes no other', async () => {
    const append = log.append.bind(log);
    log.append = async (...args: Parameters<Log['append']>) => {
      await append(...args);
      throw new Error('no answer');
    };
    const writer = await newWriter();
    await expect(send(writer)).rejects.toThrow('no answer');
    expect((await envelopes()).length).toBe(1);
    expect(() => writer.throwIfFailed()).toThrow('no answer');
    expect(() => writer.send(DRAFT, () => undefined)).toThrow('none behind a failed one');
    expect([counted, await log.reports(RAW)]).toEqual([[], []]);
  });

  test.each<[what: string, generation: number, options: Partial<EngineOptions>, code: string]>([
    ['another engine’s epoch counts', 1, {}, 'FENCED'],
    ['a newer pipeline’s epoch counts', 2, {}, 'SUPERSEDED'],
    ['a newer pipeline’s epoch counts, in a run with a number of its own', 2, { generation: 1 }, 'FENCED'],
  ])('when %s in place of its own', async (_, generation, options, code) => {
    const writer = await newWriter(options);
    await other.append({}, { generation });
    await expect(send(writer)).rejects.toMatchObject({ code });
    expect([counted, await log.reports(RAW)]).toEqual([[], []]);
  });

  test('when the log has lost what counted before', async () => {
    const writer = await newWriter();
    await send(writer);
    store.loseTail(other.topic, 0, 1);
    await other.append({}, { id: 'f'.repeat(32) });
    await expect(send(writer)).rejects.toMatchObject({ code: 'LOG_FORKED' });
  });

  test('with what went wrong when it told that an epoch counts', async () => {
    const writer = await newWriter();
    writer.send(DRAFT, () => {
      throw new Error('a bug');
    });
    await expect(writer.settled()).rejects.toThrow('a bug');
  });
});
