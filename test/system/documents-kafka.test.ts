import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { openElasticsearch } from '../../src/sinks/elasticsearch/client.ts';
import { rollupIndex } from '../../src/sinks/elasticsearch/templates.ts';
import { type Appliance, endOf, withAppliance } from '../support/appliance.ts';
import { allDocuments, compareIds, idsOfFile } from '../support/document-store.ts';
import { BULK_FAULTS, type FaultProxy, startFaultProxy } from '../support/http-faults.ts';
import { KafkaProbe } from '../support/kafka-probe.ts';
import { Deeds, MOVES_MS, atWork, killRole } from '../support/kafka-runs.ts';
import { beginLoad, verdictOf } from '../support/load-runs.ts';
import { Random } from '../support/random.ts';
import { Warehouse } from '../support/row-oracle.ts';
import { type Elasticsearch, startElasticsearch } from '../support/stack/elasticsearch.ts';
import { type Kafka, startKafka } from '../support/stack/kafka.ts';
import { SERVER_START_MS, describeWith } from '../support/stack/require-stack.ts';
import { until } from '../support/tailrace-process.ts';

const IS_SOAK = process.env['TAILRACE_SOAK'] === '1';
const ROUNDS = IS_SOAK ? 20 : 1;
const LINES_PER_SECOND = 500;
const PREFIX = 'kafka';
const VICTIMS = ['sink-search', 'engine-0'] as const;

describeWith('kafka', 'elasticsearch')('Kafka and Elasticsearch in one pipeline', () => {
  let kafka: Kafka;
  let probe: KafkaProbe;
  let elasticsearch: Elasticsearch;
  let proxy: FaultProxy;
  beforeAll(async () => {
    [kafka, elasticsearch] = await Promise.all([startKafka(), startElasticsearch()]);
    probe = new KafkaProbe(kafka.brokers);
    proxy = await startFaultProxy(elasticsearch.url);
  }, 2 * SERVER_START_MS);
  afterAll(async () => {
    await Promise.all([proxy?.stop(), probe?.close()]);
    await Promise.all([kafka?.stop(), elasticsearch?.stop()]);
  });

  test('every line has its document and every row its rollup document, once, whatever is killed', async () => {
    const random = new Random(11);
    const deeds = new Deeds();
    const sinks = `
  warehouse: { type: duckdb }
  search: { type: elasticsearch, nodes: ['${proxy.url}'], index_prefix: ${PREFIX}, replicas: 0 }`;
    const options = { kafka: probe, sinks, partitions: 2, workers: 2, outOfOrderness: '5m', idleTimeout: '10s' };
    await withAppliance(options, async (appliance) => {
      const writer = await beginLoad(appliance, LINES_PER_SECOND);
      let bulks = 0;
      proxy.next = () => (++bulks % 5 === 0 ? BULK_FAULTS[(bulks / 5) % BULK_FAULTS.length] : undefined);
      /** Lines come in, epochs come out, and documents are on their way. */
      const allAtWork = async (): Promise<void> => {
        const since = bulks;
        await atWork(appliance);
        await until(
          () => bulks > since + 2,
          MOVES_MS,
          () => `no documents: ${appliance.report()}`,
        );
      };
      for (let round = 0; round < ROUNDS; round++) {
        const run = appliance.supervised();
        for (const role of VICTIMS) {
          await allAtWork();
          await killRole(appliance, role, random.below(1_000));
          deeds.add(`kill -9 of ${role}`);
        }
        await allAtWork();
        await kafka.kill();
        await kafka.restart();
        deeds.add('kill -9 of the broker');
        await allAtWork();
        await until(
          () => proxy.counts.size > 2,
          120_000,
          () => `no bulks to damage: ${appliance.report()}`,
        );
        run.child.kill('SIGKILL');
        deeds.add('kill -9 of the supervisor');
        await endOf(run);
      }
      writer.stop();
      proxy.next = () => undefined;
      const verdict = await verdictOf(appliance);
      expect(verdict.differences).toEqual([]);
      const { lines, rows } = await stored(appliance);
      expect(lines).toHaveLength(verdict.lines);
      const documents = await allDocuments(elasticsearch, `${PREFIX}-access-*,${PREFIX}-dead-letters-*`);
      expect(compareIds(documents, lines)).toEqual([]);
      expect(await rollupDocuments()).toEqual(rows);
      deeds.print(`documents on Kafka: ${lines.length} documents, ${rows.length} rollup documents`);
    });
  });

  /** The rows of `traffic` as Elasticsearch has them, in the words of `stored`. */
  async function rollupDocuments(): Promise<string[]> {
    const client = openElasticsearch({ nodes: [elasticsearch.url] });
    const index = rollupIndex(PREFIX, 'traffic');
    await client.indices.refresh({ index });
    const found: string[] = [];
    for await (const row of client.helpers.scrollDocuments<Row>({ index, size: 5_000 })) {
      const { window, measures, status, revision, lines } = row.tailrace;
      const keys = [row['url.path'], row['http.response.status_code']];
      const values = [measures.requests, measures.bytes, status, revision, lines];
      found.push(JSON.stringify([Date.parse(window.start), ...keys, ...values]));
    }
    await client.close();
    return found.toSorted();
  }
});

interface Row {
  readonly 'url.path': string | null;
  readonly 'http.response.status_code': number | null;
  readonly tailrace: {
    readonly window: { readonly start: string };
    readonly measures: Readonly<Record<string, number | null>>;
    readonly status: string;
    readonly revision: number;
    readonly lines: number;
  };
}

/** What the warehouse and the files say: the ids of all lines, and the rows of `traffic`. */
async function stored(appliance: Appliance): Promise<{ lines: string[]; rows: string[] }> {
  const warehouse = await Warehouse.open(join(appliance.dataDir, 'warehouse.duckdb'));
  const sources = await warehouse.run('SELECT source, path FROM tailrace.sources');
  const rows = await warehouse.run(
    `SELECT epoch_ms(window_start)::DOUBLE, url_path, http_response_status_code::DOUBLE, requests::DOUBLE, bytes::DOUBLE,
      status, revision::DOUBLE, lines::DOUBLE FROM traffic`,
  );
  warehouse.close();
  return {
    lines: sources.flatMap(([source, path]) => idsOfFile(String(source), String(path))),
    rows: rows.map((row) => JSON.stringify(row)).toSorted(),
  };
}
