import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Log } from '../../src/broker/broker.ts';
import { type TrimRequest, type Trimmed, trimAfterSnapshot } from '../../src/engine/trimming.ts';
import type { AgentMark } from '../../src/epoch/epoch.ts';
import { setMutant } from '../../src/lib/mutant.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-log.ts';
import { beatMessage } from '../support/raw-stream.ts';

const RAW = 't.raw.access';
const EPOCHS = 't.epochs.web.access';
const MESSAGES = 50;
const STEP_MS = 1_000;

let clock: ManualClock;
let store: MemoryStore;
let log: Log;

/** Fifty messages in each topic, one a second; the last is as old as the clock. */
beforeEach(async () => {
  clock = new ManualClock();
  store = new MemoryStore({ clock });
  log = store.open();
  await log.ensureTopics([RAW, EPOCHS].map((topic) => ({ topic, partitions: 2, messageBytesMax: 1024 })));
  for (let i = 1; i < MESSAGES; i++) {
    await clock.advance(STEP_MS);
    for (const topic of [RAW, EPOCHS]) await log.append(topic, 1, [beatMessage(i, [])]);
  }
});

afterEach(() => setMutant(undefined));

function agent(name: string, fullBeatOffset: number | null): AgentMark {
  return { agent: name, numberMax: 0, tMs: 0, logTimeMs: 0, hasEnded: false, fullBeatOffset };
}

function trim(request: Partial<TrimRequest> = {}): Promise<Trimmed> {
  return trimAfterSnapshot({
    log,
    nowMs: clock.nowMs(),
    retainMs: 0,
    partition: 1,
    rawTopic: RAW,
    epochTopic: EPOCHS,
    snapshots: [10, 20, 30],
    committedTo: 40,
    agents: [agent('a', 35)],
    ...request,
  });
}

async function startOf(topic: string): Promise<number> {
  return (await log.ends(topic))[1]!.start;
}

describe('raw is trimmed', () => {
  test('to the least of the committed position, the agents’ last full beats and the readers', async () => {
    expect((await trim()).rawBefore).toBe(35);
    expect((await trim({ agents: [agent('a', 45)] })).rawBefore).toBe(40);
    expect(await startOf(RAW)).toBe(40);
  });

  test('not past another pipeline or a document sink; one that never reported holds everything', async () => {
    await log.report('pipeline.other', RAW, 1, { offset: 12, id: '' });
    await log.report('documents', RAW, 0, { offset: 0, id: '' });
    expect((await trim()).rawBefore).toBe(12);
    await log.report('documents', RAW, 1, undefined);
    expect((await trim()).rawBefore).toBe(12);
    await log.forget('documents');
    await log.report('pipeline.other', RAW, 1, { offset: 20, id: '' });
    expect((await trim()).rawBefore).toBe(20);
  });

  test('not at all while an agent has sent no full beat', async () => {
    expect((await trim({ agents: [agent('a', 35), agent('b', null)] })).rawBefore).toBe(0);
  });

  test('not what is younger than retain, by the log’s own clock', async () => {
    // The message at offset i was appended MESSAGES − 1 − i seconds ago.
    expect((await trim({ retainMs: 20 * STEP_MS })).rawBefore).toBe(29);
    expect((await trim({ retainMs: 1_000 * STEP_MS })).rawBefore).toBe(29);
  });

  test('even if it is young, when the log is half full', async () => {
    const { bytes } = store.usage();
    const young = { retainMs: 1_000 * STEP_MS, snapshots: [] };
    store.diskMaxBytes = 2 * bytes;
    expect((await trim(young)).rawBefore).toBe(0);
    store.diskMaxBytes = 2 * bytes - 1;
    expect((await trim(young)).rawBefore).toBe(35);
  });

  test('and what is damaged does not stop it', async () => {
    for (const offset of [1, 17, 25]) store.damage(RAW, 1, offset);
    expect((await trim({ retainMs: 20 * STEP_MS })).rawBefore).toBe(29);
  });
});

describe('epochs are trimmed', () => {
  test('to the older of the last two snapshots', async () => {
    expect((await trim()).epochsBefore).toBe(20);
    expect(await startOf(EPOCHS)).toBe(20);
    expect((await trim({ snapshots: [20, 30] })).epochsBefore).toBe(20);
  });

  test('not with one snapshot alone', async () => {
    expect((await trim({ snapshots: [30] })).epochsBefore).toBe(0);
  });

  test('not before every sink is past it, those included that never reported', async () => {
    await log.report('warehouse', EPOCHS, 1, { offset: 20, id: '' });
    expect((await trim()).epochsBefore).toBe(0);
    await log.report('warehouse', EPOCHS, 1, { offset: 21, id: '' });
    await log.report('alerts', EPOCHS, 1, undefined);
    expect((await trim()).epochsBefore).toBe(0);
    await log.report('alerts', EPOCHS, 1, { offset: 48, id: '' });
    expect((await trim()).epochsBefore).toBe(20);
  });
});

test('the mutant that trims past readers is seen', async () => {
  setMutant('trim.past_readers');
  await log.report('warehouse', EPOCHS, 1, undefined);
  expect(await trim({ agents: [agent('a', null)] })).toEqual({ rawBefore: 40, epochsBefore: 30 });
});
