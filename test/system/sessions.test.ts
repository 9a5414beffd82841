// Sessions over files in disorder, with every role killed in turn, against gaps and islands in SQL over the same files.
import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { accessLine } from '../support/access-lines.ts';
import { type Appliance, type LockedRole, withAppliance } from '../support/appliance.ts';
import { killInTurn } from '../support/killed-roles.ts';
import { Random } from '../support/random.ts';
import { Warehouse } from '../support/row-oracle.ts';
import { foundSql, islandsSql } from '../support/session-islands.ts';

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
    const kills = { count: KILLS, roles: ROLES, random, pauseMsMax: 1000 };
    await killInTurn(appliance, kills, (piece) => appendPiece(appliance, piece, random));
    expect(await appliance.drain()).toMatchObject({ sent: KILLS * LINES_EACH, lost: 0, doubled: 0, isBalanced: true });
    const warehouse = await Warehouse.open(join(appliance.dataDir, 'warehouse.duckdb'));
    try {
      await warehouse.run(`SET TimeZone = 'UTC'`);
      const logs = readdirSync(appliance.logs).map((name) => join(appliance.logs, name));
      for (const [name, gap] of Object.entries(GAPS)) {
        const found = await warehouse.run(foundSql(name));
        expect(found).toEqual(await warehouse.run(islandsSql(logs, gap)));
        expect(found.length).toBeGreaterThan(100);
      }
    } finally {
      warehouse.close();
    }
  });
});

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
