import { afterEach, describe, expect, test } from '@jest/globals';
import { setImmediate } from 'node:timers/promises';
import { setFaultHandler } from '../../../src/lib/fault-point.ts';
import { type Random, seededRandom } from '../../../src/lib/random.ts';
import type { TestRow } from '../../support/epochs.ts';
import { EventWorld, type WrittenEvent, valuesOf } from '../../support/event-world.ts';

const MINUTE = 60_000;
const RUNS = process.env['TAILRACE_SOAK'] === '1' ? 2000 : 25;

afterEach(() => setFaultHandler(undefined));

function row(path: string, minute: number, lines: number, revision = 0): TestRow {
  return {
    startMs: minute * MINUTE,
    endMs: (minute + 1) * MINUTE,
    key: [path],
    accumulators: [lines * 10, lines],
    lines,
    revision,
  };
}

/** Lets the sink work until nothing changes any more. */
async function settle(world: EventWorld): Promise<void> {
  for (let turn = 0, seen = -1; turn < 200; turn++) {
    await setImmediate();
    if (turn % 20 !== 0) continue;
    if (seen === world.topic.appends) return;
    seen = world.topic.appends;
  }
}

async function withSink(world: EventWorld, work: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const running = world.run(stop.signal);
  try {
    await Promise.race([work(), running]);
  } finally {
    stop.abort();
    await running;
  }
}

const all = (world: EventWorld): WrittenEvent[] => valuesOf(world.topic.records.flat());
const shown = ({ window_start, url_path, lines, status }: WrittenEvent): string =>
  `${(Date.parse(window_start) / MINUTE).toString()} ${url_path} ${lines} ${status}`;

describe('one partition', () => {
  test('a row is written when its window closes, with everything about it', async () => {
    const world = await EventWorld.create();
    await withSink(world, async () => {
      const [task] = world.tasks;
      await task!.say([row('/a', 0, 3), row('/b', 1, 4)], MINUTE - 2);
      await settle(world);
      expect(all(world)).toEqual([]);
      await task!.say([row('/a', 0, 5)], MINUTE - 1);
      await settle(world);
    });
    expect(all(world)).toEqual([
      {
        window_start: '1970-01-01T00:00:00.000Z',
        window_end: '1970-01-01T00:01:00.000Z',
        url_path: '/a',
        requests: 5,
        bytes: 50,
        status: 'final',
        revision: 0,
        lines: 5,
        overflow: false,
        is_other: false,
        tailrace: { id: expect.stringMatching(/^[\w-]{27}$/), pipeline: 'web', rollup: 'traffic', partitions: [0] },
      },
    ]);
    const [record] = world.topic.records[0]!;
    expect(Buffer.from(record!.key!).toString()).toBe('["traffic","/a"]');
    const headers = Object.fromEntries(record!.headers.map(([name, value]) => [name, Buffer.from(value!).toString()]));
    expect(headers).toEqual({
      id: all(world)[0]!.tailrace.id,
      rollup: 'traffic',
      row: expect.stringMatching(/^[\w-]{27}$/),
      revision: '0',
      sink: 'web.out',
      step: JSON.stringify({ stream: 'access', from: MINUTE - 2, to: MINUTE - 1, position: [2], by: 0 }),
    });
  });

  test('the row of all other keys is another than that of the NULL key, in the record and in its key', async () => {
    const world = await EventWorld.create();
    const none = { ...row('', 0, 3), key: [null] };
    await withSink(world, async () => {
      await world.tasks[0]!.say([none, { ...none, lines: 4, isOther: true }], MINUTE - 1);
      await settle(world);
    });
    const records = world.topic.records[0]!.map(({ key }) => Buffer.from(key!).toString());
    expect(records).toEqual(['["traffic",null]', '["traffic",null,"other"]']);
    expect(all(world).map(({ lines, is_other: isOther }) => [lines, isOther])).toEqual([
      [3, false],
      [4, true],
    ]);
    expect(new Set(all(world).map(({ tailrace }) => tailrace.id)).size).toBe(2);
  });

  test('a sum beyond 2^53 has all its digits', async () => {
    const world = await EventWorld.create();
    await withSink(world, async () => {
      await world.tasks[0]!.say([{ ...row('/a', 0, 3), accumulators: [1, 3, 2 ** 30] }], MINUTE - 1);
      await settle(world);
    });
    const [record] = world.topic.records[0]!;
    expect(Buffer.from(record!.value!).toString()).toContain(`,"bytes":${2n ** 83n + 1n},`);
  });

  test('a row that was revised within its lateness is written once, as revised', async () => {
    const world = await EventWorld.create({ allowedLatenessMs: MINUTE });
    await withSink(world, async () => {
      const [task] = world.tasks;
      await task!.say([row('/a', 0, 3)], MINUTE);
      await settle(world);
      await task!.say([row('/a', 0, 4, 1)], 2 * MINUTE - 1);
      await settle(world);
    });
    expect(all(world).map(shown)).toEqual(['0 /a 4 revised']);
  });
});

describe('several partitions', () => {
  test('a row waits for every partition that may still say something of it, and is merged', async () => {
    const world = await EventWorld.create({ partitions: 2 });
    await withSink(world, async () => {
      const [first, second] = world.tasks;
      await first!.say([row('/a', 0, 3)], 5 * MINUTE);
      await settle(world);
      // The second has not begun: nobody knows what it has.
      expect(all(world)).toEqual([]);
      await second!.say([row('/a', 0, 4)], 0);
      await settle(world);
      expect(all(world)).toEqual([]);
      await second!.say([], MINUTE);
      await settle(world);
    });
    expect(all(world).map(shown)).toEqual(['0 /a 7 final']);
    expect(all(world)[0]!.tailrace.partitions).toEqual([0, 1]);
  });

  test('one whose sources are idle holds nothing back, once it has read what was there', async () => {
    const world = await EventWorld.create({ partitions: 2 });
    await world.log.append('t.raw.access', 1, [
      { kind: 'beat', header: new Uint8Array(1), value: new Uint8Array(0) },
      { kind: 'beat', header: new Uint8Array(1), value: new Uint8Array(0) },
    ]);
    await withSink(world, async () => {
      const [first, second] = world.tasks;
      await second!.say([], 0, { state: 'closed' });
      await first!.say([row('/a', 0, 3)], 5 * MINUTE);
      await settle(world);
      // Raw has two beats that the second partition has not read: they might announce a source.
      expect(all(world)).toEqual([]);
      await second!.say([], 0, { state: 'closed', raw: 3 });
      await settle(world);
    });
    expect(all(world).map(shown)).toEqual(['0 /a 3 final']);
  });

  test('what comes of a partition after its window was written is a record of its own', async () => {
    const world = await EventWorld.create({ partitions: 2 });
    await withSink(world, async () => {
      const [first, second] = world.tasks;
      await second!.say([], 0, { state: 'closed' });
      await first!.say([row('/a', 0, 3)], 5 * MINUTE);
      await settle(world);
      await second!.say([row('/a', 0, 9)], 5 * MINUTE);
      await settle(world);
    });
    expect(all(world).map(({ lines, tailrace }) => [lines, tailrace.partitions])).toEqual([
      [3, [0]],
      [9, [1]],
    ]);
  });

  test('the cursor stands before what waits, so that the log keeps it', async () => {
    const world = await EventWorld.create({ partitions: 2 });
    const [first, second] = world.tasks;
    await withSink(world, async () => {
      await first!.say([row('/a', 0, 3)], 0);
      await second!.say([row('/a', 0, 4)], 0);
      await first!.say([], 5 * MINUTE);
      for (let i = 0; i < 4; i++) await first!.say([], 5 * MINUTE, { isSnapshot: true });
      await settle(world);
    });
    // A new process finds the row's first part, although no snapshot has it any more.
    await withSink(world, async () => {
      await second!.say([], 5 * MINUTE);
      await settle(world);
    });
    expect(all(world).map(shown)).toEqual(['0 /a 7 final']);
    expect(await world.isDone()).toBe(true);
  });
});

test('the topic of another log is no place to go on from', async () => {
  const world = await EventWorld.create();
  await withSink(world, async () => {
    for (let i = 0; i < 5; i++) await world.tasks[0]!.say([row('/a', i, 3)], i * MINUTE);
    await settle(world);
  });
  const other = await EventWorld.create();
  other.topic.records[0] = world.topic.records[0]!;
  await other.tasks[0]!.say([row('/a', 0, 3)], MINUTE);
  await expect(other.sink().run(new AbortController().signal)).rejects.toMatchObject({ code: 'LOG_FORKED' });
});

describe('killed again and again', () => {
  /** What all partitions together said of each window and path. */
  type Expected = Map<string, number>;

  interface Chaos {
    readonly world: EventWorld;
    readonly random: Random;
    readonly expected: Expected;
    /** Partitions have times without a source that could hold anything back. */
    readonly isIdling: boolean;
    kills: number;
  }

  /** Kills at fault points, and answers that are lost; towards the end everything works. */
  function arm(chaos: Chaos): void {
    const { world, random } = chaos;
    setFaultHandler((point) => {
      if (!point.startsWith('events.') || random.int(4) !== 0) return;
      chaos.kills++;
      throw new Error('killed by the test');
    });
    world.topic.fateOf = () => {
      const dice = random.int(8);
      return dice === 0 ? 'lost_ack' : dice === 1 ? 'refused' : 'ok';
    };
  }

  async function sayThings({ world, random, expected, isIdling }: Chaos): Promise<void> {
    const task = world.tasks[random.int(world.tasks.length)]!;
    const first = Math.max(0, Math.floor((task.watermarkMs + 1) / MINUTE));
    const rows = new Map<string, TestRow>();
    for (let i = random.int(4); i > 0; i--) {
      const said = row(`/${random.int(5)}`, first + random.int(3), 1 + random.int(100));
      rows.set(`${said.startMs} ${said.key[0]}`, said);
    }
    for (const [id, { lines }] of rows) expected.set(`${id} ${task.partition}`, lines);
    const next = task.watermarkMs === -Infinity ? 0 : task.watermarkMs + random.int(2 * MINUTE);
    const state = isIdling && random.int(4) !== 0 ? 'closed' : 'reading';
    await task.say([...rows.values()], next, { isSnapshot: random.int(4) === 0, state });
  }

  async function run(seed: number, isIdling: boolean): Promise<Chaos> {
    const random = seededRandom(seed);
    const world = await EventWorld.create({ partitions: 1 + random.int(3), topicPartitions: 1 + random.int(3) });
    const chaos: Chaos = { world, random, expected: new Map(), isIdling, kills: 0 };
    await withSink(world, async () => {
      arm(chaos);
      for (let i = 0; i < 40; i++) {
        await sayThings(chaos);
        if (random.int(3) === 0) await settle(world);
      }
      setFaultHandler(undefined);
      world.topic.fateOf = () => 'ok';
      for (const task of world.tasks) await task.say([], 1e9, { state: 'closed' });
      for (let i = 0; i < 100 && !(await world.isDone()); i++) await settle(world);
      expect(await world.isDone()).toBe(true);
    });
    chaos.kills += world.starts - 1;
    return chaos;
  }

  test('every final row is in the topic once, and each key in the order of its windows', async () => {
    let kills = 0;
    for (let seed = 0; seed < RUNS; seed++) {
      const { world, expected, ...chaos } = await run(seed, false);
      const merged = new Map<string, number>();
      for (const [id, lines] of expected) {
        const key = id.slice(0, id.lastIndexOf(' '));
        merged.set(key, (merged.get(key) ?? 0) + lines);
      }
      const written = all(world).map(
        ({ window_start, url_path, lines }) => `${Date.parse(window_start)} ${url_path} = ${lines}`,
      );
      expect({ seed, written: written.toSorted() }).toEqual({
        seed,
        written: [...merged].map(([key, lines]) => `${key} = ${lines}`).toSorted(),
      });
      for (const partition of world.topic.records) {
        const last = new Map<string, string>();
        for (const { url_path, window_start } of valuesOf(partition)) {
          expect((last.get(url_path) ?? '') < window_start).toBe(true);
          last.set(url_path, window_start);
        }
      }
      kills += chaos.kills;
    }
    expect(kills).toBeGreaterThan(RUNS * 2);
  });

  test('where partitions come and go, the records of a row add up to it', async () => {
    let apart = 0;
    for (let seed = 1000; seed < 1000 + RUNS; seed++) {
      const { world, expected } = await run(seed, true);
      const shares: string[] = [];
      const lines = new Map<string, number>();
      for (const { window_start, url_path, lines: some, tailrace } of all(world)) {
        const row = `${Date.parse(window_start)} ${url_path}`;
        for (const partition of tailrace.partitions) shares.push(`${row} ${partition}`);
        if (lines.has(row)) apart++;
        lines.set(row, (lines.get(row) ?? 0) + some);
      }
      expect({ seed, shares: shares.toSorted() }).toEqual({ seed, shares: [...expected.keys()].toSorted() });
      const total = [...expected.values()].reduce((sum, value) => sum + value, 0);
      expect([...lines.values()].reduce((sum, value) => sum + value, 0)).toBe(total);
    }
    expect(apart).toBeGreaterThan(RUNS / 2);
  });
});
