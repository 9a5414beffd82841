import { beforeEach, expect, test } from '@jest/globals';
import { type Log, documentTopic, epochTopic, rawTopic } from '../../src/broker/broker.ts';
import { COMPONENTS } from '../../src/components.ts';
import { LogWatch, missingIn } from '../../src/roles/log-watch.ts';
import type { Config } from '../../src/config/config.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { EpochChain, pipelineOf } from '../support/epochs.ts';
import { MemoryStore } from '../support/memory-log.ts';
import { TestFile } from '../support/raw-stream.ts';

const RAW = rawTopic('t', 'access');
const EPOCHS = epochTopic('t', 'web', 'access');
const DOCUMENTS = documentTopic('t', 'web', 'search', 'access');
const CONFIG = {
  name: 'web',
  broker: { type: 'embedded', topicPrefix: 't' },
  pipeline: pipelineOf(),
  sinks: { search: { type: 'elasticsearch', documents: ['access'], rollups: [] } },
} as unknown as Config;
const GROUPS = ['web.warehouse', 'web.search.rollups'];
const SNAPSHOT = { pipeline: pipelineOf(), fingerprints: {} };

let log: Log;
let clock: ManualClock;
let file: TestFile;
let rows: EpochChain;
let documents: EpochChain;

beforeEach(async () => {
  clock = new ManualClock();
  log = new MemoryStore({ clock }).open();
  await log.ensureTopics([{ topic: RAW, partitions: 1, messageBytesMax: 1024 * 1024 }]);
  file = new TestFile('a/1', ['0 k 1', '1 k 2', '2 k 3', '3 k 4', '4 k 5', '5 k 6']);
  await log.append(RAW, 0, [file.block(file.at(0), file.at(2)), file.block(file.at(2), file.at(3))]);
  rows = await EpochChain.begin(log, { topic: EPOCHS });
  documents = await EpochChain.begin(log, { topic: DOCUMENTS });
  for (const group of GROUPS) await log.report(group, EPOCHS, 0, undefined);
});

test('what is sent, decided and stored is said apart, and what is waited for by its name', async () => {
  const watch = await LogWatch.open(log, CONFIG, { clock, countsLines: true });
  const others = [await LogWatch.openDocuments(log, CONFIG, COMPONENTS, clock)];
  const missing = (): Promise<string | undefined> => missingIn(watch, others, GROUPS);
  expect(await watch.look()).toEqual({
    linesSent: 3,
    linesDecided: 0,
    isDecided: false,
    undecided: `${RAW}/0 at 0 of 3`,
  });
  await rows.append(SNAPSHOT, { to: 2 });
  await rows.append({}, { from: 2, to: 3 });
  expect(await watch.look()).toEqual({ linesSent: 3, linesDecided: 3, isDecided: true });
  expect(await missing()).toBe(`documents, ${RAW}/0 at 0 of 3`);
  await documents.append(SNAPSHOT, { to: 3 });
  expect(await missing()).toBe(`sink web.warehouse, ${EPOCHS}/0 at 0 of 3`);
  await log.report('web.warehouse', EPOCHS, 0, { offset: 2, id: '' });
  expect(await missing()).toBe(`sink web.warehouse, ${EPOCHS}/0 at 2 of 3`);
  await log.report('web.warehouse', EPOCHS, 0, { offset: 3, id: '' });
  expect(await missing()).toBe(`sink web.search.rollups, ${EPOCHS}/0 at 0 of 3`);
  await log.report('web.search.rollups', EPOCHS, 0, { offset: 3, id: '' });
  expect(await missing()).toBeUndefined();
});

test('a line is counted once, however many looks it takes, and none that was decided before', async () => {
  await rows.append(SNAPSHOT, { to: 2 });
  const watch = await LogWatch.open(log, CONFIG, { clock, countsLines: true });
  expect(await watch.look()).toMatchObject({ linesSent: 1, linesDecided: 0, isDecided: false });
  await log.append(RAW, 0, [file.block(file.at(3), file.at(5)), file.block(file.at(5), file.at(6))]);
  expect(await watch.look()).toMatchObject({ linesSent: 4, linesDecided: 0 });
  await rows.append({}, { from: 2, to: 4 });
  expect(await watch.look()).toMatchObject({ linesSent: 4, linesDecided: 3, isDecided: false });
  expect(await watch.look()).toMatchObject({ linesSent: 4, linesDecided: 3 });
  await rows.append({}, { from: 4, to: 5 });
  expect(await watch.look()).toMatchObject({ linesSent: 4, linesDecided: 4, isDecided: true });
});

test('what is trimmed between two looks is decided', async () => {
  const watch = await LogWatch.open(log, CONFIG, { clock, countsLines: true });
  expect(await watch.look()).toMatchObject({ linesSent: 3, linesDecided: 0 });
  await rows.append(SNAPSHOT, { to: 2 });
  const snapshot = await rows.append(SNAPSHOT, { from: 2, to: 3 });
  await rows.append({}, { from: 3, to: 3 });
  await log.trim(RAW, 0, 3);
  await log.trim(EPOCHS, 0, snapshot);
  expect(await watch.look()).toMatchObject({ linesSent: 3, linesDecided: 3, isDecided: true });
});

test('without counting, lines are those that were told, shared out by messages', async () => {
  const watch = await LogWatch.open(log, CONFIG, { clock, countsLines: false });
  expect(await watch.look(3)).toMatchObject({ linesSent: 3, linesDecided: 0, isDecided: false });
  await rows.append(SNAPSHOT, { to: 2 });
  expect(await watch.look(3)).toMatchObject({ linesSent: 3, linesDecided: 2, isDecided: false });
  await rows.append({}, { from: 2, to: 3 });
  expect(await watch.look(3)).toMatchObject({ linesSent: 3, linesDecided: 3, isDecided: true });
});
