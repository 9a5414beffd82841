import { afterEach, expect, test } from '@jest/globals';
import { appendFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { AgentWorld } from '../support/agent-world.ts';
import { expectProven } from '../support/proven.ts';

let world: AgentWorld;
afterEach(() => world.close());

const WIDE = Buffer.from('\ufeffone\r\ntwo\r\n', 'utf16le');

function said(): (readonly [string, string, boolean | undefined])[] {
  return world
    .ofType('unreadable')
    .map(({ path, reason, isLeftOut }) => [path.slice(world.files.length + 1), reason, isLeftOut]);
}

test('what a pattern finds beside logs is named once and never read, through rotation and restarts', async () => {
  world = new AgentWorld();
  writeFileSync(world.path('a.log'), 'one\n');
  writeFileSync(world.path('a.log.2.gz'), gzipSync('older\n'));
  writeFileSync(world.path('wide.log'), WIDE);
  writeFileSync(world.path('array.log'), '[\n{"a":1},\n{"a":2}\n]\n');
  world.start();
  await world.pass(5_000);
  expect(said().sort(([left], [right]) => (left < right ? -1 : 1))).toEqual([
    ['a.log.2.gz', 'is compressed (gzip)', true],
    ['array.log', 'is a JSON array, not one object a line', false],
    ['wide.log', 'is text in UTF-16LE', false],
  ]);
  renameSync(world.path('a.log.2.gz'), world.path('a.log.3.gz'));
  appendFileSync(world.path('a.log'), 'two\n');
  await world.pass(5_000);
  expect(said().map(([path]) => path)).toEqual(expect.arrayContaining(['a.log.3.gz']));
  expect(said()).toHaveLength(4);
  expect(world.ofType('readable')).toEqual([]);
  await world.stop();
  world.start();
  await world.pass(2_000);
  expect(await world.texts()).toEqual(['one\ntwo\n']);
  await world.stop();
  await expectProven(world);
});

test('a file that is named is missing where it holds no lines; once its lines are there it is read', async () => {
  world = new AgentWorld();
  const path = world.path('a.log');
  world.start({ include: [path] });
  writeFileSync(path, gzipSync('one\n'));
  await world.pass(3_000);
  expect(said().at(-1)).toEqual(['a.log', 'is compressed (gzip)', false]);
  writeFileSync(path, 'one\n');
  await world.pass(3_000);
  expect(world.ofType('readable').at(-1)?.path).toBe(path);
  expect(await world.texts()).toEqual(['one\n']);
  rmSync(path);
});

test('a file that is being compressed is told by its first bytes, not taken for a line that is still written', async () => {
  world = new AgentWorld();
  const bytes = gzipSync('older\n'.repeat(50)).filter((byte) => byte !== 10);
  writeFileSync(world.path('a.gz'), bytes.subarray(0, 1));
  world.start();
  await world.pass(2_000);
  expect(said()).toEqual([]);
  appendFileSync(world.path('a.gz'), bytes.subarray(1));
  await world.pass(2_000);
  expect(said()).toEqual([['a.gz', 'is compressed (gzip)', true]]);
});
