// Sessions of a topic that its producer has keyed, told before they are over and joined afterwards: tables, documents and events of them,
// with every role killed in turn and a second host that writes what it believed before it froze.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Kafka as Client, logLevel } from 'kafkajs';
import { systemClock } from '../../src/lib/clock.ts';
import { accessLine } from '../support/access-lines.ts';
import { type Appliance, type LockedRole, spreadAgent, withAppliance } from '../support/appliance.ts';
import { killInTurn } from '../support/killed-roles.ts';
import { KafkaProbe } from '../support/kafka-probe.ts';
import { Random } from '../support/random.ts';
import { Warehouse } from '../support/row-oracle.ts';
import { secondHost } from '../support/second-host.ts';
import { foundSql, islandsSql } from '../support/session-islands.ts';
import { type Elasticsearch, startElasticsearch } from '../support/stack/elasticsearch.ts';
import { type Kafka, startKafka } from '../support/stack/kafka.ts';
import { SERVER_START_MS, describeWith } from '../support/stack/require-stack.ts';
import { until } from '../support/tailrace-process.ts';
import { TopicWriters } from '../support/topic-world.ts';

const IS_SOAK = process.env['TAILRACE_SOAK'] === '1';
const KILLS = IS_SOAK ? 60 : 8;
const LINES_EACH = IS_SOAK ? 10_000 : 1500;
/** Of a piece, with epochs between them. */
const PARTS = 10;
/** A role that is dead keeps an epoch from coming. */
const TOLD_MS_MAX = 3000;
const TOPIC = 'shop';
const TOPIC_PARTITIONS = 3;
const GAP_S = 5;
/** A line comes up to so much later than newer ones. The watermark follows after a second: sessions are told of, and then joined. */
const DISORDER_S = 60;
const START_MS = Date.UTC(2026, 0, 1);
const ROLES: readonly LockedRole[] = ['engine', 'sink-search', 'agent', 'sink-out', 'sink-warehouse'];
const COLUMNS = 'source_address, first_event, last_event, requests, bytes, most';

describeWith('kafka', 'elasticsearch')('sessions that are told of and then joined', () => {
  let kafka: Kafka;
  let elasticsearch: Elasticsearch;
  let writers: TopicWriters;
  let probe: KafkaProbe;

  beforeAll(async () => {
    [kafka, elasticsearch] = await Promise.all([startKafka(), startElasticsearch({ heapMiB: 512 })]);
    writers = new TopicWriters(kafka.brokers);
    probe = new KafkaProbe(kafka.brokers, kafka.direct);
    await writers.connect();
  }, SERVER_START_MS);
  afterAll(async () => {
    await writers?.close();
    await probe?.close();
    await kafka?.stop();
    await elasticsearch?.stop();
  });

  test(
    `${KILLS} kills, a stale second host: documents are those of DuckDB, what was joined is superseded, events are final and come once`,
    async () => {
      const options = {
        kafka: probe,
        partitions: 2,
        agentId: spreadAgent(2),
        outOfOrderness: '1s',
        sources: ` { shop: { type: kafka, brokers: ['${kafka.brokers[0]!}'], topics: [${TOPIC}], stream: access, discovery_interval: 1s } }`,
        rollups: `\n  visits: { from: access, by: [source.address], window: { type: session, gap: ${GAP_S}s }, allowed_lateness: 5m, measures: { requests: count, bytes: sum(http.response.body.bytes), most: max(http.response.body.bytes) } }`,
        sinks: `\n  warehouse: { type: duckdb }\n  search: { type: elasticsearch, nodes: ['${elasticsearch.url}'], index_prefix: s, replicas: 0, documents: [] }\n  out: { type: events, rollups: [visits], partitions: 2, replication_factor: 1 }`,
      } as const;
      await writers.create(TOPIC, { numPartitions: TOPIC_PARTITIONS });
      await withAppliance(options, async (appliance) => {
        const random = new Random(11);
        const lines: string[] = [];
        const stale = appliance.start(['sink', 'search', '-c', secondHost(appliance)]);
        const kills = { count: KILLS, roles: ROLES, random, pauseMsMax: 500 };
        await killInTurn(appliance, kills, async (piece) => {
          await writePiece(appliance, writers, lines, random);
          // It has told of sessions that are joined while it is frozen.
          if (piece === KILLS >> 1) stale.child.kill('SIGSTOP');
        });
        const audit = await appliance.drain();
        expect(audit).toMatchObject({ sent: lines.length, lost: 0, doubled: 0, isBalanced: true });
        const { rows, want, told } = await rowsOf(appliance, lines);
        expect(rows).toEqual(want);
        expect(rows.length).toBeGreaterThan(200);
        const early = await documents(elasticsearch);
        stale.child.kill('SIGCONT');
        // It writes once a second what it has in hand, and reads on.
        await systemClock.sleep(4000);
        stale.child.kill('SIGTERM');
        await stale.ended;
        const late = await documents(elasticsearch);
        expect(late).toEqual(early);
        expect(
          late
            .filter(({ status }) => status !== 'superseded')
            .map(({ text }) => text)
            .toSorted(),
        ).toEqual(told);
        const joined = late.filter(({ status }) => status === 'superseded');
        expect(joined.length).toBeGreaterThan(50);
        const events = await consume(kafka, `${appliance.topicPrefix}.events.web.out`, rows.length);
        expect(events.toSorted()).toEqual(
          told.map((text) => JSON.stringify((JSON.parse(text) as unknown[]).slice(0, 6))).toSorted(),
        );
      });
    },
    IS_SOAK ? 3_600_000 : 600_000,
  );
});

/** Lines of a client are in the partition that its key leads to, up to DISORDER_S late: behind the epochs that told of its sessions. */
async function writePiece(appliance: Appliance, writers: TopicWriters, all: string[], random: Random): Promise<void> {
  for (let part = 0; part < PARTS; part++) {
    const before = (await appliance.logEnds()).epochs.end;
    const byPartition: string[][] = Array.from({ length: TOPIC_PARTITIONS }, () => []);
    for (let i = 0; i < LINES_EACH / PARTS; i++) {
      const second = Math.floor(all.length / 10);
      const client = random.below(60);
      const isLate = random.chance(0.4);
      const line = accessLine(client, START_MS + (second - (isLate ? random.below(DISORDER_S) : 0)) * 1000);
      byPartition[client % TOPIC_PARTITIONS]!.push(line);
      all.push(line);
    }
    for (const [partition, lines] of byPartition.entries()) {
      const keyed = lines.map((value) => ({ key: value.slice(0, value.indexOf(' ')), value }));
      await writers.write(TOPIC, keyed, partition);
    }
    const isTold = async (): Promise<boolean> => (await appliance.logEnds()).epochs.end > before;
    for (let waitedMs = 0; waitedMs < TOLD_MS_MAX && !(await isTold()); waitedMs += 50) await systemClock.sleep(50);
  }
}

/** The rows of the warehouse, those that SQL makes of the lines, and the first as documents tell them. */
async function rowsOf(
  appliance: Appliance,
  lines: readonly string[],
): Promise<{ readonly rows: unknown[]; readonly want: unknown[]; readonly told: string[] }> {
  const path = join(appliance.folder, 'lines.log');
  writeFileSync(path, `${lines.join('\n')}\n`);
  const warehouse = await Warehouse.open(join(appliance.dataDir, 'warehouse.duckdb'));
  try {
    await warehouse.run(`SET TimeZone = 'UTC'`);
    const found = (await warehouse.run(foundSql('visits'))) as unknown[][];
    // A session that was joined has revisions.
    const rows = found.map((row) => row.with(-1, row.at(-1) === 'revised' ? 'final' : row.at(-1)));
    const want = await warehouse.run(islandsSql([path], GAP_S));
    const told = await warehouse.run(
      `SELECT ${COLUMNS.replace('first_event, last_event', 'epoch_ms(first_event), epoch_ms(last_event)')}, status, revision FROM visits`,
    );
    return { rows, want, told: told.map((row) => JSON.stringify(row.map(plain))).toSorted() };
  } finally {
    warehouse.close();
  }
}

/** DuckDB gives large whole numbers as digits. */
function plain(value: unknown): unknown {
  return typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
}

interface SessionDocument {
  readonly status: string;
  /** The session in the words of the warehouse. */
  readonly text: string;
}

/** All documents of the table, in any order the same. */
async function documents(elasticsearch: Elasticsearch): Promise<readonly SessionDocument[]> {
  await elasticsearch.ask('/s-rollup-visits/_refresh', 'POST');
  const { status, body } = await elasticsearch.ask('/s-rollup-visits/_search', 'POST', { size: 10_000 });
  expect(status).toBe(200);
  const { hits } = body as { hits: { hits: { _source: Readonly<Record<string, unknown>> & { tailrace: Told } }[] } };
  expect(hits.hits.length).toBeLessThan(10_000);
  return hits.hits
    .map(({ _source: source }) => {
      const { window, measures, status: told, revision } = source.tailrace;
      const times = [Date.parse(window.first_event), Date.parse(window.last_event)];
      const results = [measures.requests, measures.bytes, measures.most];
      return { status: told, text: JSON.stringify([source['source.address'], ...times, ...results, told, revision]) };
    })
    .sort((left, right) => (left.text < right.text ? -1 : 1));
}

interface Told {
  readonly window: { readonly first_event: string; readonly last_event: string };
  readonly measures: { readonly requests: number; readonly bytes: number; readonly most: number };
  readonly status: string;
  readonly revision: number;
}

/** What a consumer of another program reads: each session as the warehouse tells it, without what it became final by. */
async function consume(kafka: Kafka, topic: string, count: number): Promise<readonly string[]> {
  const client = new Client({ brokers: [...kafka.direct], logLevel: logLevel.NOTHING });
  const consumer = client.consumer({ groupId: `g-${topic}` });
  const found: string[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: ({ message }) => {
      const event = JSON.parse(String(message.value)) as Readonly<Record<string, string | number>>;
      const times = [Date.parse(String(event['first_event'])), Date.parse(String(event['last_event']))];
      found.push(JSON.stringify([event['source_address'], ...times, event['requests'], event['bytes'], event['most']]));
      return Promise.resolve();
    },
  });
  await until(
    () => found.length >= count,
    120_000,
    () => `${found.length} of ${count} records`,
  );
  // One more would be one too many.
  await systemClock.sleep(1000);
  await consumer.disconnect();
  return found;
}
