// The events sink on a real Kafka, killed at its fault points: what another program reads there is what the warehouse calls final.
import { execFile } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Kafka as Client, logLevel } from 'kafkajs';
import { systemClock } from '../../src/lib/clock.ts';
import { EXIT } from '../../src/lib/errors.ts';
import { accessLine } from '../support/access-lines.ts';
import { type Appliance, spreadAgent, withAppliance } from '../support/appliance.ts';
import { KafkaProbe } from '../support/kafka-probe.ts';
import { secondHost } from '../support/second-host.ts';
import { type Kafka, startKafka } from '../support/stack/kafka.ts';
import { SERVER_START_MS, describeWith } from '../support/stack/require-stack.ts';
import { PRODUCE, type TcpProxy, kafkaRequest, startTcpProxy } from '../support/tcp-proxy.ts';
import { type Tailrace, until } from '../support/tailrace-process.ts';

const IS_SOAK = process.env['TAILRACE_SOAK'] === '1';
const KILLS = IS_SOAK ? 40 : 4;
const LINES = KILLS * 2000;
const SWALLOWED = IS_SOAK ? 200 : 6;
const FILES = 4;
const SECOND_MS = 1000;
/** A life ends by its kill; this is for a machine where nothing moves. */
const LIFE_MS_MAX = 30_000;
const START_MS = Date.UTC(2026, 0, 1);

interface Event {
  readonly window_start: string;
  readonly url_path: string;
  readonly http_response_status_code: number;
  readonly requests: number;
  readonly bytes: number;
  readonly lines: number;
}

interface Consumed {
  readonly event: Event;
  readonly id: string;
  readonly partition: number;
}

/** What a consumer of another program sees, with kafkajs' own client. */
async function consume(kafka: Kafka, topic: string, count: number): Promise<readonly Consumed[]> {
  const consumer = new Client({ brokers: [...kafka.direct], logLevel: logLevel.NOTHING }).consumer({
    groupId: `g-${topic}`,
  });
  const found: Consumed[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message, partition }) => {
      const event = JSON.parse(String(message.value)) as Event;
      found.push({ event, id: String(message.headers?.['id']), partition });
    },
  });
  await until(
    () => found.length >= count,
    120_000,
    () => `${found.length} of ${count} records`,
  ).finally(() => undefined);
  // One more would be one too many.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await consumer.disconnect();
  return found;
}

/** The next lines of every file, a second of event time apart. */
function appendLines(appliance: Appliance, piece: number): void {
  const perFile = LINES / FILES / KILLS;
  for (let file = 0; file < FILES; file++) {
    const lines = Array.from({ length: perFile }, (_, i) => {
      const number = piece * perFile + i;
      return accessLine(number * FILES + file, START_MS + number * SECOND_MS);
    });
    appendFileSync(appliance.log(`${file}.log`), `${lines.join('\n')}\n`);
  }
}

async function finalRows(appliance: Appliance): Promise<string[]> {
  const sql =
    "SELECT epoch_ms(window_start), url_path, http_response_status_code, requests, bytes, lines FROM traffic WHERE status <> 'open'";
  const { stdout, stderr } = await appliance.start(['sql', sql, '-c', appliance.config, '--json']).ended;
  const { rows, truncated } = JSON.parse(stdout || `{"rows":"${stderr}"}`) as { rows: unknown[][]; truncated: boolean };
  expect(truncated).toBe(false);
  return rows.map((row) => JSON.stringify(row)).toSorted();
}

/** What another program reads is what the warehouse calls final, each row once. */
async function expectSameRows(appliance: Appliance, kafka: Kafka, topic: string): Promise<readonly Consumed[]> {
  const rows = await finalRows(appliance);
  const records = await consume(kafka, topic, rows.length);
  const written = records.map(({ event }) =>
    JSON.stringify([
      Date.parse(event.window_start),
      event.url_path,
      event.http_response_status_code,
      event.requests,
      event.bytes,
      event.lines,
    ]),
  );
  expect(rows.length).toBeGreaterThan(50);
  expect(written.toSorted()).toEqual(rows);
  return records;
}

describeWith('kafka', 'kcat')('events on Kafka', () => {
  let proxy: TcpProxy;
  let kafka: Kafka;
  let probe: KafkaProbe;
  beforeAll(async () => {
    proxy = await startTcpProxy();
    kafka = await startKafka({ advertised: [proxy.address] });
    proxy.target = kafka.targets[0]!;
    probe = new KafkaProbe(kafka.brokers, kafka.direct);
  }, SERVER_START_MS);
  afterAll(async () => {
    await probe?.close();
    await kafka?.stop();
    await proxy?.stop();
  });

  test('final rows of two partitions are in the topic once, whatever was killed', async () => {
    const options = {
      kafka: probe,
      partitions: 2,
      agentId: spreadAgent(2),
      outOfOrderness: '1s',
      sinks: '\n  warehouse: { type: duckdb }\n  out: { type: events, rollups: [traffic], partitions: 3 }',
    };
    await withAppliance(options, async (appliance) => {
      const topic = `${appliance.topicPrefix}.events.web.out`;
      const others = [appliance.role('agent'), appliance.role('engine')];
      let kills = 0;
      for (let i = 0; i < KILLS; i++) {
        // A piece for each life, so that every one of them has windows to close.
        appendLines(appliance, i);
        await until(
          async () => (await appliance.logEnds()).epochs.end >= 6,
          120_000,
          () => `no epochs: ${appliance.report()}`,
        );
        const fault = `${i % 2 === 0 ? 'events.sent' : 'events.before_send'}:${1 + (i % 3 === 2 ? 1 : 0)}`;
        const sink = appliance.start(['sink', 'out', '-c', appliance.config], { TAILRACE_FAULT: fault });
        await Promise.race([sink.ended, systemClock.sleep(LIFE_MS_MAX)]);
        if (sink.child.signalCode === 'SIGKILL') kills++;
        else sink.child.kill('SIGKILL');
        await sink.ended;
      }
      for (const process of others) process.child.kill('SIGTERM');
      for (const process of others) await process.ended;
      await appliance.drain();

      const records = await expectSameRows(appliance, kafka, topic);
      expect(new Set(records.map(({ id }) => id)).size).toBe(records.length);
      expect(new Set(records.map(({ partition }) => partition)).size).toBeGreaterThan(1);
      expect(kills).toBeGreaterThan(1);
      // Every client can read it; this is librdkafka's.
      const kcat = ['-C', '-q', '-e', '-b', kafka.direct[0]!, '-t', topic, '-f', '%k\n'];
      const { stdout } = await promisify(execFile)('kcat', kcat);
      expect(stdout.trim().split('\n')).toHaveLength(records.length);
      expect(stdout).toContain('["traffic","/page/0",200]\n');
    });
  });

  test('of two hosts one writes and the other stands by; when that one is killed or freezes it goes on, and no row comes twice', async () => {
    const sinks =
      '\n  warehouse: { type: duckdb }\n  out: { type: events, rollups: [traffic], partitions: 2, replication_factor: 1 }';
    const options = { kafka: probe, partitions: 2, outOfOrderness: '1s', assignment: 'group', sinks } as const;
    await withAppliance(options, async (appliance) => {
      const topic = `${appliance.topicPrefix}.events.web.out`;
      const second = secondHost(appliance);
      const others = [appliance.role('agent'), appliance.role('engine')];
      const sink = (config: string): Tailrace => appliance.start(['sink', 'out', '-c', config]);
      let pieces = 0;
      const appendPiece = (): void => appendLines(appliance, pieces++);
      appendPiece();
      let holder = sink(appliance.config);
      const written = async (): Promise<number> => (await probe.ends(topic)).end;
      await until(
        async () => (await written()) > 0,
        120_000,
        () => `no events: ${appliance.report()}`,
      );
      for (let round = 1; round < KILLS; round++) {
        const next = sink(round % 2 === 0 ? appliance.config : second);
        await next.says(/another process has the turn: this one stands by/, 60_000);
        const before = await written();
        appendPiece();
        await until(
          async () => (await written()) > before,
          120_000,
          () => `no events: ${appliance.report()}`,
        );
        const isFrozen = round % 2 === 0;
        holder.child.kill(isFrozen ? 'SIGSTOP' : 'SIGKILL');
        await next.says(/it is the turn of this one now: it goes on/, 60_000);
        if (isFrozen) {
          // It thaws while the other one writes, and has rows in hand that it believes are its own to write.
          const sofar = await written();
          appendPiece();
          await until(
            async () => (await written()) > sofar,
            120_000,
            () => `no events: ${appliance.report()}`,
          );
          holder.child.kill('SIGCONT');
          await Promise.race([holder.ended, holder.says(/this one stands by[\s\S]*this one stands by/, 60_000)]);
          // Frozen for longer than a request may take, it may find its own answer overdue before it hears that it is fenced.
          expect([null, EXIT.fenced, EXIT.unreachable]).toContain(holder.child.exitCode);
          holder.child.kill('SIGKILL');
        }
        holder = next;
      }
      for (const process of [...others, holder]) process.child.kill('SIGTERM');
      for (const process of [...others, holder]) await process.ended;
      await appliance.drain();
      const records = await expectSameRows(appliance, kafka, topic);
      expect(new Set(records.map(({ id }) => id)).size).toBe(records.length);
    });
  });

  test('the embedded log can feed a Kafka, in a topic that is there already', async () => {
    const topic = `own-${process.pid}`;
    const sinks = (more: string): string =>
      `\n  warehouse: { type: duckdb }\n  out: { type: events, brokers: ['${kafka.brokers[0]!}'], topic: ${topic}${more}, rollups: [traffic] }`;
    await withAppliance({ sinks: sinks('') }, async (appliance) => {
      appendLines(appliance, 0);
      // Three replicas, unless one is said.
      const refused = await appliance.start(['sink', 'out', '-c', appliance.config]).ended;
      expect(refused.code).toBe(3);
      expect(refused.stderr).toMatch(/would need 3 brokers.*replication_factor: 1/);
      const admin = await probe.admin();
      await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true });
      await appliance.drain();
      const records = await expectSameRows(appliance, kafka, topic);
      expect(new Set(records.map(({ partition }) => partition))).toEqual(new Set([0, 1]));
    });
  });

  test(`${SWALLOWED} answers that never come back: what was written is found there, and not written again`, async () => {
    const topic = `unheard-${process.pid}`;
    const sinks = `\n  warehouse: { type: duckdb }\n  out: { type: events, brokers: ['${kafka.brokers[0]!}'], topic: ${topic}, replication_factor: 1, rollups: [traffic] }`;
    await withAppliance({ sinks }, async (appliance) => {
      const others = [appliance.role('agent'), appliance.role('engine')];
      const before = proxy.counters.swallowed;
      for (let piece = 0; piece < SWALLOWED; piece++) {
        appendLines(appliance, piece);
        proxy.swallowAnswers(1, kafkaRequest(PRODUCE));
        // What it does not know the end of ends it; its next life looks.
        const sink = appliance.start(['sink', 'out', '-c', appliance.config]);
        await Promise.race([sink.ended, systemClock.sleep(LIFE_MS_MAX)]);
        sink.child.kill('SIGKILL');
        await sink.ended;
      }
      proxy.clearTraps();
      // A life may find that all was there already, and write nothing.
      expect(proxy.counters.swallowed - before).toBeGreaterThanOrEqual(SWALLOWED / 2);
      for (const process of others) process.child.kill('SIGTERM');
      for (const process of others) await process.ended;
      await appliance.drain();
      const records = await expectSameRows(appliance, kafka, topic);
      expect(new Set(records.map(({ id }) => id)).size).toBe(records.length);
    });
  });
});
