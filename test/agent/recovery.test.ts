import { afterEach, describe, expect, test } from '@jest/globals';
import { appendFileSync, copyFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { recover } from '../../src/agent/recovery.ts';
import { registryPath } from '../../src/agent/registry.ts';
import { rewindSource } from '../../src/agent/resend.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { setFaultHandler } from '../../src/lib/fault-point.ts';
import { encodeBeat } from '../../src/record/beat.ts';
import { decodeGenesis } from '../../src/record/control.ts';
import { EMPTY_TAIL } from '../../src/record/source.ts';
import { type AgentSettings, AgentWorld, TOPIC } from '../support/agent-world.ts';
import { MemoryStore } from '../support/memory-log.ts';

let world: AgentWorld;

function begin(settings: AgentSettings = {}): AgentWorld {
  world = new AgentWorld(settings);
  return world;
}

afterEach(async () => {
  setFaultHandler(undefined);
  await world.close();
});

describe('a lost registry', () => {
  test.each([
    ['the registry', false],
    ['the whole data directory', true],
  ])('is rebuilt from the log: %s', async (_, isAgentLost) => {
    begin({ partitions: 2 });
    writeFileSync(world.path('a.log'), 'a1\n');
    writeFileSync(world.path('b.log'), 'b1\n');
    world.start();
    await world.pass(2_500);
    const before = await world.read();
    await world.kill();
    if (isAgentLost) rmSync(world.dataDir, { recursive: true });
    else rmSync(registryPath(world.dataDir));
    appendFileSync(world.path('a.log'), 'a2\n');
    writeFileSync(world.path('c.log'), 'c1\n');
    world.start();
    await world.pass(2_500);
    const after = await world.read();
    expect(after.refused).toEqual([]);
    expect((await world.texts()).sort()).toEqual(['a1\na2\n', 'b1\n', 'c1\n']);
    expect(new Set(after.beats.map((beat) => beat.agent))).toEqual(new Set(before.beats.map((beat) => beat.agent)));
    expect(world.ofType('registry_rebuilt')).toHaveLength(1);
    await world.stop();
  });

  test('counts of closed sources are right again, from the file', async () => {
    begin();
    writeFileSync(world.path('a.log'), 'a1\na2\n');
    world.start();
    await world.pass(1_500);
    await world.kill();
    rmSync(registryPath(world.dataDir));
    appendFileSync(world.path('a.log'), 'a3\n');
    world.start({ isOnce: true });
    await world.ended();
    const [source] = (await world.read()).sources.values();
    expect(world.ofType('source_closed')).toMatchObject([{ lines: 3 }]);
    expect(source!.sum.lines).toBe(3);
    const closed = (await world.read()).beats.at(-1)!.sources[0]!;
    expect(closed.sum).toEqual(source!.sum);
  });

  test('after once mode nothing is read again', async () => {
    begin({ isOnce: true });
    writeFileSync(world.path('a.log'), 'unterminated');
    writeFileSync(world.path('b.log'), 'b1\n');
    world.start();
    await world.ended();
    rmSync(world.dataDir, { recursive: true });
    appendFileSync(world.path('a.log'), ' line\n');
    world.start();
    await world.ended();
    expect((await world.texts()).sort()).toEqual([' line\n', 'b1\n', 'unterminated']);
  });

  test('with two agents in the log it must be said which one this is', async () => {
    begin();
    writeFileSync(world.path('a.log'), 'a1\n');
    world.start({ agentId: 'first' });
    await world.pass(1_500);
    await world.stop();
    rmSync(world.dataDir, { recursive: true });
    world.start({ agentId: 'second' });
    await world.pass(1_500);
    await world.stop();
    rmSync(world.dataDir, { recursive: true });
    const nameless = new AgentWorld({ include: [world.path('*')] });
    nameless.log = world.log;
    nameless.start();
    await expect(nameless.ended()).rejects.toMatchObject({ code: 'AGENT_AMBIGUOUS' });
    await nameless.close();
  });

  test('a damaged or newer registry is one clear error', async () => {
    begin();
    world.start();
    await world.pass(1_500);
    await world.stop();
    writeFileSync(registryPath(world.dataDir), '{"version":');
    world.start();
    await expect(world.ended()).rejects.toMatchObject({ code: 'REGISTRY_DAMAGED' });
    writeFileSync(registryPath(world.dataDir), '{"version":99}');
    world.start();
    await expect(world.ended()).rejects.toMatchObject({ code: 'FORMAT_NEWER' });
  });
});

test('a log that is trimmed while a lost registry is rebuilt from it is read from where it begins then', async () => {
  begin();
  const store = new MemoryStore({ clock: systemClock });
  const log = store.open();
  await log.ensureTopics([{ topic: TOPIC, partitions: 1, messageBytesMax: 1024 }]);
  const genesis = decodeGenesis(store.partition(TOPIC, 0).messages[0]!.header).log;
  const header = encodeBeat({
    agent: 'a',
    log: genesis,
    tMs: 1,
    isFull: true,
    hasEnded: false,
    sources: [],
    numberMax: 7,
  });
  await log.append(
    TOPIC,
    0,
    [1, 2].map(() => ({ kind: 'beat' as const, header, value: new Uint8Array(0) })),
  );
  const recovered = recover({
    dataDir: world.dataDir,
    agentId: undefined,
    log,
    lanes: [{ topic: TOPIC, partition: 0 }],
    mintId: () => 'minted',
    notify: () => undefined,
  });
  // Its genesis has been read, the beats have not.
  let batches = 0;
  store.beforeBatch = () => {
    if (++batches === 2) store.trim(TOPIC, 0, 2);
  };
  expect((await recovered).registry).toMatchObject({
    agent: 'a',
    logs: { [`${TOPIC}/0`]: { log: genesis, offset: 3 } },
  });
});

test('a rolled-back registry gives no number twice and skips nothing', async () => {
  begin();
  writeFileSync(world.path('a.log'), 'a1\n');
  world.start();
  await world.pass(2_500);
  const backup = join(world.folder, 'backup.json');
  copyFileSync(registryPath(world.dataDir), backup);
  writeFileSync(world.path('b.log'), 'b1\n');
  appendFileSync(world.path('a.log'), 'a2\n');
  await world.pass(2_500);
  await world.stop();
  copyFileSync(backup, registryPath(world.dataDir));
  // What the lost part of the registry knew is gone from the file too; the new content must not get its number.
  truncateSync(world.path('b.log'), 0);
  appendFileSync(world.path('b.log'), 'other\n');
  world.start();
  await world.pass(2_500);
  const { sources, refused } = await world.read();
  expect(refused).toEqual([]);
  expect([...sources.values()].map((source) => source.bytes.toString())).toEqual(['a1\na2\n', 'b1\n', 'other\n']);
});

test('a number is not given again although no list has it any more', async () => {
  begin();
  writeFileSync(world.path('a.log'), 'a1\n');
  world.start();
  await world.pass(2_500);
  await world.stop();
  // Later sources were given numbers, closed and forgotten; then the registry of today was put back over a log trimmed to a full beat.
  const full = (await world.read()).beats.find((beat) => beat.isFull)!;
  expect(full.numberMax).toBe(1);
  const header = encodeBeat({ ...full, sources: [], numberMax: 41 });
  await world.log.append(TOPIC, 0, [{ kind: 'beat', header, value: new Uint8Array(0) }]);
  writeFileSync(world.path('b.log'), 'b1\n');
  world.start();
  await world.pass(2_500);
  expect([...(await world.read()).sources.keys()].map((id) => id.split('/')[1])).toEqual(['1', '42']);
  await world.stop();
});

test.each(['agent.read', 'agent.sent', 'agent.acked', 'agent.registered'] as const)(
  'killed at %s, nothing is lost or doubled',
  async (point) => {
    begin();
    for (let round = 0; round < 6; round++) {
      let passes = round;
      setFaultHandler((name) => {
        if (name === point && passes-- === 0) throw new TypeError(`killed at ${name}`);
      });
      appendFileSync(world.path('a.log'), `line ${round}\n`);
      writeFileSync(world.path(`${round}.log`), `file ${round}\n`);
      world.start();
      await world.pass(3_000);
      await world.kill();
    }
    setFaultHandler(undefined);
    world.start();
    await world.pass(3_000);
    const { refused } = await world.read();
    expect(refused).toEqual([]);
    const expected = [
      readFileSync(world.path('a.log'), 'latin1'),
      ...Array.from({ length: 6 }, (_, i) => `file ${i}\n`),
    ];
    expect(new Set(await world.texts())).toEqual(new Set(expected));
    expect((await world.texts()).length).toBe(expected.length);
  },
);

describe('resend', () => {
  test('blocks the log lost come again after a rewind, and counts stay right', async () => {
    begin();
    writeFileSync(world.path('a.log'), 'a1\na2\n');
    world.start();
    await world.pass(2_500);
    await world.stop();
    const [source] = (await world.read()).sources.values();
    rewindSource(world.dataDir, source!.source, 0, EMPTY_TAIL);
    appendFileSync(world.path('a.log'), 'a3\n');
    world.start({ isOnce: true });
    await world.ended();
    const { blocks, sources, beats, refused } = await world.read();
    expect(refused).toEqual([]);
    expect(blocks.map(({ start, end }) => [start, end])).toEqual([
      [0, 6],
      [0, 9],
    ]);
    expect([...sources.values()][0]!.bytes.toString()).toBe('a1\na2\na3\n');
    expect(beats.at(-1)!.sources[0]!.sum).toEqual([...sources.values()][0]!.sum);
  });

  test('a closed source is sent again to where it ended, beside the one that goes on from there', async () => {
    begin({ isOnce: true });
    writeFileSync(world.path('a.log'), 'a1\n');
    world.start();
    await world.ended();
    appendFileSync(world.path('a.log'), 'a2\n');
    world.start();
    await world.ended();
    const [first] = (await world.read()).sources.values();
    rewindSource(world.dataDir, first!.source, 0, EMPTY_TAIL);
    world.start();
    await world.ended();
    const { blocks, refused } = await world.read();
    expect(refused).toEqual([]);
    expect(blocks.map(({ source, start, end }) => [source.split('/')[1], start, end])).toEqual([
      ['1', 0, 3],
      ['2', 3, 6],
      ['1', 0, 3],
    ]);
    expect(await world.texts()).toEqual(['a1\n', 'a2\n']);
  });

  test('a closed source that has not grown is sent again, and one that grew since goes on as a new one', async () => {
    begin({ isOnce: true });
    writeFileSync(world.path('a.log'), 'a1\n');
    world.start();
    await world.ended();
    const [first] = (await world.read()).sources.values();
    rewindSource(world.dataDir, first!.source, 0, EMPTY_TAIL);
    world.start();
    await world.ended();
    rewindSource(world.dataDir, first!.source, 0, EMPTY_TAIL);
    appendFileSync(world.path('a.log'), 'a2\n');
    world.start();
    await world.ended();
    world.start();
    await world.ended();
    const { blocks, refused } = await world.read();
    expect(refused).toEqual([]);
    expect(blocks.map(({ source, start, end }) => [source.split('/')[1], start, end])).toEqual([
      ['1', 0, 3],
      ['1', 0, 3],
      ['1', 0, 3],
      ['2', 3, 6],
    ]);
  });

  test('a source that is gone or unknown is refused with the way out', async () => {
    begin();
    expect(() => rewindSource(world.dataDir, 'x/1', 0, EMPTY_TAIL)).toThrow(/no agent registry/);
    writeFileSync(world.path('a.log'), 'a1\n');
    world.start();
    await world.pass(1_500);
    truncateSync(world.path('a.log'), 0);
    await world.pass(2_500);
    await world.stop();
    const [source] = (await world.read()).sources.values();
    expect(() => rewindSource(world.dataDir, source!.source, 0, EMPTY_TAIL)).toThrow(/is gone/);
    expect(() => rewindSource(world.dataDir, `${source!.source}7`, 0, EMPTY_TAIL)).toThrow(/not in the registry/);
    expect(() => rewindSource(world.dataDir, source!.source, 99, EMPTY_TAIL)).toThrow(/can be rewound to/);
  });
});
