import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { TopicsInput } from '../../../src/agent/agent.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { SourceWorld } from '../../support/source-world.ts';
import { type Kafka, startKafka } from '../../support/stack/kafka.ts';
import { SERVER_START_MS, describeWith } from '../../support/stack/require-stack.ts';
import { until } from '../../support/tailrace-process.ts';
import { TopicWriters, topicsInput } from '../../support/topic-world.ts';

const SASL = { username: 'carrier', password: 'a-secret' };

describeWith('kafka')('topics of a real Kafka', () => {
  let kafka: Kafka;
  let writers: TopicWriters;
  let topics = 0;
  beforeAll(async () => {
    kafka = await startKafka({ sasl: SASL, properties: { 'log.cleaner.backoff.ms': '500' } });
    writers = new TopicWriters(kafka.direct);
    await writers.connect();
  }, SERVER_START_MS);
  afterAll(async () => {
    await writers?.close();
    await kafka?.stop();
  });

  /** A new topic, and an agent that reads it with some options. */
  async function reading(
    options: Partial<TopicsInput>,
    work: (world: SourceWorld, topic: string) => Promise<void>,
    partitions = 1,
    configEntries: { name: string; value: string }[] = [],
  ): Promise<void> {
    const topic = `reading-${++topics}`;
    await writers.create(topic, { numPartitions: partitions, configEntries });
    const world = new SourceWorld(topicsInput(kafka.direct, { topics: [topic], ...options }));
    try {
      await work(world, topic);
    } finally {
      await world.close();
    }
  }

  const numbered = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `n${from + i}`);

  test('by each mechanism and a name and password, and not without the right one', async () => {
    const topic = 'secret';
    await writers.create(topic);
    await writers.write(topic, ['one']);
    for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const) {
      const client = { brokers: kafka.brokers, clientId: 'test', sasl: { mechanism, ...SASL } };
      const world = new SourceWorld(topicsInput([], { topics: [topic], client }));
      await world.once();
      expect(await world.lines()).toEqual(['one']);
      await world.close();
    }
    const sasl = { mechanism: 'scram-sha-256', ...SASL, password: 'guess' } as const;
    const world = new SourceWorld(
      topicsInput([], { topics: [topic], client: { brokers: kafka.brokers, clientId: 'test', sasl } }),
      { onceWaitMs: 2_500 },
    );
    await expect(world.once()).rejects.toMatchObject({ code: 'SOURCE_UNSETTLED' });
    const [problem] = world.ofType('unreadable');
    expect(`${problem?.reason}`).toMatch(/refuses/);
    expect(JSON.stringify(world.events)).not.toContain('guess');
    await world.close();
  });

  test('reading begins at the end, at a time, at offsets, or at the nearest there is', async () => {
    await reading({ start: { at: 'latest' } }, async (world, topic) => {
      await writers.write(topic, numbered(0, 10));
      world.start();
      await world.says('source_found');
      await writers.write(topic, numbered(10, 13));
      await world.settled(3);
      await world.stop();
      // Where it began does not matter any more once it has begun.
      await writers.write(topic, numbered(13, 15));
      await world.once();
      expect(await world.lines()).toEqual(numbered(10, 15));
    });
    await reading({ start: { at: 'time', timeMs: 5_000 } }, async (world, topic) => {
      await writers.write(
        topic,
        numbered(0, 10).map((value, i) => ({ value, timestamp: `${i * 1_000}` })),
      );
      await world.once();
      expect(await world.lines()).toEqual(numbered(5, 10));
    });
    await reading(
      {},
      async (world, topic) => {
        world.input = {
          ...(world.input as TopicsInput),
          start: { at: 'offsets', offsets: { [topic]: { 0: 7, 1: 99 } } },
        } as TopicsInput;
        await writers.write(topic, numbered(0, 10), 0);
        await writers.write(topic, numbered(10, 20), 1);
        await writers.write(topic, numbered(20, 22), 2);
        world.start();
        await world.settled(5);
        await world.stop();
        expect((await world.lines()).toSorted()).toEqual([...numbered(20, 22), ...numbered(7, 10)]);
        expect(world.ofType('records_missed').map(({ records, reason }) => [records, reason])).toEqual([
          [0, 'offset 99 is not there, reading begins at 10'],
        ]);
      },
      3,
    );
  });

  test('new partitions and new topics are found, and read from their begin', async () => {
    await reading({ start: { at: 'latest' } }, async (world, topic) => {
      world.input = {
        ...(world.input as TopicsInput),
        topics: [],
        topicPattern: `${topic}|${topic}-more.*`,
      } as TopicsInput;
      await writers.write(topic, ['old']);
      world.start();
      await world.says('source_found');
      await writers.admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
      // kafkajs says that it has sent what it has dropped, when it does not know the partition yet: a client that knows.
      const later = new TopicWriters(kafka.direct);
      await later.connect();
      await later.write(topic, ['new partition'], 2);
      await later.close();
      await writers.create(`${topic}-more-1`);
      await writers.write(`${topic}-more-1`, ['new topic']);
      await writers.create(`other-${topic}`);
      await writers.write(`other-${topic}`, ['not meant']);
      await world.settled(2);
      await world.stop();
      await writers.create(`${topic}-more-2`);
      await writers.write(`${topic}-more-2`, ['while it was away']);
      world.start();
      await world.settled(3);
      await world.stop();
      expect((await world.lines()).toSorted()).toEqual(['new partition', 'new topic', 'while it was away']);
    });
  });

  test('a topic of more partitions than one small request holds', () =>
    reading(
      {},
      async (world, topic) => {
        for (let partition = 0; partition < 40; partition++) await writers.write(topic, [`p${partition}`], partition);
        await world.once();
        expect((await world.lines()).toSorted()).toEqual(
          Array.from({ length: 40 }, (_, partition) => `p${partition}`).toSorted(),
        );
      },
      40,
    ));

  test('values with newlines, without bytes, and without a value; too long ones are cut', () =>
    reading({ lineBytesMax: 64 }, async (world, topic) => {
      await writers.write(topic, ['two\nlines', '', { value: null, key: 'gone' }, 'x'.repeat(65), 'end']);
      await world.once();
      expect(await world.lines()).toEqual(['two\nlines', '', '', 'x'.repeat(64), 'end']);
      expect([...(await world.read()).values()].map(({ cut }) => cut)).toEqual([[3]]);
      expect(world.ofType('lines_cut')).toHaveLength(1);
    }));

  test('an envelope brings key, headers and place', () =>
    reading({ envelope: 'json', isJson: true }, async (world, topic) => {
      await writers.write(topic, [{ key: 'k', value: '{"n": 1}', headers: { trace: 't1' }, timestamp: '1000' }]);
      await world.once();
      expect((await world.lines()).map((line) => JSON.parse(line) as unknown)).toEqual([
        {
          key: 'k',
          headers: { trace: 't1' },
          topic,
          partition: 0,
          offset: 0,
          timestamp: '1970-01-01T00:00:01.000Z',
          timestamp_ms: 1000,
          value: { n: 1 },
        },
      ]);
    }));

  test('transactions that were given up are left out, their markers leave holes, and the end is reached', () =>
    reading({}, async (world, topic) => {
      await writers.write(topic, ['before']);
      await writers.transaction(topic, ['given up 1', 'given up 2'], false);
      await writers.transaction(topic, ['committed'], true);
      world.start();
      await world.settled(2);
      await writers.transaction(topic, ['given up 3'], false);
      await writers.write(topic, ['after']);
      await world.settled(3);
      await world.stop();
      const [source] = [...(await world.read()).values()];
      expect([...source!.lines.values()]).toEqual(['before', 'committed', 'after']);
      // Markers have offsets, too; when one is written is the broker's business.
      expect(source!.position).toBeGreaterThanOrEqual(8);
      const uncommitted = new SourceWorld({ ...world.input, isolation: 'read_uncommitted' } as TopicsInput);
      await uncommitted.once();
      expect(await uncommitted.lines()).toEqual([
        'before',
        'given up 1',
        'given up 2',
        'committed',
        'given up 3',
        'after',
      ]);
      await uncommitted.close();
    }));

  test('a compacted topic: what is left is read once, over the holes', () =>
    reading(
      {},
      async (world, topic) => {
        for (let round = 0; round < 6; round++) {
          await writers.write(
            topic,
            numbered(round * 100, round * 100 + 100).map((value, i) => ({ key: `k${i % 50}`, value })),
          );
          // A segment that is rolled, so that the cleaner may take what lies before.
          await new Promise((resolve) => setTimeout(resolve, 120));
        }
        const size = async (): Promise<number> => {
          const probe = new SourceWorld(world.input);
          await probe.once();
          const { length } = await probe.lines();
          await probe.close();
          return length;
        };
        await until(
          async () => (await size()) < 600,
          120_000,
          () => 'nothing was compacted',
        );
        await world.once();
        const [source] = [...(await world.read()).values()];
        expect(source!.position).toBe(600);
        expect(source!.lines.size).toBeLessThan(600);
        for (const [offset, line] of source!.lines) expect(line).toBe(`n${offset}`);
        expect([...source!.lines.values()].slice(-50)).toEqual(numbered(550, 600));
        await writers.write(topic, [{ key: 'k1', value: 'last' }]);
        await world.once();
        expect((await world.lines()).at(-1)).toBe('last');
      },
      1,
      [
        { name: 'cleanup.policy', value: 'compact' },
        { name: 'segment.ms', value: '100' },
        { name: 'min.cleanable.dirty.ratio', value: '0.01' },
        { name: 'max.compaction.lag.ms', value: '100' },
      ],
    ));

  test('what was deleted before it was read is counted, said, and reading goes on', () =>
    reading({}, async (world, topic) => {
      await writers.write(topic, numbered(0, 10));
      world.start();
      await world.settled(10);
      await world.stop();
      await writers.write(topic, numbered(10, 30));
      await writers.admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '25' }] });
      world.start();
      await world.settled(15);
      await world.stop();
      expect(await world.lines()).toEqual([...numbered(0, 10), ...numbered(25, 30)]);
      expect(world.ofType('records_missed').map(({ records }) => records)).toEqual([15]);
      const [source] = [...(await world.read()).values()];
      expect(source!.report).toMatchObject({ possibleLossBytes: 15, state: 'caught_up' });
    }));

  test('positions that are in the log are committed for boards to see', () =>
    reading({ group: 'boards' }, async (world, topic) => {
      await writers.write(topic, numbered(0, 42));
      world.start();
      const committed = async (): Promise<string | undefined> => {
        const [found] = await writers.admin.fetchOffsets({ groupId: 'boards', topics: [topic] }).catch(() => []);
        return found?.partitions[0]?.offset;
      };
      await until(
        async () => (await committed()) === '42',
        20_000,
        () => 'nothing is committed',
      );
      await writers.write(topic, ['one more']);
      await world.settled(43);
      await world.stop();
      expect(await committed()).toBe('43');
    }));

  test('a topic that is not there is named once, and read when it comes', () =>
    reading({}, async (world, topic) => {
      world.input = { ...(world.input as TopicsInput), topics: [`${topic}-later`] } as TopicsInput;
      world.start();
      await world.says('unreadable');
      await writers.create(`${topic}-later`);
      await writers.write(`${topic}-later`, ['now']);
      await world.settled(1);
      await world.stop();
      expect(world.ofType('unreadable').map(({ path, reason }) => [path, reason])).toEqual([
        [`topic ${topic}-later`, 'no such topic'],
      ]);
      expect(world.ofType('readable')).toHaveLength(1);
    }));

  test('while nobody answers, the time of beats stands still: silence is not said that was not heard', () =>
    reading({}, async (world, topic) => {
      await writers.write(topic, numbered(0, 10));
      world.start();
      await world.settled(10);
      kafka.signal('SIGSTOP');
      const stoppedMs = systemClock.nowMs();
      await systemClock.sleep(1_500);
      const beats = await world.beats();
      kafka.signal('SIGCONT');
      expect(beats.filter(({ tMs }) => tMs > stoppedMs + 300)).toEqual([]);
      expect(beats.length).toBeGreaterThan(10);
      const isGoingOn = async (): Promise<boolean> => (await world.beats()).at(-1)!.tMs > stoppedMs + 1_500;
      await until(isGoingOn, 20_000, () => 'time does not go on');
      await world.stop();
    }));

  test(
    'a broker that is away: the source cannot be read, and says so, until it is back',
    () =>
      reading({}, async (world, topic) => {
        await writers.write(topic, numbered(0, 10));
        world.start();
        await world.settled(10);
        const states = async (): Promise<string[]> =>
          [...(await world.read()).values()].map(({ report }) => report!.state);
        kafka.signal('SIGKILL');
        await until(
          async () => (await states())[0] === 'unreadable',
          30_000,
          () => 'it is not said to be unreadable',
        );
        expect(world.ofType('unreadable').length).toBeGreaterThanOrEqual(1);
        await kafka.restart();
        await world.settled(10, 40_000);
        await until(
          () =>
            writers.write(topic, numbered(10, 12)).then(
              () => true,
              () => false,
            ),
          20_000,
          () => 'it takes nothing',
        );
        await world.settled(12);
        await world.stop();
        expect((await world.lines()).slice(0, 12)).toEqual(numbered(0, 12));
        expect(world.ofType('records_missed')).toEqual([]);
      }),
    120_000,
  );
});
