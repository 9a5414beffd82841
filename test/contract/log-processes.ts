import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import type { Log } from '../../src/broker/broker.ts';
import type { AppendJob } from '../support/log-child.ts';
import type { LogHarness } from '../support/log-harness.ts';
import { MESSAGE_BYTES_MAX, TOPIC } from '../support/log-messages.ts';
import { startChild } from '../support/start-child.ts';
import type { LogChild } from '../support/start-child.ts';

const IS_SOAK = process.env['TAILRACE_SOAK'] === '1';
const KILLS = IS_SOAK ? 200 : 6;
const JOB: AppendJob = { writer: 'a', topic: TOPIC, partition: 0, appends: 40, messagesEach: 3, valueBytes: 2000 };

/** The acknowledged appends of a child at its end: number → offset. It must have said nothing else. */
async function acknowledgedBy({ lines }: LogChild): Promise<Map<number, number>> {
  const answers = await lines;
  expect(answers.filter((line) => line.startsWith('error'))).toEqual([]);
  return new Map(answers.map((line) => line.split(' ').map(Number) as [number, number]));
}

/** Headers of the log by append: `writer n` → offsets of its messages. Fails when something is damaged or out of order. */
async function appendsInLog(log: Log, from = 1): Promise<Map<string, number[]>> {
  const appends = new Map<string, number[]>();
  let expected = from;
  for await (const batch of log.read(TOPIC, 0, from, { isFollowing: false })) {
    for (const { offset, header, damaged } of batch) {
      expect(damaged).toBeUndefined();
      expect(offset).toBe(expected++);
      const [writer, n, i] = new TextDecoder().decode(header).split(' ');
      const offsets = appends.get(`${writer} ${n}`) ?? [];
      expect(Number(i)).toBe(offsets.length);
      appends.set(`${writer} ${n}`, [...offsets, offset]);
    }
  }
  return appends;
}

/** All or none, contiguous, and what was acknowledged is there at its offset. */
function expectWhole(
  appends: ReadonlyMap<string, number[]>,
  writer: string,
  acknowledged: ReadonlyMap<number, number>,
): void {
  for (const offsets of appends.values()) {
    expect(offsets).toEqual(Array.from({ length: JOB.messagesEach }, (_, i) => offsets[0]! + i));
  }
  for (const [n, offset] of acknowledged) expect(appends.get(`${writer} ${n}`)?.[0]).toBe(offset);
}

/** The part of the contract that needs other processes, some of which are killed. */
export function describeLogProcesses(name: string, makeHarness: () => LogHarness | Promise<LogHarness>): void {
  describe(`${name}: many processes`, () => {
    let harness: LogHarness;
    beforeEach(async () => {
      harness = await makeHarness();
    });
    afterEach(() => harness.close());

    const openWithTopic = async (): Promise<Log> => {
      const log = await harness.open();
      await log.ensureTopics([{ topic: TOPIC, partitions: 1, messageBytesMax: MESSAGE_BYTES_MAX }]);
      return log;
    };

    test('two processes and this one append to one partition: nothing is lost, no append is torn', async () => {
      const log = await openWithTopic();
      const child = harness.child!;
      const children = ['a', 'b'].map((writer) => startChild(child, { ...JOB, writer, appends: 150 }));
      const own = new Map<number, number>();
      for (let n = 1; n <= 60; n++) {
        const header = (i: number): Uint8Array => new TextEncoder().encode(`own ${n} ${i}`);
        const messages = [0, 1, 2].map((i) => ({
          kind: 'block' as const,
          header: header(i),
          value: new Uint8Array(9),
        }));
        own.set(n, await log.append(TOPIC, 0, messages));
      }
      const [a, b] = await Promise.all(children.map(acknowledgedBy));
      expect([a!.size, b!.size]).toEqual([150, 150]);
      const appends = await appendsInLog(log);
      expect(appends.size).toBe(150 + 150 + 60);
      expectWhole(appends, 'a', a!);
      expectWhole(appends, 'b', b!);
      expectWhole(appends, 'own', own);
    });

    test.each([
      ['log.before_commit:1', 0, 0],
      ['log.before_commit:7', 6, 6],
      ['log.before_commit:40', 39, 39],
      ['log.after_commit:1', 0, 1],
      ['log.after_commit:7', 6, 7],
      ['log.after_commit:40', 39, 40],
    ])('killed in %s: %d acknowledged, %d there', async (fault, acknowledgedCount, thereCount) => {
      const log = await openWithTopic();
      const killed = startChild(harness.child!, JOB, { fault });
      const acknowledged = await acknowledgedBy(killed);
      expect(killed.process.signalCode).toBe('SIGKILL');
      const appends = await appendsInLog(log);
      expect([acknowledged.size, appends.size]).toEqual([acknowledgedCount, thereCount]);
      expectWhole(appends, 'a', acknowledged);
      const next = await acknowledgedBy(startChild(harness.child!, { ...JOB, writer: 'next', appends: 2 }));
      expectWhole(await appendsInLog(log), 'next', next);
    });

    test('killed at any moment of large commits: all or none, and what was acknowledged is there', async () => {
      let log = await openWithTopic();
      let killedAtWork = 0;
      let from = 1;
      for (let round = 0; round < KILLS; round++) {
        // Every second round nobody else has the file open, so that the next to open it must recover it.
        if (round % 2 === 1) await log.close();
        const job = { ...JOB, writer: `r${round}`, appends: 10_000, valueBytes: 300_000 };
        const child = startChild(harness.child!, job);
        await once(child.process.stdout, 'data');
        setTimeout(() => child.process.kill('SIGKILL'), 3 + ((round * 37) % 101));
        const acknowledged = await acknowledgedBy(child);
        if (child.process.signalCode === 'SIGKILL') killedAtWork++;
        if (round % 2 === 1) log = await openWithTopic();
        const appends = await appendsInLog(log, from);
        expectWhole(appends, job.writer, acknowledged);
        // One append was in flight: it is there or not.
        expect([0, 1]).toContain(appends.size - acknowledged.size);
        from += appends.size * JOB.messagesEach;
        await log.trim(TOPIC, 0, from);
      }
      expect(killedAtWork).toBe(KILLS);
    });
  });
}
