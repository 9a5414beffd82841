import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { Log } from '../../src/broker/broker.ts';
import { openKafkaLog } from '../../src/broker/kafka/kafka-log.ts';
import { EpochWalk } from '../../src/epoch/walk.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { EpochChain, pipelineOf, rowsOf } from '../support/epochs.ts';
import { kafkaOfBlock } from '../support/kafka-of-block.ts';
import { describeWith } from '../support/stack/require-stack.ts';
import { until } from '../support/tailrace-process.ts';

const SEGMENT_BYTES = 1024 * 1024;
/** An epoch is large, so that segments end everywhere in between. */
const EPOCH_BYTES = 90_000;
const SNAPSHOT_EACH = 10;
const EPOCHS = 60;

describeWith('kafka')('a broker that is killed after it has deleted whole segments', () => {
  const server = kafkaOfBlock({
    properties: {
      'log.segment.bytes': String(SEGMENT_BYTES),
      'log.initial.task.delay.ms': '100',
      'log.retention.check.interval.ms': '200',
      // Longer than the test: what was trimmed is not on the disk when it is killed.
      'log.flush.start.offset.checkpoint.interval.ms': '600000',
    },
  });

  const open = (): Log =>
    openKafkaLog({
      client: { brokers: server.kafka.brokers, clientId: 'test' },
      clock: systemClock,
      topicPrefix: 't',
      topics: { replicationFactor: 1, minInSync: 1, isSingleBroker: true },
    });

  test('comes back with a log that begins too early: who trimmed it goes on from there, and others find a snapshot', async () => {
    const log = open();
    const chain = await EpochChain.begin(log);
    const snapshots: number[] = [];
    for (let n = 1; n <= EPOCHS; n++) {
      const row = { startMs: 0, endMs: 60_000, key: [randomBytes(EPOCH_BYTES).toString('base64'), 200] };
      const rows = [rowsOf('traffic', [{ ...row, accumulators: [1, 1], lines: 1 }])];
      const isSnapshot = n % SNAPSHOT_EACH === 1;
      const offset = await chain.append(isSnapshot ? { pipeline: pipelineOf(), upserts: rows } : { upserts: rows });
      if (isSnapshot) snapshots.push(offset);
    }
    const trimmedTo = snapshots.at(-2)!;
    await log.trim(chain.topic, 0, trimmedTo);
    const other = open();
    expect(await other.ends(chain.topic)).toEqual([{ start: trimmedTo, end: EPOCHS + 1 }]);
    const firstSegment = join(server.kafka.dataDir(), `${chain.topic}-0`, '00000000000000000000.log');
    await until(
      () => !existsSync(firstSegment),
      60_000,
      () => 'no segment was deleted',
    );
    await server.kafka.kill();
    await server.kafka.restart();
    const [now] = await other.ends(chain.topic);
    // Otherwise nothing is shown: it begins at a segment, which is no snapshot.
    expect(now!.start).toBeGreaterThan(0);
    expect(now!.start).toBeLessThan(trimmedTo);
    expect(snapshots).not.toContain(now!.start);
    expect(await log.ends(chain.topic)).toEqual([{ start: trimmedTo, end: EPOCHS + 1 }]);
    for (const [reader, start] of [
      [log, trimmedTo],
      [other, snapshots.find((offset) => offset >= now!.start)],
    ] as const) {
      const walk = await EpochWalk.fromStart({ log: reader, topic: chain.topic, partition: 0 });
      expect(walk.nextOffset).toBe(start);
      expect([(await walk.end())?.n, walk.uncounted]).toEqual([EPOCHS, 0]);
    }
    await Promise.all([log.close(), other.close()]);
  });
});
