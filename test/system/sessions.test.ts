// Sessions over files in disorder, with every role killed in turn, against gaps and islands in SQL over the same files.
import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { systemClock } from '../../src/lib/clock.ts';
import { accessLine } from '../support/access-lines.ts';
import { type Appliance, type LockedRole, withAppliance } from '../support/appliance.ts';
import { Random } from '../support/random.ts';
import { Warehouse } from '../support/row-oracle.ts';
import { until } from '../support/tailrace-process.ts';

const IS_SOAK = process.env['TAILRACE_SOAK'] === '1';
const KILLS = IS_SOAK ? 120 : 9;
const LINES_EACH = IS_SOAK ? 10_000 : 2000;
const FILES = 4;
const GAPS = { short: 5, middle: 60, long: 600 } as const;
const START_MS = Date.UTC(2026, 0, 1);
/** Lines come up to so much later than newer ones: sessions are told of, and then joined. */
const DISORDER_S = 240;
const ROLES: readonly LockedRole[] = ['engine', 'sink-warehouse', 'agent'];

const rollup = ([name, gap]: readonly [string, number]): string =>
  `\n  ${name}: { from: access, by: [source.address], window: { type: session, gap: ${gap}s }, measures: { requests: count, bytes: sum(http.response.body.bytes), most: max(http.response.body.bytes) } }`;

test(`sessions with three gaps are those of SQL, with ${KILLS} kills on the way`, async () => {
  const options = { outOfOrderness: '10m', rollups: Object.entries(GAPS).map(rollup).join('') };
  await withAppliance(options, async (appliance) => {
    const random = new Random(10);
    const run = appliance.supervised();
    for (let piece = 0; piece < KILLS; piece++) {
      appendPiece(appliance, piece, random);
      const role = ROLES[piece % ROLES.length]!;
      await systemClock.sleep(200 + random.below(800));
      await until(
        () => killed(appliance.pidOf(role)),
        120_000,
        () => `${role} does not run: ${appliance.report()}`,
      );
    }
    run.child.kill('SIGTERM');
    await run.ended;
    expect(await appliance.drain()).toMatchObject({ sent: KILLS * LINES_EACH, lost: 0, doubled: 0, isBalanced: true });
    const warehouse = await Warehouse.open(join(appliance.dataDir, 'warehouse.duckdb'));
    try {
      await warehouse.run(`SET TimeZone = 'UTC'`);
      for (const [name, gap] of Object.entries(GAPS)) {
        const found = await warehouse.run(foundSql(name));
        expect(found).toEqual(await warehouse.run(islandsSql(appliance.logs, gap)));
        expect(found.length).toBeGreaterThan(100);
      }
    } finally {
      warehouse.close();
    }
  });
});

/** False where there is no such process: a role that ended leaves its number behind. */
function killed(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

/** Some clients come often, most rarely; each line is in its file up to DISORDER_S later than it should be. */
function appendPiece(appliance: Appliance, piece: number, random: Random): void {
  const lines = Array.from({ length: LINES_EACH }, (_, i) => {
    const number = piece * LINES_EACH + i;
    const second = Math.floor(number / 4);
    const client = random.chance(0.3) ? random.below(5) : random.below(200);
    return accessLine(client, START_MS + (second - random.below(DISORDER_S)) * 1000);
  });
  for (let file = 0; file < FILES; file++) {
    const own = lines.filter((_, i) => i % FILES === file);
    appendFileSync(appliance.log(`${file}.log`), `${own.join('\n')}\n`);
  }
}

const COLUMNS = 'source_address, first_event, last_event, requests, bytes, most';

function foundSql(table: string): string {
  const times = 'epoch_ms(first_event) AS first_event, epoch_ms(last_event) AS last_event';
  return `SELECT source_address, ${times}, requests, bytes, most, duration_ms = epoch_ms(last_event) - epoch_ms(first_event),
      epoch_ms(window_start) = epoch_ms(first_event), status
    FROM ${table} ORDER BY ${COLUMNS}`;
}

function islandsSql(logs: string, gapS: number): string {
  const files = readdirSync(logs).map((name) => `'${join(logs, name)}'`);
  return `WITH lines AS (
      SELECT regexp_extract(line, '^([0-9.]+) .*\\[(.*)\\] ".*" [0-9]+ ([0-9]+) ', ['address', 'time', 'bytes']) AS p
      FROM read_csv([${files.join(', ')}], columns = { line: 'VARCHAR' }, header = false, auto_detect = false, delim = '\x01', quote = '', escape = '')
    ), events AS (
      SELECT p.address AS address, epoch_ms(strptime(p.time, '%d/%b/%Y:%H:%M:%S %z')) AS t, CAST(p.bytes AS BIGINT) AS bytes FROM lines
    ), begun AS (
      SELECT *, coalesce(t - lag(t) OVER (PARTITION BY address ORDER BY t) > ${gapS * 1000}, true) AS begins FROM events
    ), islands AS (
      SELECT *, sum(begins::INTEGER) OVER (PARTITION BY address ORDER BY t ROWS UNBOUNDED PRECEDING) AS island FROM begun
    )
    SELECT address AS source_address, min(t) AS first_event, max(t) AS last_event, count(*) AS requests, sum(bytes) AS bytes, max(bytes) AS most,
      true, true, 'final'
    FROM islands GROUP BY address, island ORDER BY ${COLUMNS}`;
}
