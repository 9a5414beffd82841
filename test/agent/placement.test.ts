import { afterEach, describe, expect, test } from '@jest/globals';
import { appendFileSync, copyFileSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { registryPath } from '../../src/agent/registry.ts';
import type { Registry } from '../../src/agent/registry.ts';
import { type AgentSettings, AgentWorld } from '../support/agent-world.ts';
import { expectProven } from '../support/proven.ts';

let world: AgentWorld;
let log: string;
let copy: string;

function begin(settings: AgentSettings = {}): void {
  world = new AgentWorld(settings);
  log = world.path('access.log');
  copy = world.path('access.log.1');
}

afterEach(() => world.close());

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, i) => `line ${from + i} ${'.'.repeat((from + i) % 70)}\n`).join('');

/** Every line that a reader has, in any order. */
async function read(): Promise<string> {
  const all = (await world.texts()).join('').split('\n').slice(0, -1);
  return all
    .toSorted((left, right) => Number(left.split(' ')[1]) - Number(right.split(' ')[1]))
    .map((line) => `${line}\n`)
    .join('');
}

describe('copy and truncate', () => {
  test('between two looks: the source goes on in the copy, and what is at its path is new', async () => {
    begin();
    writeFileSync(log, lines(0, 5));
    world.start();
    await world.pass(1_500);
    // Written after the last read, and nowhere but in the copy.
    appendFileSync(log, lines(5, 8));
    copyFileSync(log, copy);
    truncateSync(log, 0);
    appendFileSync(log, lines(8, 10));
    await world.pass(3_500);
    expect(await world.texts()).toEqual([lines(0, 8), lines(8, 10)]);
    expect(world.ofType('possible_double')).toEqual([]);
    await world.stop();
    await expectProven(world);
  });

  test('with a look at the copy before the truncation: it is held, and time with it', async () => {
    begin();
    writeFileSync(log, lines(0, 5));
    world.start();
    await world.pass(1_500);
    copyFileSync(log, copy);
    await world.pass(5_000);
    expect(await read()).toBe(lines(0, 5));
    expect(world.ofType('copy_held')).toHaveLength(1);
    const { beats } = await world.read();
    expect(beats.at(-1)!.sources.length + beats.length).toBeGreaterThan(1);
    expect(beats.flatMap((beat) => beat.sources).findLast(({ number }) => number === 2)!.state).toBe('announced');
    appendFileSync(log, lines(5, 7));
    await world.pass(1_500);
    truncateSync(log, 0);
    appendFileSync(log, lines(7, 9));
    await world.pass(3_500);
    expect(await read()).toBe(lines(0, 9));
    await world.stop();
    await expectProven(world);
  });

  test.each(['while it runs', 'and the agent is killed'])(
    'lines that come after the copy are read before the truncation %s',
    async (when) => {
      begin();
      writeFileSync(log, lines(0, 5));
      world.start();
      await world.pass(1_900);
      appendFileSync(log, lines(5, 12));
      copyFileSync(log, copy);
      appendFileSync(log, lines(12, 20));
      // Read by the poll that follows a read, with no scan between.
      await world.pass(150);
      appendFileSync(log, lines(20, 22));
      await world.pass(1_100);
      truncateSync(log, 0);
      appendFileSync(log, lines(22, 24));
      if (when !== 'while it runs') {
        await world.kill();
        world.start();
      }
      await world.pass(4_000);
      expect(await read()).toBe(lines(0, 24));
      appendFileSync(copy, lines(24, 25));
      await world.pass(2_000);
      expect(await read()).toBe(lines(0, 25));
      await world.stop();
      // After the kill nobody can count the lines again that only the truncated file had: the ledger alone knows them.
      if (when === 'while it runs') await expectProven(world);
    },
  );

  test.each([0, 1, 2, 3])('killed at step %i of it', async (step) => {
    begin();
    writeFileSync(log, lines(0, 5));
    world.start();
    await world.pass(1_500);
    const reborn = async (at: number): Promise<void> => {
      if (at !== step) return;
      await world.kill();
      world.start();
      await world.pass(1_200);
    };
    appendFileSync(log, lines(5, 7));
    await reborn(0);
    copyFileSync(log, copy);
    await reborn(1);
    truncateSync(log, 0);
    await reborn(2);
    appendFileSync(log, lines(7, 9));
    await reborn(3);
    await world.pass(4_000);
    await world.kill();
    world.start();
    await world.pass(4_000);
    expect(await read()).toBe(lines(0, 9));
    await world.stop();
    await expectProven(world);
  });

  test('while the agent is down, many times over', async () => {
    begin();
    writeFileSync(log, lines(0, 5));
    world.start();
    await world.pass(1_500);
    let next = 5;
    for (let round = 0; round < 4; round++) {
      await world.stop();
      for (let i = 9; i > 0; i--) if (round >= i) renameSync(`${log}.${i}`, `${log}.${i + 1}`);
      appendFileSync(log, lines(next, next + 2));
      copyFileSync(log, copy);
      truncateSync(log, 0);
      appendFileSync(log, lines(next + 2, next + 5));
      next += 5;
      world.start();
      await world.pass(2_500);
    }
    expect(await read()).toBe(lines(0, next));
    await world.stop();
    await expectProven(world);
  });

  test('by runs that read what is there and end', async () => {
    begin({ isOnce: true });
    writeFileSync(log, lines(0, 5));
    world.start();
    await world.ended();
    appendFileSync(log, lines(5, 7));
    copyFileSync(log, copy);
    truncateSync(log, 0);
    appendFileSync(log, lines(7, 9));
    world.start();
    await world.ended();
    world.start();
    await world.ended();
    expect(await read()).toBe(lines(0, 9));
    await expectProven(world);
  });

  test('a run that meets the copy before the truncation waits for it', async () => {
    begin({ isOnce: true, copyGraceMs: 20_000 });
    writeFileSync(log, lines(0, 5));
    copyFileSync(log, copy);
    world.start();
    await world.pass(5_000);
    expect(world.isRunning).toBe(true);
    truncateSync(log, 0);
    await world.pass(2_000);
    expect(world.isRunning).toBe(false);
    expect(await read()).toBe(lines(0, 5));
    await world.ended();
  });

  test('a copy that is still being written is held, however long it takes', async () => {
    begin({ copyGraceMs: 5_000 });
    const bytes = lines(0, 100);
    writeFileSync(log, bytes);
    world.start();
    await world.pass(1_500);
    for (let at = 0; at < bytes.length; at += 400) {
      appendFileSync(copy, bytes.slice(at, at + 400));
      await world.pass(3_000);
    }
    await world.pass(1_000);
    truncateSync(log, 0);
    appendFileSync(log, lines(100, 101));
    await world.pass(4_000);
    expect(await read()).toBe(lines(0, 101));
  });

  test('the registry lost while a copy is held, and after the source went on in it', async () => {
    begin();
    writeFileSync(log, lines(0, 5));
    world.start();
    await world.pass(1_500);
    copyFileSync(log, copy);
    await world.pass(2_500);
    for (const isTruncated of [true, false]) {
      await world.kill();
      rmSync(registryPath(world.dataDir));
      if (isTruncated) {
        truncateSync(log, 0);
        appendFileSync(log, lines(5, 7));
      }
      world.start();
      await world.pass(3_500);
      expect(await read()).toBe(lines(0, 7));
    }
    appendFileSync(copy, lines(7, 8));
    await world.pass(2_000);
    expect(await read()).toBe(lines(0, 8));
  });
});

describe('content that moves to another inode', () => {
  test.each(['while it runs', 'while it is down', 'with its registry lost'])(
    'written anew by rename %s',
    async (when) => {
      begin();
      writeFileSync(log, lines(0, 5));
      world.start();
      await world.pass(1_500);
      if (when !== 'while it runs') await world.kill();
      if (when === 'with its registry lost') rmSync(registryPath(world.dataDir));
      // As sed -i, rsync and a restore from a backup do.
      copyFileSync(log, world.path('.tmp'));
      renameSync(world.path('.tmp'), log);
      appendFileSync(log, lines(5, 7));
      if (when !== 'while it runs') world.start();
      await world.pass(12_000);
      expect(await read()).toBe(lines(0, 7));
      await world.stop();
      await expectProven(world);
    },
  );

  /** The agent has read 60 lines of a file whose backup has the first 40. */
  const readPastBackup = async (): Promise<void> => {
    begin();
    writeFileSync(log, lines(0, 40));
    copyFileSync(log, world.path('.backup'));
    appendFileSync(log, lines(40, 60));
    world.start();
    await world.pass(1_500);
  };

  test('an older backup comes back: none is lost, and what may count twice is counted', async () => {
    await readPastBackup();
    await world.stop();
    renameSync(world.path('.backup'), log);
    world.start();
    await world.pass(3_000);
    // What was written between the restore and the look that finds it lies where old lines lay.
    expect(world.ofType('possible_double')).toHaveLength(1);
    appendFileSync(log, lines(60, 62));
    await world.pass(3_000);
    const all = (await read()).split('\n');
    const once = [...new Set(all)].join('\n');
    expect(once).toBe(lines(0, 62));
    const bytes = world.ofType('possible_double')[0]!.bytes;
    expect(all.join('\n').length - once.length).toBe(bytes);
    expect(bytes).toBeLessThan(lines(0, 40).length / 2);
    await world.stop();
    await expectProven(world);
  });

  test('an older backup that has grown before it is found loses nothing', async () => {
    await readPastBackup();
    renameSync(world.path('.backup'), log);
    appendFileSync(log, lines(60, 63));
    await world.pass(12_000);
    expect([...new Set((await read()).split('\n'))].join('\n')).toBe(lines(0, 63));
  });

  test('another device number after a reboot', async () => {
    begin();
    writeFileSync(log, lines(0, 5));
    writeFileSync(copy, lines(5, 9));
    world.start();
    await world.pass(1_500);
    await world.stop();
    const registry = JSON.parse(readFileSync(registryPath(world.dataDir), 'utf8')) as Registry;
    const sources = registry.sources.map((source) => ({ ...source, file: source.file!.replace(/^\d+/, '7777') }));
    writeFileSync(registryPath(world.dataDir), JSON.stringify({ ...registry, sources }));
    appendFileSync(log, lines(9, 11));
    world.start();
    await world.pass(3_000);
    expect(await read()).toBe(lines(0, 11));
    expect((await world.read()).sources.size).toBe(2);
    await world.stop();
    await expectProven(world);
  });

  test('edited on the way: what cannot be told apart is counted as possibly doubled', async () => {
    begin();
    writeFileSync(log, lines(0, 5));
    world.start();
    await world.pass(1_500);
    writeFileSync(world.path('.tmp'), lines(0, 5).replace('line 3', 'line three'));
    renameSync(world.path('.tmp'), log);
    await world.pass(12_000);
    expect(world.ofType('possible_double')).toMatchObject([{ path: log, bytes: lines(0, 5).length }]);
    const { beats } = await world.read();
    const report = beats.flatMap((beat) => beat.sources).findLast(({ number }) => number === 2)!;
    expect(report.possibleDoubleBytes).toBe(lines(0, 5).length);
  });

  test('a copy of a source that was closed and is gone goes on where that ended', async () => {
    begin({ limits: { deletedQuietMs: 500 } });
    writeFileSync(log, lines(0, 5));
    writeFileSync(world.path('.saved'), lines(0, 5));
    world.start();
    await world.pass(1_500);
    rmSync(log);
    await world.pass(5_000);
    expect(world.ofType('source_closed')).toHaveLength(1);
    renameSync(world.path('.saved'), log);
    await world.pass(2_000);
    expect(await read()).toBe(lines(0, 5));
    appendFileSync(log, lines(5, 6));
    await world.pass(2_000);
    expect(await read()).toBe(lines(0, 6));
  });
});

describe('two files of the same content', () => {
  test('that both stay are two files, which is said once and counted', async () => {
    begin({ copyGraceMs: 5_000 });
    writeFileSync(log, lines(0, 5));
    writeFileSync(copy, lines(0, 5));
    world.start();
    await world.pass(3_000);
    expect(await world.texts()).toEqual([lines(0, 5), '']);
    await world.pass(4_000);
    expect(await world.texts()).toEqual([lines(0, 5), lines(0, 5)]);
    expect(world.ofType('copy_kept')).toHaveLength(1);
    await world.kill();
    world.start();
    await world.pass(8_000);
    expect(await world.texts()).toEqual([lines(0, 5), lines(0, 5)]);
    expect(world.ofType('copy_kept')).toHaveLength(1);
    await world.stop();
    await expectProven(world);
  });

  test('that only begin alike are read at once', async () => {
    begin();
    for (let i = 0; i < 5; i++) writeFileSync(world.path(`${i}.log`), `#Software: a server\n#Fields: a b\nline ${i}\n`);
    world.start();
    await world.pass(1_000);
    expect((await world.texts()).filter((text) => text !== '')).toHaveLength(5);
    expect(world.ofType('possible_double')).toEqual([]);
  });

  test('a log with a heading that is renamed out of sight makes no doubt of the next one', async () => {
    const heading = '#Software: a server\n#Fields: a b\n';
    begin({ include: ['PLACEHOLDER'] });
    writeFileSync(log, heading + lines(0, 5));
    world.start({ include: [log] });
    await world.pass(1_500);
    renameSync(log, world.path('elsewhere'));
    writeFileSync(log, heading + lines(5, 9));
    await world.pass(3_500);
    expect(await world.texts()).toEqual([heading + lines(0, 5), heading + lines(5, 9)]);
    expect(world.ofType('possible_double')).toEqual([]);
  });

  test('one of which changes before it was read is a file of its own at once', async () => {
    begin();
    writeFileSync(log, lines(0, 5));
    world.start();
    await world.pass(1_500);
    copyFileSync(log, copy);
    await world.pass(1_500);
    writeFileSync(copy, lines(10, 12));
    await world.pass(3_500);
    expect(await read()).toBe(lines(0, 5) + lines(10, 12));
  });
});
