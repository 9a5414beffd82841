import { rmSync, writeFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import type { AgentEvent } from '../../src/agent/events.ts';
import { DEFAULT_LIMITS } from '../../src/agent/limits.ts';
import { OpenFiles } from '../../src/agent/open-files.ts';
import { Scanner } from '../../src/agent/scanner.ts';
import type { SourceHandle } from '../../src/agent/source.ts';
import { TrackedFile } from '../../src/agent/tracked-file.ts';
import { AgentWorld } from '../support/agent-world.ts';
import { expectProven } from '../support/proven.ts';

/** One file of a disk that can be told to fail. */
function failingDisk(content: Buffer): {
  isFailing: boolean;
  opened: number;
  scanner: Scanner;
  events: AgentEvent[];
  sources: TrackedFile[];
} {
  const events: AgentEvent[] = [];
  const sources: TrackedFile[] = [];
  const fail = (): never => {
    throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', syscall: 'read' });
  };
  const handle: SourceHandle = {
    key: '1:2:3',
    look: () => ({ sizeBytes: content.length, modifiedMs: 1, isDeleted: false }),
    read: (into, at, length, position) =>
      disk.isFailing ? fail() : content.copy(into, at, position, position + length),
    close: () => void (disk.opened -= 1),
  };
  const file = { path: '/x', place: '1:2', sizeBytes: content.length, modifiedMs: 1, changedMs: 1, input: 'web' };
  const finder = {
    scan: () => ({ found: [file], problems: [] }),
    open: () => {
      disk.opened += 1;
      return handle;
    },
  };
  const create = (entry: Omit<ConstructorParameters<typeof TrackedFile>[1], 'number'>): TrackedFile => {
    const source = new TrackedFile('a', { ...entry, number: sources.length + 1 }, 1000);
    sources.push(source);
    return source;
  };
  const notify = (event: AgentEvent): void => void events.push(event);
  const inputs = new Map([['web', { lineBytesMax: 1000, copyGraceMs: 30_000 }]]);
  const options = {
    kind: 'file',
    topic: 't',
    isOnce: false,
    limits: DEFAULT_LIMITS,
    openFiles: new OpenFiles(100),
    inputs,
    finder,
    notify,
    hasRoom: () => true,
    create,
  };
  const disk = { isFailing: false, opened: 0, scanner: new Scanner(options, []), events, sources };
  return disk;
}

test('a source whose disk fails is unreadable, said once, and read again when the disk is well', () => {
  const disk = failingDisk(Buffer.from('one\n'));
  disk.scanner.scan(0, 0, true);
  const [source] = disk.sources;
  const memory = Buffer.alloc(1_000_000);
  disk.isFailing = true;
  for (let nowMs = 0; nowMs < 5_000; nowMs += 1_000) {
    disk.scanner.scan(nowMs, nowMs, true);
    expect(source!.hasMore).toBe(true);
    if (source!.handle === undefined) disk.scanner.reopen(source!);
    expect(disk.scanner.attempt(source!, () => source!.read(memory, 0))).toBeUndefined();
    expect(source!.report().state).toBe('unreadable');
  }
  expect(disk.opened).toBe(0);
  expect(disk.events.filter(({ type }) => type === 'unreadable')).toHaveLength(1);
  disk.isFailing = false;
  disk.scanner.scan(6_000, 6_000, true);
  expect(disk.scanner.reopen(source!)).toBe(true);
  expect(disk.scanner.attempt(source!, () => source!.read(memory, 0))).toMatchObject({ start: 0, end: 4 });
  disk.scanner.scan(7_000, 7_000, true);
  expect(disk.events.map(({ type }) => type)).toEqual(['source_found', 'unreadable', 'readable']);
});

test('a defect of the program is no failure of the source', () => {
  const disk = failingDisk(Buffer.from('one\n'));
  disk.scanner.scan(0, 0, true);
  const defect = new TypeError('undefined is not a function');
  expect(() =>
    disk.scanner.attempt(disk.sources[0]!, () => {
      throw defect;
    }),
  ).toThrow(defect);
});

test('a file beyond the number of sources waits, named once, until a source is forgotten', async () => {
  const world = new AgentWorld({ limits: { sourcesMax: 2, deletedQuietMs: 1_000, forgetMs: 60_000 } });
  try {
    for (const name of ['a', 'b', 'c']) writeFileSync(world.path(`${name}.log`), `${name}\n`);
    world.start();
    await world.pass(20_000);
    const waiting = world.ofType('unreadable');
    expect(waiting.map(({ reason }) => reason)).toEqual(['the agent knows 2 files already, this one waits']);
    expect((await world.texts()).length).toBe(2);
    // Whatever was taken in is taken up again after a restart, and no other file in its place.
    await world.stop();
    world.start();
    await world.pass(5_000);
    expect((await world.texts()).length).toBe(2);
    rmSync(['a', 'b', 'c'].map((name) => world.path(`${name}.log`)).find((path) => path !== waiting[0]!.path)!);
    await world.pass(80_000);
    expect((await world.texts()).sort()).toEqual(['a\n', 'b\n', 'c\n']);
    await world.stop();
  } finally {
    await world.close();
  }
});

test('truncated and written longer between two looks: the beat that ends the old source announces the new one', async () => {
  const world = new AgentWorld();
  const log = world.path('access.log');
  const lines = (from: number, to: number): string =>
    Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join('');
  writeFileSync(log, lines(0, 5));
  world.start();
  await world.pass(1_500);
  writeFileSync(log, lines(5, 50));
  await world.pass(4_000);
  expect(await world.texts()).toEqual([lines(0, 5), lines(5, 50)]);
  expect(world.ofType('source_closed')).toMatchObject([{ reason: 'truncated', possibleLossBytes: 0 }]);
  const { beats } = await world.read();
  const announced = beats.findIndex((beat) => beat.sources.some(({ number }) => number === 2));
  const closed = beats.findIndex((beat) =>
    beat.sources.some(({ number, state }) => number === 1 && state === 'closed'),
  );
  expect(announced).toBeGreaterThan(0);
  expect(announced).toBeLessThanOrEqual(closed);
  await world.stop();
  await expectProven(world);
  await world.close();
});
