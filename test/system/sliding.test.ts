// Windows that overlap over files in disorder, with every role killed in turn, against SQL over the same files: each line joined to its windows.
import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { accessLine } from '../support/access-lines.ts';
import { type Appliance, type LockedRole, withAppliance } from '../support/appliance.ts';
import { killInTurn } from '../support/killed-roles.ts';
import { Random } from '../support/random.ts';
import { Warehouse } from '../support/row-oracle.ts';

const IS_SOAK = process.env['TAILRACE_SOAK'] === '1';
const KILLS = IS_SOAK ? 120 : 6;
const LINES_EACH = IS_SOAK ? 10_000 : 2000;
const FILES = 4;
/** Size and slide, in minutes. */
const WINDOWS = { short: [5, 1], uneven: [30, 7], alone: [10, 10] } as const;
const START_MS = Date.UTC(2026, 0, 1);
/** Lines come up to so much later than newer ones. */
const DISORDER_S = 240;
const ROLES: readonly LockedRole[] = ['engine', 'sink-warehouse', 'agent'];

const rollup = ([name, [size, slide]]: readonly [string, readonly [number, number]]): string =>
  `\n  ${name}: { from: access, by: [source.address], window: { type: sliding, size: ${size}m, slide: ${slide}m }, measures: { requests: count, bytes: sum(http.response.body.bytes), most: max(http.response.body.bytes) } }`;

test(`windows that overlap are those of SQL, with ${KILLS} kills on the way`, async () => {
  const options = { outOfOrderness: '10m', rollups: Object.entries(WINDOWS).map(rollup).join('') };
  await withAppliance(options, async (appliance) => {
    const random = new Random(26);
    const kills = { count: KILLS, roles: ROLES, random, pauseMsMax: 1000 };
    await killInTurn(appliance, kills, (piece) => appendPiece(appliance, piece, random));
    // Open windows are told of, and counted, like those that are final.
    expect(await appliance.drain()).toMatchObject({ sent: KILLS * LINES_EACH, lost: 0, doubled: 0, isBalanced: true });
    const warehouse = await Warehouse.open(join(appliance.dataDir, 'warehouse.duckdb'));
    try {
      await warehouse.run(`SET TimeZone = 'UTC'`);
      for (const [name, [size, slide]] of Object.entries(WINDOWS)) {
        const found = await warehouse.run(foundSql(name));
        expect(found).toEqual(await warehouse.run(joinedSql(appliance.logs, size * 60_000, slide * 60_000)));
        expect(found.length).toBeGreaterThan(100);
      }
    } finally {
      warehouse.close();
    }
  });
});

function appendPiece(appliance: Appliance, piece: number, random: Random): void {
  const lines = Array.from({ length: LINES_EACH }, (_, i) => {
    const second = Math.floor((piece * LINES_EACH + i) / 4);
    const client = random.chance(0.3) ? random.below(5) : random.below(200);
    return accessLine(client, START_MS + (second - random.below(DISORDER_S)) * 1000);
  });
  for (let file = 0; file < FILES; file++) {
    const own = lines.filter((_, i) => i % FILES === file);
    appendFileSync(appliance.log(`${file}.log`), `${own.join('\n')}\n`);
  }
}

const COLUMNS = 'source_address, window_start, window_end, requests, bytes, most';

function foundSql(table: string): string {
  const times = 'epoch_ms(window_start) AS window_start, epoch_ms(window_end) AS window_end';
  return `SELECT source_address, ${times}, requests, bytes, most, lines = requests, late_lines, status FROM ${table} ORDER BY ${COLUMNS}`;
}

function joinedSql(logs: string, sizeMs: number, slideMs: number): string {
  const files = readdirSync(logs).map((name) => `'${join(logs, name)}'`);
  return `WITH lines AS (
      SELECT regexp_extract(line, '^([0-9.]+) .*\\[(.*)\\] ".*" [0-9]+ ([0-9]+) ', ['address', 'time', 'bytes']) AS p
      FROM read_csv([${files.join(', ')}], columns = { line: 'VARCHAR' }, header = false, auto_detect = false, delim = '\x01', quote = '', escape = '')
    ), events AS (
      SELECT p.address AS address, epoch_ms(strptime(p.time, '%d/%b/%Y:%H:%M:%S %z')) AS t, CAST(p.bytes AS BIGINT) AS bytes FROM lines
    ), windows AS (
      SELECT unnest(generate_series((SELECT min(t) // ${slideMs} * ${slideMs} - ${sizeMs} FROM events), (SELECT max(t) FROM events), 60000)) AS s
    )
    SELECT address AS source_address, s AS window_start, s + ${sizeMs} AS window_end, count(*) AS requests, sum(bytes) AS bytes, max(bytes) AS most,
      true, CAST(0 AS BIGINT), 'final'
    FROM events JOIN windows ON s % ${slideMs} = 0 AND t >= s AND t < s + ${sizeMs}
    GROUP BY address, s ORDER BY ${COLUMNS}`;
}
