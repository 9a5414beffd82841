import { expect, test } from '@jest/globals';
import { Cluster } from '../../../src/broker/kafka/cluster.ts';
import { CursorTable } from '../../../src/broker/kafka/cursor-table.ts';
import { Patience } from '../../../src/broker/kafka/patience.ts';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { seededRandom } from '../../../src/lib/random.ts';
import { encodeBatch } from '../../support/record-batches.ts';
import { API, fetchedOf, metadataOf, startScriptedKafka } from '../../support/scripted-kafka.ts';

const CURSORS = 'own.cursors';
const HOUR_MS = 3_600_000;

test('a group that was forgotten while nobody looked is forgotten, even if compaction has taken the record that says so', async () => {
  const kafka = await startScriptedKafka();
  const group = (name: string, offset: number) => ({
    offset,
    key: JSON.stringify(['group', name, 'own.raw', 0]),
    value: '{"at":1}',
  });
  let records = [group('gone', 0), group('stays', 1)];
  kafka.script[API.metadata] = { version: 5, answer: () => metadataOf([kafka], CURSORS, [0]) };
  const end = (): number => records.at(-1)!.offset + 1;
  kafka.script[API.fetch] = { version: 11, answer: () => fetchedOf(CURSORS, end(), encodeBatch({ records })) };

  let aheadMs = 0;
  const clock: Clock = {
    nowMs: () => systemClock.nowMs(),
    monotonicMs: () => systemClock.monotonicMs() + aheadMs,
    sleep: (...args) => systemClock.sleep(...args),
  };
  const cluster = new Cluster({ brokers: [kafka.address], clientId: 'test' });
  const { signal } = new AbortController();
  const patience = new Patience({ clock, random: seededRandom(1), signal, stop: signal, notify: () => undefined });
  const table = new CursorTable({
    cluster,
    patience,
    clock,
    signal,
    topic: CURSORS,
    append: () => Promise.reject(new Error('nothing is reported')),
    ensureTopic: () => Promise.resolve(),
  });
  const groups = async (): Promise<string[]> => (await table.reports('own.raw')).map(({ group: name }) => name);

  try {
    expect(await groups()).toEqual(['gone', 'stays']);
    records = [group('stays', 3)];
    aheadMs = 7 * HOUR_MS;
    expect(await groups()).toEqual(['stays']);
  } finally {
    table.close();
    cluster.close();
    await kafka.stop();
  }
});

test('a last report that could not be written is written once it can', async () => {
  const written: string[] = [];
  let failures = 2;
  const clock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 50, signal) };
  const closing = new AbortController();
  const { signal } = closing;
  const stop = new AbortController().signal;
  const patience = new Patience({ clock, random: seededRandom(1), signal, stop, notify: () => undefined });
  const cluster = { commitOffsets: () => Promise.resolve() } as unknown as Cluster;
  const table = new CursorTable({
    cluster,
    patience,
    clock,
    signal,
    topic: CURSORS,
    append: async (_topic, _partition, records) => {
      // Nothing that waiting would mend, by its looks.
      if (failures-- > 0) throw new TypeError('not now');
      written.push(...records.map(({ key }) => Buffer.from(key!).toString()));
      return 0;
    },
    ensureTopic: () => Promise.resolve(),
  });
  await table.report({ group: 'web.warehouse', topic: 'own.epochs', partition: 0 }, { offset: 5, id: 'x' });
  const endMs = systemClock.monotonicMs() + 5_000;
  while (written.length === 0 && systemClock.monotonicMs() < endMs) await systemClock.sleep(10);
  expect(written).toEqual(['["cursor","web.warehouse","own.epochs",0]']);
  closing.abort();
});
