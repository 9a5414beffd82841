import { afterEach, describe, expect, test } from '@jest/globals';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { loadRegistry } from '../../src/agent/registry.ts';
import { type AgentSettings, AgentWorld } from '../support/agent-world.ts';
import { expectProven } from '../support/proven.ts';

let world: AgentWorld;

function begin(settings: AgentSettings = {}): AgentWorld {
  world = new AgentWorld(settings);
  return world;
}

afterEach(async () => {
  await world.close();
});

describe('growth', () => {
  test('lines are sent as they come, and a line without its newline waits', async () => {
    begin();
    writeFileSync(world.path('a.log'), 'one\ntwo\nthr');
    world.start();
    await world.pass(300);
    expect(await world.texts()).toEqual(['one\ntwo\n']);
    appendFileSync(world.path('a.log'), 'ee\nfour');
    await world.pass(1_000);
    expect(await world.texts()).toEqual(['one\ntwo\nthree\n']);
    await world.stop();
    await expectProven(world);
  });

  test('a source is announced in every partition before any line of it', async () => {
    begin({ partitions: 3 });
    for (let i = 0; i < 10; i++) writeFileSync(world.path(`${i}.log`), `line of ${i}\n`);
    world.start();
    await world.pass(500);
    const { beats, blocks, sources } = await world.read();
    expect(sources.size).toBe(10);
    for (const block of blocks) {
      const announcement = beats.find((beat) =>
        beat.sources.some(({ number }) => block.source === `${beat.agent}/${number}`),
      )!;
      expect(announcement.partition).toBe(block.partition);
      expect(announcement.offset).toBeLessThan(block.offset);
    }
  });

  test('CRLF and bytes that are no UTF-8 arrive byte for byte', async () => {
    begin();
    const bytes = Buffer.from([13, 10, 1, 10, 0xff, 0xfe, 0xc3, 10, 0xed, 0xa0, 0x80, 13, 10, 10]);
    writeFileSync(world.path('a.log'), bytes);
    world.start();
    await world.pass(300);
    const [source] = (await world.read()).sources.values();
    expect(source!.bytes).toEqual(bytes);
    expect(source!.sum.lines).toBe(5);
  });

  test('a hole of zero bytes is no line; it is said once, and what stands around it is read and proven', async () => {
    begin();
    const zeros = '\0'.repeat(700_000);
    writeFileSync(world.path('a.log'), `${zeros}one\ntw${zeros}three\n`);
    world.start();
    await world.pass(1_000);
    expect(await world.texts()).toEqual(['one\ntw\nthree\n']);
    appendFileSync(world.path('a.log'), `\0\0four\nfive\0`);
    await world.pass(1_000);
    await world.stop();
    expect(world.ofType('hole_skipped')).toMatchObject([{ path: world.path('a.log'), start: 0, holeBytes: 700_000 }]);
    world.start({ isOnce: true });
    await world.ended();
    expect(await world.texts()).toEqual(['one\ntw\nthree\nfour\nfive\n']);
    await expectProven(world);
  });

  test('what is remembered of a file does not grow with the lives of the agent', async () => {
    begin();
    writeFileSync(world.path('a.log'), `${'x'.repeat(100)}\n`.repeat(50));
    const samples: number[] = [];
    for (let life = 0; life < 14; life++) {
      appendFileSync(world.path('a.log'), 'one more\n');
      world.start();
      await world.pass(10_000);
      // The log has it, and the registry may not.
      appendFileSync(world.path('a.log'), 'and another\n');
      await world.pass(300);
      await world.kill();
      const [entry] = loadRegistry(world.dataDir)!.sources;
      samples.push(entry!.samples!.length);
    }
    expect(Math.max(...samples)).toBeLessThan(50);
  });

  test('a file without a whole line is no source', async () => {
    begin();
    writeFileSync(world.path('a.log'), 'no newline');
    writeFileSync(world.path('b.log'), '');
    world.start();
    await world.pass(2_000);
    expect((await world.read()).sources.size).toBe(0);
    appendFileSync(world.path('a.log'), '\n');
    await world.pass(2_000);
    expect(await world.texts()).toEqual(['no newline\n']);
  });

  test('300 files are read oldest first', async () => {
    begin();
    for (let i = 0; i < 300; i++) {
      const path = world.path(`access.log.${i}`);
      writeFileSync(path, `file ${i}\n`);
      utimesSync(path, 1_600_000_000 - i, 1_600_000_000 - i);
    }
    world.start({ isOnce: true });
    await world.ended();
    const { blocks, sources } = await world.read();
    const order = blocks.map((block) => sources.get(block.source)!.bytes.toString());
    expect(order).toEqual(Array.from({ length: 300 }, (_, i) => `file ${299 - i}\n`));
    await expectProven(world);
  });
});

describe('long lines', () => {
  test('a line over the limit is cut and flagged, and its neighbours are whole', async () => {
    begin({ lineBytesMax: 100 });
    writeFileSync(world.path('a.log'), `short\n${'x'.repeat(101)}\n${'y'.repeat(100)}\nend\n`);
    world.start();
    await world.pass(300);
    const { sources, blocks } = await world.read();
    const [source] = sources.values();
    expect(source!.bytes.toString()).toBe(`short\n${'x'.repeat(100)}\n${'y'.repeat(100)}\nend\n`);
    expect(blocks[0]).toMatchObject({ lines: 4, cut: [1], offsets: [0, 6, 108, 209], start: 0, end: 213 });
    expect(world.ofType('lines_cut')).toHaveLength(1);
    await world.stop();
    await expectProven(world);
  });

  test('a line of many blocks is skipped with its begin kept, in pieces as it grows too', async () => {
    begin({ lineBytesMax: 1_000 });
    writeFileSync(world.path('a.log'), `first\n${'x'.repeat(1_500_000)}`);
    world.start();
    await world.pass(1_500);
    expect(await world.texts()).toEqual(['first\n']);
    appendFileSync(world.path('a.log'), `${'x'.repeat(600_000)}\nlast\n`);
    await world.pass(1_500);
    expect(await world.texts()).toEqual([`first\n${'x'.repeat(1_000)}\nlast\n`]);
    await world.stop();
    await expectProven(world);
  });
});

describe('rotation', () => {
  test('a renamed file is read on, and the new one under its name is a source of its own', async () => {
    begin({ include: ['PLACEHOLDER'] });
    world.start({ include: [world.path('access.log*')] });
    writeFileSync(world.path('access.log'), 'a1\n');
    await world.pass(1_500);
    appendFileSync(world.path('access.log'), 'a2\n');
    renameSync(world.path('access.log'), world.path('access.log.1'));
    writeFileSync(world.path('access.log'), 'b1\n');
    appendFileSync(world.path('access.log.1'), 'a3\n');
    await world.pass(2_500);
    expect(await world.texts()).toEqual(['a1\na2\na3\n', 'b1\n']);
    await world.stop();
    await expectProven(world);
  });

  test('a file renamed out of the pattern is read on through the held file, then closed', async () => {
    begin({ limits: { missingMs: 3_000 } });
    world.start({ include: [world.path('access.log')] });
    writeFileSync(world.path('access.log'), 'a1\n');
    await world.pass(1_500);
    renameSync(world.path('access.log'), world.path('old'));
    appendFileSync(world.path('old'), 'a2\n');
    await world.pass(1_500);
    expect(await world.texts()).toEqual(['a1\na2\n']);
    await world.pass(5_000);
    expect(world.ofType('source_closed')).toMatchObject([{ reason: 'missing', lines: 2 }]);
    // It comes back, and has grown: what is new is a source that begins where the old one ended.
    appendFileSync(world.path('old'), 'a3\n');
    renameSync(world.path('old'), world.path('access.log'));
    await world.pass(2_000);
    expect(await world.texts()).toEqual(['a1\na2\n', 'a3\n']);
    await expectProven(world);
  });

  test('a truncated file goes on as a new source, and what was never read is counted as possible loss', async () => {
    begin();
    writeFileSync(world.path('a.log'), 'one\ntwo\npart');
    world.start();
    await world.pass(1_500);
    truncateSync(world.path('a.log'), 0);
    appendFileSync(world.path('a.log'), 'new\n');
    await world.pass(2_500);
    expect(await world.texts()).toEqual(['one\ntwo\n', 'new\n']);
    expect(world.ofType('source_closed')).toMatchObject([{ reason: 'truncated', lines: 2, possibleLossBytes: 4 }]);
    await world.stop();
    await expectProven(world);
  });

  test.each(['while it runs', 'while it is down'])('truncated and grown beyond the old size %s', async (when) => {
    begin();
    writeFileSync(world.path('a.log'), 'same first line\ntwo\n');
    world.start();
    await world.pass(1_500);
    if (when === 'while it is down') await world.stop();
    truncateSync(world.path('a.log'), 0);
    appendFileSync(world.path('a.log'), 'same first line\nother content, and longer\n');
    if (when === 'while it is down') world.start();
    await world.pass(2_500);
    expect(await world.texts()).toEqual(['same first line\ntwo\n', 'same first line\nother content, and longer\n']);
    await world.stop();
    await expectProven(world);
  });

  test('rewritten to exactly the old size', async () => {
    begin();
    writeFileSync(world.path('a.log'), 'one\ntwo\n');
    world.start();
    await world.pass(1_500);
    truncateSync(world.path('a.log'), 0);
    appendFileSync(world.path('a.log'), 'six\nten\n');
    utimesSync(world.path('a.log'), 1_800_000_000, 1_800_000_000);
    await world.pass(2_500);
    expect(await world.texts()).toEqual(['one\ntwo\n', 'six\nten\n']);
  });

  test('a deleted file is read to its end, unterminated line too, and closed with its count', async () => {
    begin();
    writeFileSync(world.path('a.log'), 'one\n');
    world.start();
    await world.pass(1_500);
    appendFileSync(world.path('a.log'), 'two\nthree');
    rmSync(world.path('a.log'));
    await world.pass(10_000);
    expect(await world.texts()).toEqual(['one\ntwo\nthree']);
    expect(world.ofType('source_closed')).toMatchObject([{ reason: 'deleted', lines: 3, possibleLossBytes: 0 }]);
    await world.stop();
    await expectProven(world);
  });

  test('a file deleted while the agent was down is closed at what the log has', async () => {
    begin({ limits: { missingMs: 3_000 } });
    writeFileSync(world.path('a.log'), 'one\n');
    world.start();
    await world.pass(1_500);
    await world.stop();
    rmSync(world.path('a.log'));
    // The same inode is free again, and a new file may get it at once.
    writeFileSync(world.path('b.log'), 'other\n');
    world.start();
    await world.pass(6_000);
    expect(await world.texts()).toEqual(['one\n', 'other\n']);
    expect(world.ofType('source_closed')).toHaveLength(1);
    await world.stop();
    await expectProven(world);
  });

  test('a copy is a file of its own; a symbolic link is the file it leads to', async () => {
    begin({ copyGraceMs: 1_000 });
    mkdirSync(`${world.folder}/elsewhere`);
    writeFileSync(world.path('a.log'), 'one\n');
    writeFileSync(`${world.folder}/elsewhere/c`, 'linked\n');
    copyFileSync(world.path('a.log'), world.path('b.log'));
    symlinkSync(world.path('a.log'), world.path('link-a'));
    symlinkSync(`${world.folder}/elsewhere/c`, world.path('link-c'));
    world.start();
    await world.pass(3_500);
    expect((await world.texts()).sort()).toEqual(['linked\n', 'one\n', 'one\n']);
  });
});

describe('once', () => {
  test('reads to the ends, closes everything, and ends with a full beat', async () => {
    begin({ isOnce: true, closesAll: true, partitions: 2 });
    writeFileSync(world.path('a.log'), 'one\ntwo');
    writeFileSync(world.path('b.log'), 'unterminated');
    writeFileSync(world.path('empty.log'), '');
    world.start();
    await world.ended();
    expect((await world.texts()).sort()).toEqual(['one\ntwo', 'unterminated']);
    const { beats } = await world.read();
    const last = beats.filter((beat) => beat.hasEnded);
    expect(last.map(({ partition, isFull }) => [partition, isFull])).toEqual([
      [0, true],
      [1, true],
    ]);
    expect(last.flatMap((beat) => beat.sources).map(({ state }) => state)).toEqual(['closed', 'closed']);
    await expectProven(world);
  });

  test('is a pause unless it closes all: no beat says the end, and time stays where the files were looked at first', async () => {
    begin({ isOnce: true });
    writeFileSync(world.path('a.log'), 'one\n');
    const startedMs = world.clock.nowMs();
    // The log takes nothing for a while: time goes on, and what is written now is read by the next run.
    world.fates = Array.from({ length: 12 }, () => 'drop' as const);
    world.start();
    await world.ended();
    expect(world.clock.nowMs() - startedMs).toBeGreaterThan(5_000);
    const { beats } = await world.read();
    const last = beats.at(-1)!;
    expect(last).toMatchObject({ isFull: true, hasEnded: false, tMs: startedMs });
    expect(last.sources.map(({ state }) => state)).toEqual(['closed']);
    expect(new Set(beats.map(({ tMs }) => tMs))).toEqual(new Set([startedMs]));
  });

  test('a file that is unchanged is not read again; one that grew goes on as a new source', async () => {
    begin({ isOnce: true });
    writeFileSync(world.path('a.log'), 'one\ntw');
    writeFileSync(world.path('b.log'), 'b\n');
    world.start();
    await world.ended();
    appendFileSync(world.path('a.log'), 'o\nthree\n');
    world.start();
    await world.ended();
    world.start();
    await world.ended();
    const { sources } = await world.read();
    expect([...sources.values()].map(({ origin, bytes }) => [origin, bytes.toString()])).toEqual([
      [0, 'one\ntw'],
      [0, 'b\n'],
      [6, 'o\nthree\n'],
    ]);
    await expectProven(world);
  });
});

describe('what cannot be read', () => {
  test('a missing path, a directory and a closed door are said once, with the way out, and tried again', async () => {
    begin();
    world.start({ include: [world.path('missing.log'), world.files, world.path('door/*.log')] });
    mkdirSync(world.path('door'));
    writeFileSync(world.path('door/a.log'), 'inside\n');
    const isRoot = process.getuid?.() === 0;
    if (!isRoot) chmodSync(world.path('door/a.log'), 0);
    await world.pass(3_000);
    const reasons = world.ofType('unreadable').map(({ reason }) => reason);
    expect(reasons).toEqual([
      'no such file',
      'is a folder, not a regular file',
      ...(isRoot ? [] : ['permission denied']),
    ]);
    writeFileSync(world.path('missing.log'), 'here\n');
    chmodSync(world.path('door/a.log'), 0o644);
    await world.pass(2_500);
    expect((await world.texts()).sort()).toEqual(['here\n', 'inside\n']);
    expect(world.ofType('readable').map(({ path }) => path)).toContain(world.path('missing.log'));
  });

  test('with few open files allowed quiet ones are closed and opened again when they grow', async () => {
    begin({ limits: { openFilesMax: 2 } });
    for (let i = 0; i < 6; i++) writeFileSync(world.path(`${i}.log`), `first ${i}\n`);
    world.start();
    await world.pass(5_000);
    for (let i = 0; i < 6; i++) appendFileSync(world.path(`${i}.log`), `second ${i}\n`);
    await world.pass(5_000);
    expect((await world.texts()).sort()).toEqual(Array.from({ length: 6 }, (_, i) => `first ${i}\nsecond ${i}\n`));
    await expectProven(world);
  });
});
