import { expect, test } from '@jest/globals';
import type { Log, Message, ReadOptions } from '../../src/broker/broker.ts';
import { watchWork } from '../../src/roles/work-watch.ts';

/** A log whose readers get what the test puts there; nothing else of it matters. */
function setUp(): {
  /** Lets the second pass in which a role has to live on. */
  settle: () => Promise<void>;
  log: Log;
  works: number[];
  put: (partition: number, messages: readonly Message[] | Error) => Promise<void>;
} {
  const waiting = new Map<
    number,
    { resolve: (messages: readonly Message[]) => void; reject: (error: Error) => void }
  >();
  const inner = {
    append: async () => 0,
    report: async () => undefined,
    async *read(_topic: string, partition: number, _from: number, { isFollowing }: ReadOptions) {
      while (isFollowing) {
        yield await new Promise<readonly Message[]>((resolve, reject) => waiting.set(partition, { resolve, reject }));
      }
    },
  } as unknown as Log;
  const works: number[] = [];
  const later: (() => void)[] = [];
  return {
    async settle() {
      await settled();
      for (const work of later.splice(0)) work();
      await settled();
    },
    log: watchWork(
      inner,
      () => works.push(1),
      (work) => later.push(work),
    ),
    works,
    async put(partition, messages) {
      await settled();
      const { resolve, reject } = waiting.get(partition)!;
      if (messages instanceof Error) reject(messages);
      else resolve(messages);
      await settled();
    },
  };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

const MESSAGE = {} as Message;

async function drain(log: Log, partition: number): Promise<void> {
  try {
    for await (const _ of log.read('raw', partition, 0, { isFollowing: true }));
  } catch {
    // The test's own.
  }
}

test('a role that only writes has worked with its first append', async () => {
  const { log, works, settle } = setUp();
  await log.append('raw', 0, []);
  await log.append('raw', 0, []);
  expect(works).toEqual([]);
  await settle();
  await settle();
  expect(works).toEqual([1]);
});

test('a role that reads has worked when each partition was read to its end, or has a position', async () => {
  const { log, works, put, settle } = setUp();
  void drain(log, 0);
  void drain(log, 1);
  await put(0, [MESSAGE]);
  await log.append('epochs', 0, []);
  await put(0, []);
  await settle();
  expect(works).toEqual([]);
  await log.report('group', 'raw', 1, undefined);
  await settle();
  expect(works).toEqual([]);
  await log.report('group', 'raw', 1, { offset: 7, id: null } as never);
  await settle();
  expect(works).toEqual([1]);
});

test('a partition that begins later is waited for', async () => {
  const { log, works, put, settle } = setUp();
  void drain(log, 0);
  await put(0, []);
  void drain(log, 1);
  await settle();
  expect(works).toEqual([]);
  await put(1, []);
  await settle();
  expect(works).toEqual([1]);
});

test('what ends a role at the end of what it reads comes before its work', async () => {
  const { log, works, put, settle } = setUp();
  let isReading = true;
  const failing = (async () => {
    for await (const messages of log.read('raw', 0, 0, { isFollowing: true })) {
      isReading = false;
      if (messages.length === 0) throw new Error('it cannot be shown');
    }
  })();
  await put(0, []);
  await expect(failing).rejects.toThrow('it cannot be shown');
  await settle();
  expect([isReading, works]).toEqual([false, []]);
});

test('what ends it before is no work, whatever it has read', async () => {
  const { log, works, put, settle } = setUp();
  void drain(log, 0);
  await put(0, [MESSAGE]);
  await put(0, new Error('a poisonous line'));
  await settle();
  expect(works).toEqual([]);
});

test('what is folded at the start, up to a known end, is none', async () => {
  const { log, works, settle } = setUp();
  for await (const _ of log.read('epochs', 0, 0, { isFollowing: false }));
  await log.report('group', 'raw', 0, { offset: 7, id: null } as never);
  await settle();
  expect(works).toEqual([]);
});
