import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { AssignedPartition, Assignment } from '../../src/broker/broker.ts';
import { groupAssignment } from '../../src/broker/kafka/group-assignment.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { AssignmentHarness } from '../support/assignment-harness.ts';
import { type Kafka, startKafka } from '../support/stack/kafka.ts';
import { SERVER_START_MS, describeWith } from '../support/stack/require-stack.ts';
import { until } from '../support/tailrace-process.ts';
import { describeAssignmentContract } from './assignment.ts';

const TOPICS = [
  { topic: 'group.raw.a', partitions: 4 },
  { topic: 'group.raw.b', partitions: 2 },
];

describeWith('kafka')('workers in a consumer group', () => {
  let kafka: Kafka;
  beforeAll(async () => void (kafka = await startKafka()), SERVER_START_MS);
  afterAll(async () => kafka?.stop());

  let groups = 0;
  const harness = (): AssignmentHarness & { readonly group: string } => {
    const group = `group-${++groups}`;
    return {
      group,
      topics: TOPICS,
      worker: () =>
        groupAssignment({ clock: systemClock, client: { brokers: kafka.brokers, clientId: 'test' }, group }),
      close: () => Promise.resolve(),
    };
  };
  describeAssignmentContract('group', harness);

  /** Takes part until told to stop, and notes what it is told. */
  function member(assignment: Assignment): { told: (readonly AssignedPartition[])[]; leave: () => Promise<void> } {
    const stop = new AbortController();
    const told: (readonly AssignedPartition[])[] = [];
    const joined = assignment.join(TOPICS, (assigned) => told.push(assigned), stop.signal);
    return {
      told,
      leave: async () => {
        stop.abort();
        await joined;
      },
    };
  }

  test('a broker that is away takes nothing from a worker, and the group goes on when it is back', async () => {
    const workers = harness();
    const both = [member(workers.worker(0, 2)), member(workers.worker(1, 2))];
    const isShared = (): boolean => both.every(({ told }) => told.at(-1)?.length === 3);
    await until(isShared, 20_000, () => JSON.stringify(both));
    const before = both.map(({ told }) => told.at(-1));
    await kafka.kill();
    await systemClock.sleep(1500);
    expect(both.map(({ told }) => told.at(-1))).toEqual(before);
    await kafka.restart();
    const third = member(workers.worker(2, 3));
    await until(
      () => (third.told.at(-1)?.length ?? 0) === 2,
      30_000,
      () => JSON.stringify(third.told),
    );
    await third.leave();
    await until(isShared, 20_000, () => JSON.stringify(both));
    await Promise.all(both.map(({ leave }) => leave()));
  });
});
