import { afterEach, expect, test } from '@jest/globals';
import { appendFileSync, writeFileSync } from 'node:fs';
import { type AgentSettings, AgentWorld, TOPIC } from '../support/agent-world.ts';
import { expectProven } from '../support/proven.ts';

let world: AgentWorld;

function begin(settings: AgentSettings = {}): AgentWorld {
  world = new AgentWorld(settings);
  return world;
}

afterEach(async () => {
  await world.close();
});

test('a full disk holds reading back and loses nothing', async () => {
  begin();
  world.store.diskMaxBytes = 3_000;
  writeFileSync(world.path('a.log'), 'start\n');
  world.start();
  await world.pass(1_500);
  for (let i = 0; i < 200; i++) appendFileSync(world.path('a.log'), `line number ${i} with some more text\n`);
  await world.pass(30_000);
  expect(world.ofType('backpressure_began')).toHaveLength(1);
  expect(world.ofType('backpressure_ended')).toHaveLength(0);
  world.store.diskMaxBytes = Infinity;
  await world.pass(30_000);
  expect(world.ofType('backpressure_ended')).toHaveLength(1);
  const [source] = (await world.read()).sources.values();
  expect(source!.sum.lines).toBe(201);
  await world.stop();
  await expectProven(world);
});

test('the idle clock of a source stands still while the log does not take its lines', async () => {
  begin();
  writeFileSync(world.path('a.log'), 'start\n');
  world.start();
  await world.pass(1_500);
  world.store.diskMaxBytes = 0;
  appendFileSync(world.path('a.log'), 'held up\n');
  await world.pass(30_000);
  const freedAtMs = world.clock.nowMs();
  world.store.diskMaxBytes = Infinity;
  await world.pass(10_000);
  const caughtUp = (await world.read()).beats
    .flatMap(({ sources }) => sources)
    .findLast((source) => source.position === 14);
  expect(caughtUp!.state).toBe('caught_up');
  expect(caughtUp!.quietSinceMs).toBeGreaterThanOrEqual(freedAtMs);
});

test('stopped with an announcement that did not get through, no later number is announced before it', async () => {
  begin();
  world.store.diskMaxBytes = 0;
  writeFileSync(world.path('a.log'), 'a\n');
  world.start();
  await world.pass(500);
  writeFileSync(world.path('b.log'), 'b\n');
  await world.pass(1_500);
  world.store.diskMaxBytes = Infinity;
  world.fates = ['drop'];
  await world.stop();
  world.start();
  await world.pass(2_000);
  expect(await world.texts()).toEqual(['a\n', 'b\n']);
  expect((await world.read()).refused).toEqual([]);
});

test('another log under the same registry is refused, not read into', async () => {
  begin();
  writeFileSync(world.path('a.log'), 'one\n');
  world.start();
  await world.pass(1_500);
  await world.stop();
  const other = new AgentWorld();
  const first = world.log;
  await other.log.ensureTopics([{ topic: TOPIC, partitions: 1, messageBytesMax: 2 ** 20 }]);
  other.store.loseTail(TOPIC, 0, 1);
  world.log = other.log;
  world.start();
  await expect(world.ended()).rejects.toMatchObject({ code: 'LOG_FORKED' });
  world.log = first;
  await other.close();
});

test('a lost acknowledgement makes no line count twice', async () => {
  begin();
  writeFileSync(world.path('a.log'), 'one\n');
  world.fates = ['lose_ack', 'lose_ack', 'drop', 'lose_ack', 'duplicate'];
  world.start();
  await world.pass(3_000);
  appendFileSync(world.path('a.log'), 'two\n');
  await world.pass(3_000);
  expect(await world.texts()).toEqual(['one\ntwo\n']);
  await world.stop();
  await expectProven(world);
});
