import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { EXIT } from '../../src/lib/errors.ts';
import { AccessLoad } from '../support/access-load.ts';
import { type Appliance, type ApplianceOptions, endOf, withAppliance } from '../support/appliance.ts';
import { kafkaOfBlock } from '../support/kafka-of-block.ts';
import { KafkaProbe } from '../support/kafka-probe.ts';
import { Deeds, atWork } from '../support/kafka-runs.ts';
import { beginLoad, verdictOf } from '../support/load-runs.ts';
import { type Kafka, type KafkaOptions, copyData, startKafka } from '../support/stack/kafka.ts';
import { describeWith } from '../support/stack/require-stack.ts';
import { PRODUCE, kafkaRequest, startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/tailrace-process.ts';

const IS_SOAK = process.env['TAILRACE_SOAK'] === '1';
const LINES_PER_SECOND = IS_SOAK ? 10_000 : 1_000;
const SWALLOWED = IS_SOAK ? 10_000 : 15;
/** An hour without a word looks like a test that hangs. */
const TOLD_EACH = 500;
const BROKER_KILLS = IS_SOAK ? 9 : 1;
const AWAY_MS = IS_SOAK ? 120_000 : 5_000;
const OPTIONS: ApplianceOptions = { outOfOrderness: '5m', idleTimeout: '10s', partitions: 4, workers: 2 };

/** Cleanups of a test, last first. */
let closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.toReversed()) await close();
  closers = [];
});

/** A Kafka of the test's own: what is done to it is nobody else's business. */
async function brokers(options: KafkaOptions = {}): Promise<{ kafka: Kafka; probe: KafkaProbe }> {
  const kafka = await startKafka(options);
  const probe = new KafkaProbe(kafka.brokers, kafka.direct);
  closers.push(
    () => kafka.stop(),
    () => probe.close(),
  );
  return { kafka, probe };
}

function writeLines(appliance: Appliance, lines: number, seed: number): void {
  appendFileSync(appliance.log('access.log'), new AccessLoad({ seed }).lines(lines));
}

async function right(appliance: Appliance, deeds: Deeds, title: string): Promise<void> {
  const verdict = await verdictOf(appliance);
  expect(verdict.differences).toEqual([]);
  deeds.print(`${title}: ${verdict.lines} lines, ${verdict.rows} rows`);
}

const count = (text: string, pattern: RegExp): number => [...text.matchAll(new RegExp(pattern, 'gm'))].length;

describeWith('kafka')('a Kafka that has trouble', () => {
  test('three brokers: one is killed and started again; leaders move, nothing is lost', async () => {
    const { kafka, probe } = await brokers({ brokers: 3 });
    await withAppliance({ ...OPTIONS, kafka: probe }, async (appliance) => {
      const deeds = new Deeds();
      const writer = await beginLoad(appliance, LINES_PER_SECOND);
      appliance.supervised();
      await atWork(appliance);
      for (let kill = 0; kill < BROKER_KILLS; kill++) {
        const node = 1 + (kill % 3);
        await kafka.kill(node);
        deeds.add(`broker ${node} killed`);
        await atWork(appliance);
        await kafka.restart(node);
        await atWork(appliance);
      }
      writer.stop();
      await right(appliance, deeds, 'three brokers');
    });
  });

  test(`${SWALLOWED} answers of the broker that never come back`, async () => {
    const proxy = await startTcpProxy();
    closers.push(() => proxy.stop());
    const { kafka, probe } = await brokers({ advertised: [proxy.address] });
    proxy.target = kafka.targets[0]!;
    await withAppliance({ ...OPTIONS, kafka: probe }, async (appliance) => {
      const deeds = new Deeds();
      const writer = await beginLoad(appliance, LINES_PER_SECOND);
      appliance.supervised();
      await atWork(appliance);
      // Every third produce request is written, and its answer is not heard.
      let number = 0;
      const isProduce = kafkaRequest(PRODUCE);
      proxy.swallowAnswers(SWALLOWED, (head) => isProduce(head) && ++number % 3 === 0);
      let told = 0;
      const isDone = (): boolean => {
        const { swallowed } = proxy.counters;
        if (swallowed >= told + TOLD_EACH) process.stderr.write(`  ${(told = swallowed)} answers swallowed\n`);
        return swallowed >= SWALLOWED;
      };
      await until(isDone, IS_SOAK ? 3_000_000 : 120_000, () => `${proxy.counters.swallowed} swallowed`);
      await atWork(appliance);
      writer.stop();
      deeds.add(`answers swallowed: ${proxy.counters.swallowed}`);
      await right(appliance, deeds, 'a bad network');
    });
  });

  describe('which is one broker', () => {
    const server = kafkaOfBlock();

    test('a broker that is away at the start and for a while holds everything up, with one clear line, and nothing is lost', async () => {
      const { kafka, probe } = server;
      await kafka.kill();
      await withAppliance({ ...OPTIONS, kafka: probe }, async (appliance) => {
        writeLines(appliance, 20_000, 1);
        const early = appliance.supervised();
        await early.says(/does not answer|no answer/, 60_000);
        await kafka.restart();
        await early.says(/caught up: 20,000 lines/, 120_000);
        // Before it goes: who asks it for something while it does is told then.
        const beforeText = early.stderr.length;
        await kafka.shutdown();
        writeLines(appliance, 20_000, 2);
        await systemClock.sleep(AWAY_MS);
        const meanwhile = (): string => early.stderr.slice(beforeText);
        await until(
          () => /takes no more/.test(meanwhile()) && /does not answer/.test(meanwhile()),
          120_000,
          () => `said less: ${meanwhile()}`,
        );
        expect(early.child.exitCode).toBe(null);
        process.stderr.write(`  while the broker was away:\n${meanwhile().replace(/^/gm, '    ')}\n`);
        // Four roles and the supervisor see it, and the agent of all partitions: each is said once. What was under way may fail for another reason.
        expect(count(meanwhile(), /takes no more/)).toBeLessThanOrEqual(2);
        expect(count(meanwhile(), /does not answer/)).toBe(1);
        await kafka.restart();
        writeLines(appliance, 10_000, 3);
        await atWork(appliance);
        await until(
          () => /Kafka answers again/.test(meanwhile()),
          120_000,
          () => `nobody said that it is back: ${meanwhile()}`,
        );
        expect(count(early.stderr, /Kafka answers again/)).toBe(count(early.stderr, /does not answer/));
        const deeds = new Deeds();
        deeds.add(`broker away at the start, and for ${AWAY_MS / 1000} s`);
        await right(appliance, deeds, 'away');
      });
    });

    test('a topic that is deleted under a pipeline stops it with a report, and is not made anew', async () => {
      const { probe } = server;
      await withAppliance({ ...OPTIONS, kafka: probe, retain: '7d' }, async (appliance) => {
        writeLines(appliance, 5_000, 1);
        const run = appliance.supervised();
        await run.says(/caught up/, 120_000);
        const admin = await probe.admin();
        const topic = `${appliance.topicPrefix}.raw.access`;
        await admin.deleteTopics({ topics: [topic] });
        writeLines(appliance, 5_000, 2);
        const { code, stderr } = await endOf(run, 120_000);
        process.stderr.write(`  topic deleted:\n${stderr.slice(-1500).replace(/^/gm, '    ')}\n`);
        expect(code).toBe(EXIT.mismatch);
        expect(stderr).toContain(`topic '${topic}' is gone: it was there`);
        expect(await admin.listTopics()).not.toContain(topic);
        // Nor by the next run.
        expect(await endOf(appliance.supervised(), 120_000)).toMatchObject({ code: EXIT.mismatch });
        expect(await admin.listTopics()).not.toContain(topic);
        expect((await appliance.audit()).result).toMatchObject({ doubled: 0 });
      });
    });

    // The last: of what the others have made the old disk knows less.
    const backups = mkdtempSync(join(tmpdir(), 'tailrace-kafka-copy-'));
    afterAll(() => rmSync(backups, { recursive: true, force: true }));

    test('a broker that was restored from an old disk is found out by agent and sink: they stop, nothing is begun anew', async () => {
      const { kafka, probe } = server;
      await withAppliance({ ...OPTIONS, kafka: probe, retain: '7d' }, async (appliance) => {
        writeLines(appliance, 5_000, 1);
        expect(await appliance.drain()).toMatchObject({ sent: 5_000, lost: 0, doubled: 0 });
        await kafka.shutdown();
        await copyData(kafka.dataDir(), backups);
        await kafka.restart();
        writeLines(appliance, 5_000, 2);
        expect(await appliance.drain()).toMatchObject({ sent: 10_000, lost: 0, doubled: 0 });
        await kafka.shutdown();
        await copyData(backups, kafka.dataDir());
        await kafka.restart();
        // Whoever has a memory of its own finds it out, and stops. An engine's is in the log, which is whole, only older.
        const reports = [
          [appliance.role('agent'), /ends before what this agent has written/],
          [appliance.role('sink'), /the log ends at \d+|is not what counts/],
        ] as const;
        for (const [role, report] of reports) {
          const { code, stderr } = await endOf(role, 120_000);
          expect({ code, stderr }).toMatchObject({ code: EXIT.mismatch, stderr: expect.stringMatching(report) });
        }
        // What was stored is still there, and right.
        expect((await appliance.audit()).result).toMatchObject({ sent: 10_000, stored: 10_000, lost: 0, doubled: 0 });
      });
    });
  });
});
