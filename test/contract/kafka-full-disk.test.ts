import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kafkaLogHarness } from '../support/kafka-log-harness.ts';
import { valueOf } from '../support/log-child.ts';
import { headerOf, message, MESSAGE_BYTES_MAX, readAll, sameBytes, TOPIC } from '../support/log-messages.ts';
import { type Kafka, startKafka } from '../support/stack/kafka.ts';
import { SERVER_START_MS, describeWith } from '../support/stack/require-stack.ts';
import { surely } from '../support/surely.ts';

const MIB = 1024 * 1024;
const SMALL_MIB = 48;
const LARGE_MIB = 128;

/** A small disk of its own, which only root can make. */
const disk = mkdtempSync(join(tmpdir(), 'tailrace-kafka-disk-'));
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_MIB}m`, 'tmpfs', disk]);
const canMount = mounted.status === 0;
if (!canMount) process.stderr.write(`SKIPPED: no small disk can be mounted here: ${String(mounted.stderr)}\n`);

describeWith('kafka')('a Kafka on a small disk', () => {
  let kafka: Kafka;
  beforeAll(async () => {
    if (!canMount) return;
    kafka = await startKafka({ properties: { 'log.dirs': join(disk, 'data'), 'log.segment.bytes': `${4 * MIB}` } });
  }, SERVER_START_MS);
  afterAll(async () => {
    await kafka?.stop();
    if (canMount) spawnSync('umount', ['-l', disk]);
    rmSync(disk, { recursive: true, force: true });
  });

  (canMount ? test : test.skip)(
    'when it is full, appends wait; when there is space and the broker is back, all is there once',
    async () => {
      const harness = kafkaLogHarness({ brokers: kafka.brokers, client: { requestTimeoutMs: 3_000 } });
      const log = await harness.open();
      await log.ensureTopics([{ topic: TOPIC, partitions: 1, messageBytesMax: MESSAGE_BYTES_MAX }]);
      const append = (to: typeof log, n: number): Promise<number> =>
        to.append(TOPIC, 0, [message(`${n}a`, valueOf(n, MIB)), message(`${n}b`)]);
      let written = 0;
      const fill = async (): Promise<void> => {
        for (;;) await append(log, written).then(() => written++);
      };
      // Kafka stops when its only disk fails, and may or may not say so first.
      await expect(fill()).rejects.toMatchObject({ code: 'LOG_UNREACHABLE', isRetryable: true });
      expect(written).toBeGreaterThan(10);
      expect(spawnSync('mount', ['-o', `remount,size=${LARGE_MIB}m`, disk]).status).toBe(0);
      await kafka.restart();
      const patient = surely(log);
      for (let n = written; n < written + 3; n++) await append(patient, n);
      const read = await readAll(log, 1);
      const expected = Array.from({ length: written + 3 }, (_, n) => [`${n}a`, `${n}b`]).flat();
      // The append that filled the disk may have been written, and sent again.
      const headers = read.map(headerOf).filter((header, i, all) => i < 2 || header !== all[i - 2]);
      expect(headers).toEqual(expected);
      for (const { header, value, damaged } of read) {
        expect(damaged).toBeUndefined();
        const name = new TextDecoder().decode(header);
        if (name.endsWith('a')) expect(sameBytes(value, valueOf(Number.parseInt(name, 10), MIB))).toBe(true);
      }
      await harness.close();
    },
    SERVER_START_MS,
  );
});
