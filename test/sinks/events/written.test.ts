import { describe, expect, test } from '@jest/globals';
import type { KafkaRecord } from '../../../src/broker/kafka/record-batch.ts';
import type { StepHeader } from '../../../src/sinks/events/event-record.ts';
import { lastSteps } from '../../../src/sinks/events/written.ts';
import { MemoryTopic } from '../../support/event-world.ts';

const GROUP = 'web.out';
function record(path: string, step: Partial<StepHeader>, { group = GROUP, partitions = [0] } = {}): KafkaRecord {
  const whole = { stream: 'access', from: 0, to: 1, position: [1], by: 0, ...step };
  return {
    key: Buffer.from(JSON.stringify(['traffic', path])),
    value: Buffer.from(JSON.stringify({ tailrace: { partitions } })),
    headers: [
      ['row', Buffer.from(`traffic ${path}`)],
      ['sink', Buffer.from(group)],
      ['step', Buffer.from(JSON.stringify(whole))],
    ],
  };
}

async function topicOf(...partitions: readonly (readonly KafkaRecord[])[]): Promise<MemoryTopic> {
  const topic = new MemoryTopic(partitions.length);
  for (const [partition, records] of partitions.entries()) await topic.append(partition, records);
  topic.reads.length = 0;
  return topic;
}

const shown = (steps: Awaited<ReturnType<typeof lastSteps>>): unknown =>
  [...steps].map(([stream, { rows, ...step }]) => ({
    stream,
    ...step,
    rows: [...rows].map(([row, of]) => `${row} ${[...of].join()}`).toSorted(),
  }));

describe('where a sink stands', () => {
  test('is nowhere in an empty topic, and in one that others write', async () => {
    expect(await lastSteps(await topicOf([], []), GROUP, ['access'])).toEqual(new Map());
    const foreign = [{ key: null, value: null, headers: [] }, record('/a', {}, { group: 'web.other' })];
    expect(await lastSteps(await topicOf(foreign), GROUP, ['access'])).toEqual(new Map());
  });

  test('is at the newest epoch that any partition has a record of, with all rows of it', async () => {
    const topic = await topicOf(
      [
        record('/a', { position: [1, 1] }),
        record('/b', { from: 5, to: 7, position: [2, 1], by: 0 }, { partitions: [0, 1] }),
      ],
      [record('/c', { position: [1, 1] })],
      [
        record('/d', { from: 5, to: 7, position: [2, 1], by: 0 }),
        // A second step of the same epoch.
        record('/d', { from: 7, to: 9, position: [2, 1], by: 0 }, { partitions: [1] }),
      ],
    );
    expect(shown(await lastSteps(topic, GROUP, ['access', 'other']))).toEqual([
      {
        stream: 'access',
        fromMs: 5,
        toMs: 9,
        position: [2, 1],
        by: 0,
        rows: ['traffic /b 0,1', 'traffic /d 0,1'],
      },
    ]);
  });

  test('of each stream is found behind records of others', async () => {
    const topic = await topicOf([
      record('/a', { stream: 'errors', from: null, position: [4] }),
      ...Array.from({ length: 3000 }, (_, i) => record(`/${i % 7}`, { position: [i] })),
    ]);
    const steps = await lastSteps(topic, GROUP, ['access', 'errors']);
    expect(steps.get('errors')).toMatchObject({ fromMs: -Infinity, position: [4] });
    expect(steps.get('access')).toMatchObject({ position: [2999] });
  });

  test('is read from the end: a long topic costs no more than a short one', async () => {
    const topic = await topicOf(Array.from({ length: 5000 }, (_, i) => record(`/${i % 7}`, { position: [i] })));
    await lastSteps(topic, GROUP, ['access']);
    expect(topic.reads).toEqual([5000 - 256]);
  });

  test('a step that is larger than what is read at first is read whole', async () => {
    const topic = await topicOf([
      record('/first', { position: [1] }),
      ...Array.from({ length: 5000 }, (_, i) => record(`/${i}`, { position: [2] })),
    ]);
    expect((await lastSteps(topic, GROUP, ['access'])).get('access')!.rows.size).toBe(5000);
  });

  test("a record with the sink's name and without its step is no record of it", async () => {
    const broken = { ...record('/a', {}), headers: [['sink', Buffer.from(GROUP)]] as const };
    await expect(lastSteps(await topicOf([broken]), GROUP, ['access'])).rejects.toMatchObject({
      code: 'EVENTS_FOREIGN',
    });
  });
});
