import { afterEach, expect, test } from '@jest/globals';
import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { AgentWorld } from '../support/agent-world.ts';
import { expectProven } from '../support/proven.ts';

let world: AgentWorld;
afterEach(() => world.close());

/** As rsync and `sed -i` do it. */
function replace(path: string, text: string): void {
  const aside = world.path('.aside');
  writeFileSync(aside, text);
  renameSync(aside, path);
}

/** A file that its own copy replaced while its second line was being written; the path of it. */
async function replacedInLine(): Promise<string> {
  world = new AgentWorld();
  const log = world.path('a.log');
  replace(log, 'one\ntw');
  world.start();
  await world.pass(1_500);
  replace(log, 'one\ntw');
  return log;
}

const texts = async (): Promise<string[]> => (await world.texts()).filter((text) => text !== '');

test('a file that is replaced by a longer copy in the midst of a line has whole lines, however often', async () => {
  world = new AgentWorld();
  const log = world.path('a.log');
  const text = Array.from({ length: 12 }, (_, i) => `line ${i} of the log\n`).join('');
  replace(log, text.slice(0, 25));
  world.start();
  for (const end of [40, 41, 90, 133, 150, text.length]) {
    await world.pass(1_500);
    replace(log, text.slice(0, end));
    await world.pass(12_000);
  }
  expect(await texts()).toEqual([text]);
  expect(world.ofType('possible_double')).toEqual([]);
  await world.stop();
  await expectProven(world);
});

test('the writer goes on with the line behind a copy that was put in its place', async () => {
  const log = await replacedInLine();
  await world.pass(12_000);
  appendFileSync(log, 'o\nthree\n');
  await world.pass(12_000);
  expect(await texts()).toEqual(['one\ntwo\nthree\n']);
});

test('the last line of a file that is gone is taken as it is once no copy can go on with it', async () => {
  const log = await replacedInLine();
  await world.pass(1_500);
  // It is another log now, which only began as that one did.
  replace(log, 'one\nthree\n');
  await world.pass(40_000);
  expect((await texts()).toSorted()).toEqual(['one\nthree\n', 'one\ntw']);
});
