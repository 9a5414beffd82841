import { afterEach, expect, test } from '@jest/globals';
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { BeatSchedule, encodeBeats } from '../../src/agent/beats.ts';
import { DEFAULT_LIMITS } from '../../src/agent/limits.ts';
import { decodeBeat, type SourceReport } from '../../src/record/beat.ts';
import { AgentWorld } from '../support/agent-world.ts';

let world: AgentWorld | undefined;
afterEach(async () => {
  await world?.close();
  world = undefined;
});

test('beats are due each second while anything changes, then each ten; a full one each ten minutes', () => {
  const schedule = new BeatSchedule(DEFAULT_LIMITS);
  schedule.change(0);
  const sent: string[] = [];
  for (let nowMs = 0; nowMs <= 1_300_000; nowMs += 1_000) {
    const due = schedule.due(nowMs);
    if (due === 'nothing') continue;
    schedule.sent(nowMs, due === 'full');
    sent.push(due === 'full' ? `full ${nowMs}` : '');
  }
  expect(sent.filter((text) => text !== '')).toEqual(['full 0', 'full 600000', 'full 1200000']);
  // 300 in the first five minutes, then one each ten seconds.
  expect(sent.length).toBe(300 + 101);
});

test('very many sources come in parts of one append', () => {
  const report = (number: number): SourceReport => ({
    number,
    identity: 'i',
    origin: 0,
    position: 0,
    tail: 't',
    state: 'caught_up',
    quietSinceMs: 0,
    path: '/x',
    input: 'web',
    kind: 'file',
  });
  const head = { agent: 'a', log: 'l', tMs: 1, isFull: true, hasEnded: false };
  const beats = encodeBeats(
    head,
    Array.from({ length: 9 }, (_, i) => report(i)),
    4,
  ).map(decodeBeat);
  expect(beats.map(({ part, parts, sources }) => [part, parts, sources.length])).toEqual([
    [0, 3, 4],
    [1, 3, 4],
    [2, 3, 1],
  ]);
  expect(encodeBeats(head, [], 4).map(decodeBeat)).toEqual([{ ...head, sources: [] }]);
});

test('a beat speaks of what changed, after the blocks it speaks of, at a time before it looked', async () => {
  world = new AgentWorld();
  writeFileSync(world.path('a.log'), 'one\n');
  world.start();
  await world.pass(3_500);
  appendFileSync(world.path('a.log'), 'two\n');
  const writtenMs = world.clock.nowMs();
  await world.pass(3_000);
  const { beats, blocks } = await world.read();
  const [first] = beats;
  expect(first).toMatchObject({ isFull: true, sources: [{ number: 1, state: 'announced', position: 0 }] });
  const told = beats.filter((beat) => beat.sources.length > 0).slice(1);
  expect(told.map((beat) => beat.sources.map(({ state, position }) => [state, position]))).toEqual([
    [['caught_up', 4]],
    [['caught_up', 8]],
  ]);
  for (const beat of told) {
    const lastBlock = blocks.filter((block) => block.end === beat.sources[0]!.position)[0]!;
    expect(beat.offset).toBeGreaterThan(lastBlock.offset);
  }
  // Beats taken before the second line was written do not know it, and each has its own, growing time.
  expect(told[1]!.tMs).toBeGreaterThanOrEqual(writtenMs);
  expect(beats.map(({ tMs }) => tMs)).toEqual(beats.map(({ tMs }) => tMs).toSorted((left, right) => left - right));
  expect(beats.length).toBe(7);
});

test('after five quiet minutes beats come each ten seconds', async () => {
  world = new AgentWorld();
  writeFileSync(world.path('a.log'), 'one\n');
  world.start();
  await world.pass(400_000);
  const before = (await world.read()).beats.length;
  await world.pass(100_000);
  const beats = (await world.read()).beats;
  expect(beats.length - before).toBe(10);
  expect(beats.at(-1)!.sources).toEqual([]);
});

test('a source that was closed long ago and is gone is forgotten, in a beat', async () => {
  world = new AgentWorld({ limits: { deletedQuietMs: 1_000, forgetMs: 60_000 } });
  writeFileSync(world.path('a.log'), 'one\n');
  writeFileSync(world.path('b.log'), 'stays\n');
  world.start();
  await world.pass(2_500);
  rmSync(world.path('a.log'));
  await world.pass(80_000);
  const states = (await world.read()).beats.flatMap((beat) => beat.sources).filter((report) => report.number === 1);
  expect(states.map(({ state }) => state)).toEqual(['announced', 'caught_up', 'closed', 'forgotten']);
  await world.stop();
  world.start();
  await world.pass(1_500);
  const full = (await world.read()).beats.findLast((beat) => beat.isFull)!;
  expect(full.sources.map(({ number }) => number)).toEqual([2]);
});
