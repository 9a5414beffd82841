import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { encodeBatch } from '../../support/record-batches.ts';
import {
  API,
  type Answering,
  CODE,
  type ScriptedKafka,
  askedTime,
  fetchedOf,
  metadataOf,
  offsetOf,
  startScriptedKafka,
} from '../../support/scripted-kafka.ts';
import { SourceWorld } from '../../support/source-world.ts';
import { until } from '../../support/tailrace-process.ts';
import { topicsInput } from '../../support/topic-world.ts';

const TOPIC = 'orders';
const NOTHING = Buffer.alloc(0);

let kafka: ScriptedKafka;
let world: SourceWorld;
/** What the partition holds, from offset 0 on. */
let values: readonly string[];

const lines = (name: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${name}${i}`);

beforeEach(async () => {
  kafka = await startScriptedKafka();
  values = lines('n', 10);
  const records = (): Buffer => encodeBatch({ records: values.map((value, offset) => ({ offset, value })) });
  kafka.script[API.metadata] = { version: 5, answer: () => metadataOf([kafka], TOPIC, [0]) };
  kafka.script[API.listOffsets] = {
    version: 2,
    answer: (request) => offsetOf(TOPIC, askedTime(request) === -2 ? 0 : values.length),
  };
  kafka.script[API.fetch] = { version: 11, answer: () => fetchedOf(TOPIC, values.length, records()) };
  world = new SourceWorld(topicsInput([kafka.address], { topics: [TOPIC] }));
});
afterEach(async () => {
  await world.close();
  await kafka.stop();
});

/** Answers a request otherwise, the first `times` times. */
function spoil(key: number, answer: Answering['answer'], times = 1): void {
  const { version, answer: well } = kafka.script[key]!;
  let left = times;
  kafka.script[key] = { version, answer: (...request) => (left-- > 0 ? answer(...request) : well(...request)) };
}

test.each([
  ['which partitions there are', API.metadata],
  ['where they begin and end', API.listOffsets],
])('once: a cluster that fails the first question of %s is asked again', async (_, key) => {
  spoil(key, () => 'cut');
  await world.once();
  expect(await world.lines()).toEqual(values);
});

test('once: a cluster that never answers is no success', async () => {
  spoil(API.metadata, () => 'cut', Infinity);
  await expect(world.once()).rejects.toMatchObject({
    code: 'SOURCE_UNSETTLED',
    message: expect.stringContaining(kafka.address) as unknown,
  });
});

test('once: one answer that a topic is not there does not end what was read of it', async () => {
  await world.once();
  const closed = world.ofType('source_closed').length;
  values = lines('n', 15);
  world.start();
  await world.settled(15);
  await world.stop();
  values = lines('n', 20);
  spoil(API.metadata, () => metadataOf([kafka], TOPIC, []));
  await world.once();
  expect(await world.lines()).toEqual(values);
  expect(
    world
      .ofType('source_closed')
      .slice(closed)
      .map(({ reason }) => reason),
  ).toEqual(['end']);
});

test('a partition that lost its end and grew past it again is not read on as if nothing had been', async () => {
  world.start();
  await world.settled(10);
  await world.stop();
  values = lines('m', 20);
  spoil(API.fetch, () => fetchedOf(TOPIC, -1, NOTHING, CODE.outOfRange));
  world.start();
  await world.says('records_missed');
  await world.settled(30);
  await world.stop();
  expect(world.ofType('records_missed').map(({ reason }) => reason)).toEqual([
    'offset 9 is another record than was read',
  ]);
  expect(await world.lines()).toEqual([...lines('n', 10), ...values]);
});

test('a topic that the pattern of an earlier source matches, too, is left to that one, and this is said once', async () => {
  const patterns = { topics: [], topicPattern: 'ord.*', earlierPatterns: [{ source: 'all', pattern: 'o.*' }] };
  world.input = topicsInput([kafka.address], patterns);
  world.start();
  await world.says('records_missed');
  // Discovered again and again.
  const askedTimes = (): number => kafka.asked.filter((key) => key === API.metadata).length;
  const before = askedTimes();
  await until(
    () => askedTimes() > before + 2,
    5_000,
    () => 'it is not looked for again',
  );
  await world.stop();
  expect(await world.lines()).toEqual([]);
  expect(world.ofType('records_missed')).toEqual([
    {
      type: 'records_missed',
      records: 0,
      path: 'topic orders',
      reason: 'the topic_pattern of sources.all matches it, too',
      hint: 'it is left to that source: each record is one line',
    },
  ]);
});

test('an offset of a partition that is not there is said', async () => {
  world.input = topicsInput([kafka.address], {
    topics: [TOPIC],
    start: { at: 'offsets', offsets: { [TOPIC]: { 0: 7, 3: 1 } } },
  });
  await world.once();
  expect(await world.lines()).toEqual(values.slice(7));
  expect(world.ofType('records_missed').map(({ path, reason }) => `${path}: ${reason}`)).toEqual([
    'topic orders: start has an offset of partition 3, which it does not have: it has 1, counted from 0',
  ]);
});

test('a pattern that matches nothing is said, and no problem', async () => {
  world.input = topicsInput([kafka.address], { topics: [], topicPattern: 'order' });
  await world.once();
  expect(world.ofType('records_missed').map(({ path, reason }) => `${path}: ${reason}`)).toEqual([
    'topic_pattern order: no topic matches it',
  ]);
  expect(world.ofType('unreadable')).toEqual([]);
});
