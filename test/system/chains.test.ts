// Tables over tables, with every role killed in turn, against SQL over the same files.
import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { rollupIndex } from '../../src/sinks/elasticsearch/templates.ts';
import { accessLine } from '../support/access-lines.ts';
import { type Appliance, type LockedRole, withAppliance } from '../support/appliance.ts';
import { killInTurn } from '../support/killed-roles.ts';
import { Random } from '../support/random.ts';
import { Warehouse } from '../support/row-oracle.ts';
import { type Elasticsearch, startElasticsearch } from '../support/stack/elasticsearch.ts';
import { SERVER_START_MS, describeWith } from '../support/stack/require-stack.ts';

const IS_SOAK = process.env['TAILRACE_SOAK'] === '1';
const KILLS = IS_SOAK ? 120 : 6;
const LINES_EACH = IS_SOAK ? 10_000 : 2000;
const FILES = 3;
const START_MS = Date.UTC(2026, 0, 1);
const DISORDER_S = 240;
const ROLES: readonly LockedRole[] = ['engine', 'sink-warehouse', 'agent'];

/** Readers stand before what they read: the order of the file means nothing. */
const ROLLUPS = `
  per_half_hour: { from: per_ten_minutes, window: { type: tumbling, size: 30m }, measures: { requests: sum(requests), clients: count, peak: max(peak) } }
  per_ten_minutes: { from: per_minute, by: [source.address], window: { type: tumbling, size: 10m },
    measures: { requests: sum(requests), bytes: sum(bytes), peak: max(requests), mean: avg(bytes) } }
  per_minute: { from: access, by: [source.address], window: { type: tumbling, size: 1m }, allowed_lateness: 2m,
    measures: { requests: count, bytes: sum(http.response.body.bytes) } }
  rolling: { from: per_minute, by: [source.address], window: { type: sliding, size: 5m, slide: 1m }, measures: { requests: sum(requests), minutes: count } }
  visits: { from: access, by: [source.address], window: { type: session, gap: 60s }, measures: { pages: count } }
  visits_per_ten_minutes: { from: visits, window: { type: tumbling, size: 10m },
    measures: { visits: count, mean: avg(duration_ms), pages: sum(pages), longest: max(duration_ms) } }
  returns: { from: visits, by: [source.address], window: { type: session, gap: 5m }, measures: { visits: count, pages: sum(pages) } }`;

test('over several partitions parts of rows come together to what whole rows say', async () => {
  const measures = 'requests: sum(requests), bytes: sum(bytes), least: min(least), most: max(most)';
  const rollups = `
  per_minute: { from: access, by: [url.path], window: { type: tumbling, size: 1m },
    measures: { requests: count, bytes: sum(http.response.body.bytes), least: min(http.response.body.bytes), most: max(http.response.body.bytes) } }
  per_hour: { from: per_minute, by: [url.path], window: { type: tumbling, size: 1h }, measures: { ${measures}, counted: sum(lines) } }
  per_day: { from: per_hour, window: { type: tumbling, size: 1d }, measures: { ${measures} } }`;
  await withAppliance({ outOfOrderness: '10m', rollups, partitions: 3 }, async (appliance) => {
    // So many that they are not all in one partition.
    appendPiece(appliance, 0, new Random(29), 16);
    expect(await appliance.drain()).toMatchObject({ sent: LINES_EACH, lost: 0, doubled: 0, isBalanced: true });
    const warehouse = await Warehouse.open(join(appliance.dataDir, 'warehouse.duckdb'));
    try {
      await warehouse.run(`SET TimeZone = 'UTC'`);
      const all = 'sum(requests), sum(bytes), min(least), max(most)';
      for (const [table, from, size, keys, values, wanted] of [
        [
          'per_hour',
          'per_minute',
          'hour',
          'url_path',
          'requests, bytes, least, most, counted',
          `${all}, sum(requests)`,
        ],
        ['per_day', 'per_hour', 'day', `''`, 'requests, bytes, least, most', all],
      ] as const) {
        const start = `date_trunc('${size}', window_end - INTERVAL 1 millisecond)`;
        const found = await warehouse.run(
          `SELECT epoch_ms(window_start), ${keys}, ${values}, status FROM main.${table} ORDER BY ALL`,
        );
        const sql = `SELECT epoch_ms(${start}), ${keys}, ${wanted}, 'final' FROM main.${from} GROUP BY ${start}, ${keys} ORDER BY ALL`;
        expect(found).toEqual(await warehouse.run(sql));
        expect(found.length).toBeGreaterThan(1);
      }
      expect(await warehouse.count('SELECT count(DISTINCT partition) FROM tailrace.per_hour_final')).toBeGreaterThan(1);
    } finally {
      warehouse.close();
    }
  });
});

/** Tables as they are in the warehouse, and in Elasticsearch. */
const COMPARED = {
  per_ten_minutes: ['requests', 'bytes', 'peak'],
  visits_per_ten_minutes: ['visits', 'pages', 'longest'],
};

describeWith('elasticsearch')('in a real Elasticsearch', () => {
  let elasticsearch: Elasticsearch;

  beforeAll(async () => {
    elasticsearch = await startElasticsearch({ heapMiB: 512 });
  }, SERVER_START_MS);
  afterAll(async () => {
    await elasticsearch?.stop();
  });

  test('tables over tables are documents as others are', async () => {
    const search = `{ type: elasticsearch, nodes: ['${elasticsearch.url}'], index_prefix: chains, replicas: 0, documents: [] }`;
    const sinks = `\n  warehouse: { type: duckdb }\n  search: ${search}`;
    await withAppliance({ outOfOrderness: '10m', rollups: ROLLUPS, sinks }, async (appliance) => {
      appendPiece(appliance, 0, new Random(28));
      expect(await appliance.drain()).toMatchObject({ sent: LINES_EACH, lost: 0, doubled: 0, isBalanced: true });
      const warehouse = await Warehouse.open(join(appliance.dataDir, 'warehouse.duckdb'));
      try {
        for (const [table, measures] of Object.entries(COMPARED)) {
          const columns = measures.map((name) => `CAST(${name} AS INTEGER)`).join(', ');
          const rows = await warehouse.run(
            `SELECT epoch_ms(window_start)::VARCHAR, ${columns}, status FROM main.${table}`,
          );
          const found = await documentsOf(table, measures);
          expect([table, found.toSorted()]).toEqual([table, rows.map((row) => JSON.stringify(row)).toSorted()]);
          expect(rows.length).toBeGreaterThan(1);
        }
      } finally {
        warehouse.close();
      }
    });
  });

  async function documentsOf(table: string, measures: readonly string[]): Promise<string[]> {
    const index = rollupIndex('chains', table);
    await elasticsearch.ask(`/${index}/_refresh`, 'POST');
    const { body } = await elasticsearch.ask(`/${index}/_search?size=10000`, 'POST', {});
    const { hits } = (body as { hits: { hits: { _source: { tailrace: any } }[] } }).hits;
    return hits.map(({ _source: { tailrace } }) => {
      const values = measures.map((name) => tailrace.measures[name]);
      return JSON.stringify([String(Date.parse(tailrace.window.start)), ...values, tailrace.status]);
    });
  }
});

test(`tables over tables are those of SQL, with ${KILLS} kills on the way`, async () => {
  await withAppliance({ outOfOrderness: '10m', rollups: ROLLUPS }, async (appliance) => {
    const random = new Random(27);
    const kills = { count: KILLS, roles: ROLES, random, pauseMsMax: 1000 };
    await killInTurn(appliance, kills, (piece) => appendPiece(appliance, piece, random));
    const audit = await appliance.drain();
    expect(audit).toMatchObject({ sent: KILLS * LINES_EACH, lost: 0, doubled: 0, isBalanced: true });
    const warehouse = await Warehouse.open(join(appliance.dataDir, 'warehouse.duckdb'));
    try {
      await warehouse.run(`SET TimeZone = 'UTC'`);
      await warehouse.run(eventsSql(appliance.logs));
      for (const [name, { columns, sql }] of Object.entries(WANTED)) {
        const found = await warehouse.run(
          `SELECT epoch_ms(window_start), epoch_ms(window_end), ${columns}, status FROM main.${name} ORDER BY ALL`,
        );
        expect([name, found]).toEqual([name, await warehouse.run(`SELECT *, 'final' FROM (${sql}) ORDER BY ALL`)]);
        expect(found.length).toBeGreaterThan(name === 'per_half_hour' ? 1 : 3);
      }
      const rowsOf = (table: string): Promise<number> => warehouse.count(`SELECT count(*) FROM main.${table}`);
      const read = audit.rollups.flatMap(({ rollup, input, sent }) => (input === null ? [] : [[rollup, input, sent]]));
      expect(read).toEqual([
        ['per_half_hour', 'per_ten_minutes', await rowsOf('per_ten_minutes')],
        ['per_ten_minutes', 'per_minute', await rowsOf('per_minute')],
        ['returns', 'visits', await rowsOf('visits')],
        ['rolling', 'per_minute', await rowsOf('per_minute')],
        ['visits_per_ten_minutes', 'visits', await rowsOf('visits')],
      ]);
    } finally {
      warehouse.close();
    }
  });
});

function appendPiece(appliance: Appliance, piece: number, random: Random, files = FILES): void {
  const lines = Array.from({ length: LINES_EACH }, (_, i) => {
    const second = Math.floor((piece * LINES_EACH + i) / 2);
    const client = random.chance(0.3) ? random.below(5) : random.below(100);
    return accessLine(client, START_MS + (second - random.below(DISORDER_S)) * 1000);
  });
  for (let file = 0; file < files; file++) {
    const own = lines.filter((_, i) => i % files === file);
    appendFileSync(appliance.log(`${file}.log`), `${own.join('\n')}\n`);
  }
}

function eventsSql(logs: string): string {
  const files = readdirSync(logs).map((name) => `'${join(logs, name)}'`);
  return `CREATE TEMP TABLE events AS WITH lines AS (
      SELECT regexp_extract(line, '^([0-9.]+) .*\\[(.*)\\] ".*" [0-9]+ ([0-9]+) ', ['address', 'time', 'bytes']) AS p
      FROM read_csv([${files.join(', ')}], columns = { line: 'VARCHAR' }, header = false, auto_detect = false, delim = '\x01', quote = '', escape = '')
    ) SELECT p.address AS address, epoch_ms(strptime(p.time, '%d/%b/%Y:%H:%M:%S %z')) AS t, CAST(p.bytes AS BIGINT) AS bytes FROM lines`;
}

const MINUTE = 60_000;
/** Begin and end of the window of `t`, which is what a row of a table has for its event time. */
const windowOf = (t: string, minutes: number): string => {
  const begin = `${t} // ${minutes * MINUTE} * ${minutes * MINUTE}`;
  return `${begin} AS s, ${begin} + ${minutes * MINUTE} AS e`;
};
const perMinute = `SELECT ${windowOf('t', 1)}, address, count(*) AS requests, sum(bytes) AS bytes FROM events GROUP BY ALL`;
const perTenMinutes = `SELECT ${windowOf('(m.e - 1)', 10)}, address, sum(m.requests) AS requests, sum(m.bytes) AS bytes, max(m.requests) AS peak,
    CAST(sum(m.bytes) AS DOUBLE) / count(*) AS mean FROM (${perMinute}) AS m GROUP BY ALL`;
/** Events of a client with at most `gap` between them: \`value\` sums up. */
const islands = (
  from: string,
  gapMs: number,
  values: string,
): string => `SELECT address, min(t) AS s, max(t) + ${gapMs} AS e, ${values}
  FROM (SELECT *, sum(begins::INTEGER) OVER (PARTITION BY address ORDER BY t ROWS UNBOUNDED PRECEDING) AS island
    FROM (SELECT *, coalesce(t - lag(t) OVER (PARTITION BY address ORDER BY t) > ${gapMs}, true) AS begins FROM (${from}))) GROUP BY address, island`;
const visits = islands('SELECT address, t FROM events', MINUTE, 'count(*) AS pages, max(t) - min(t) AS duration');
const returns = islands(
  `SELECT address, e - 1 AS t, pages FROM (${visits})`,
  5 * MINUTE,
  'count(*) AS visits, sum(pages) AS pages',
);

const WANTED: Readonly<Record<string, { readonly columns: string; readonly sql: string }>> = {
  per_minute: { columns: 'source_address, requests, bytes', sql: perMinute },
  per_ten_minutes: { columns: 'source_address, requests, bytes, peak, mean', sql: perTenMinutes },
  per_half_hour: {
    columns: 'requests, clients, peak',
    sql: `SELECT ${windowOf('(h.e - 1)', 30)}, sum(h.requests), count(*), max(h.peak) FROM (${perTenMinutes}) AS h GROUP BY ALL`,
  },
  rolling: {
    columns: 'source_address, requests, minutes',
    sql: `SELECT s, s + ${5 * MINUTE}, address, sum(requests), count(*) FROM (
        SELECT address, requests, unnest(range(w - ${4 * MINUTE}, w + 1, ${MINUTE})) AS s
        FROM (SELECT address, requests, s AS w FROM (${perMinute}))) GROUP BY ALL`,
  },
  visits: {
    columns: 'source_address, pages, duration_ms',
    sql: `SELECT s, e, address, pages, duration FROM (${visits})`,
  },
  visits_per_ten_minutes: {
    columns: 'visits, mean, pages, longest',
    sql: `SELECT ${windowOf('(v.e - 1)', 10)}, count(*), CAST(sum(duration) AS DOUBLE) / count(*), sum(pages), max(duration) FROM (${visits}) AS v GROUP BY ALL`,
  },
  returns: { columns: 'source_address, visits, pages', sql: `SELECT s, e, address, visits, pages FROM (${returns})` },
};
