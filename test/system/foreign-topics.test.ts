import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AuditResult } from '../../src/query/audit.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { AccessLoad } from '../support/access-load.ts';
import { endOf } from '../support/appliance.ts';
import { type Kafka, startKafka } from '../support/stack/kafka.ts';
import { SERVER_START_MS, describeWith } from '../support/stack/require-stack.ts';
import { Tailrace, until, workFolder } from '../support/tailrace-process.ts';
import { TopicWriters } from '../support/topic-world.ts';

const KILLS = 5;
const CHUNKS = 12;
const CHUNK_LINES = 1_500;

/** A folder with a pipeline that reads topics of others: access lines and JSON, through the embedded log. */
function pipeline(folder: string, brokers: readonly string[]): string {
  const path = join(folder, 'tailrace.yaml');
  writeFileSync(
    path,
    `version: 1
name: shop
data_dir: ${folder}/data
sources:
  web: { type: kafka, brokers: ['${brokers[0]}'], topics: [web], stream: access, discovery_interval: 1s }
  orders: { type: kafka, brokers: ['${brokers[0]}'], topic_pattern: 'orders\\..*', stream: orders, envelope: json, discovery_interval: 1s }
streams:
  access: { codec: { type: combined }, partitions: 2, event_time: { out_of_orderness: 10m, idle_timeout: 1h } }
  orders:
    codec: { type: json, fields: { timestamp: date, key: keyword, headers.shop: keyword, value.total: long } }
    event_time: { field: timestamp, idle_timeout: 1h, max_future: 3650d }
rollups:
  traffic: { from: access, by: [http.response.status_code], window: { type: tumbling, size: 1m }, measures: { requests: count } }
  sales: { from: orders, by: [key, headers.shop], window: { type: tumbling, size: 1h }, measures: { orders: count, total: sum(value.total) } }
engine: { checkpoint: { interval: 100ms } }
`,
  );
  return path;
}

describeWith('kafka')('topics that other programs write', () => {
  let kafka: Kafka;
  let writers: TopicWriters;
  beforeAll(async () => {
    kafka = await startKafka();
    writers = new TopicWriters(kafka.brokers);
    await writers.connect();
  }, SERVER_START_MS);
  afterAll(async () => {
    await writers?.close();
    await kafka?.stop();
  });

  test(`through ${KILLS} kills of the agent each record is in the tables once`, async () => {
    const work = workFolder();
    try {
      await writers.create('web', { numPartitions: 3 });
      await writers.create('orders.eu', { numPartitions: 2 });
      const config = pipeline(work.path, kafka.brokers);
      const random = seededRandom(7);
      const start = (...args: readonly string[]): Tailrace => new Tailrace([...args, '-c', config], { cwd: work.path });
      const engine = start('engine');
      let agent = start('agent');
      const load = new AccessLoad({ seed: 5, stepMs: 20, lateEvery: 0, lateMs: 0 });
      let orders = 0;
      const order = (): { key: string; value: string; headers: { shop: string } } => ({
        key: `k${++orders % 3}`,
        value: JSON.stringify({ total: orders }, null, orders % 2 === 0 ? 1 : 0),
        headers: { shop: `s${orders % 2}` },
      });
      for (let chunk = 0; chunk < CHUNKS; chunk++) {
        const lines = load.lines(CHUNK_LINES).toString('latin1').split('\n').slice(0, -1);
        await writers.write('web', lines, chunk % 3);
        await writers.write('orders.eu', Array.from({ length: 200 }, order), chunk % 2);
        if (chunk === 5) {
          await writers.create('orders.us');
          await writers.write('orders.us', Array.from({ length: 100 }, order));
        }
        await new Promise((resolve) => setTimeout(resolve, 100 + random.int(300)));
        if (chunk % 2 === 1 && chunk / 2 < KILLS) {
          agent.child.kill('SIGKILL');
          expect((await agent.ended).signal).toBe('SIGKILL');
          agent = start('agent');
        }
      }
      await until(
        () => agent.child.exitCode === null,
        1_000,
        () => agent.stderr,
      );
      for (const role of [agent, engine]) {
        role.child.kill('SIGTERM');
        await endOf(role);
      }
      const once = await endOf(start('run', '--once', '--json'));
      expect([once.code, once.stderr]).toEqual([0, expect.any(String)]);
      const { audit, tables } = JSON.parse(once.stdout) as { audit: AuditResult; tables: unknown };
      expect(tables).toBeDefined();
      const sent = CHUNKS * CHUNK_LINES + orders;
      expect(audit).toMatchObject({ sent, stored: sent, lost: 0, doubled: 0, isBalanced: true });
      expect(audit.sources.map(({ countedBy, possibleLossBytes }) => [countedBy, possibleLossBytes])).toEqual(
        Array.from({ length: 6 }, () => ['agent', 0]),
      );
      const sales = await endOf(
        start(
          'sql',
          '--json',
          'select sum(orders)::int as orders, sum(total)::int as total, count(distinct key || headers_shop)::int as keys from sales',
        ),
      );
      expect(JSON.parse(sales.stdout)).toMatchObject({ rows: [[orders, (orders * (orders + 1)) / 2, 6]] });
    } finally {
      work.remove();
    }
  });
});
