import { expect, test } from '@jest/globals';
import type { AgentEvent } from '../../src/agent/events.ts';
import { DEFAULT_LIMITS } from '../../src/agent/limits.ts';
import { Scanner } from '../../src/agent/scanner.ts';
import type { SourceHandle } from '../../src/agent/source.ts';
import { TrackedSource } from '../../src/agent/tracked-source.ts';

/** One file of a disk that can be told to fail. */
function failingDisk(content: Buffer): {
  isFailing: boolean;
  opened: number;
  scanner: Scanner;
  events: AgentEvent[];
  sources: TrackedSource[];
} {
  const events: AgentEvent[] = [];
  const sources: TrackedSource[] = [];
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
  const file = { path: '/x', place: '1:2', sizeBytes: content.length, modifiedMs: 1 };
  const finder = {
    scan: () => ({ found: [file], problems: [] }),
    open: () => {
      disk.opened += 1;
      return handle;
    },
  };
  const create = (entry: Omit<ConstructorParameters<typeof TrackedSource>[1], 'number'>): TrackedSource => {
    const source = new TrackedSource('a', { ...entry, number: sources.length + 1 }, 1000);
    sources.push(source);
    return source;
  };
  const notify = (event: AgentEvent): void => void events.push(event);
  const options = { topic: 't', isOnce: false, limits: DEFAULT_LIMITS, finder, notify, create };
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
    expect(disk.scanner.attempt(source!, () => source!.read(memory, 0, 0))).toBeUndefined();
    expect(source!.report().state).toBe('unreadable');
  }
  expect(disk.opened).toBe(0);
  expect(disk.events.filter(({ type }) => type === 'unreadable')).toHaveLength(1);
  disk.isFailing = false;
  disk.scanner.scan(6_000, 6_000, true);
  expect(disk.scanner.reopen(source!)).toBe(true);
  expect(disk.scanner.attempt(source!, () => source!.read(memory, 0, 0))).toMatchObject({ start: 0, end: 4 });
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
