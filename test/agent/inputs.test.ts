import { afterEach, describe, expect, test } from '@jest/globals';
import { mkdirSync, writeFileSync } from 'node:fs';
import { AgentWorld } from '../support/agent-world.ts';
import { expectProven } from '../support/proven.ts';

let world: AgentWorld;

afterEach(() => world.close());

describe('several entries of `sources` in one stream', () => {
  const twoFolders = (): void => {
    world = new AgentWorld();
    for (const name of ['a', 'b']) {
      mkdirSync(world.path(name));
      writeFileSync(world.path(`${name}/access.log`), `${name}1\n`);
    }
  };
  const inputOf = (name: string, folder: string) => ({ name, include: [world.path(`${folder}/*.log`)] });
  const runs = async (...inputs: ReturnType<typeof inputOf>[]): Promise<void> => {
    world.start({ isOnce: true, inputs });
    await world.ended();
  };

  test('each file is read once, whatever entry it is under', async () => {
    twoFolders();
    await runs(inputOf('a', 'a'), inputOf('b', 'b'));
    await runs(inputOf('a', 'a'), inputOf('b', 'b'));
    await runs(inputOf('b', 'a'), inputOf('a', 'b'));
    await runs(inputOf('renamed', 'b'), inputOf('first', 'a'));
    await runs(inputOf('only', 'a'));
    await runs(inputOf('b', 'b'), inputOf('a', 'a'), { name: 'both', include: [world.path('*/access.log')] });
    expect((await world.texts()).toSorted()).toEqual(['a1\n', 'b1\n']);
    await expectProven(world);
  });

  test('a file is of the first entry that names it, and beats say which that is', async () => {
    twoFolders();
    await runs({ name: 'all', include: [world.path('*/*.log')] }, inputOf('a', 'a'));
    const { beats } = await world.read();
    const reports = beats.findLast(({ isFull }) => isFull)!.sources;
    expect(reports.map(({ input, kind }) => [input, kind])).toEqual([
      ['all', 'file'],
      ['all', 'file'],
    ]);
  });
});
