import { describe, expect, test } from '@jest/globals';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Appliance, withAppliance } from '../support/appliance.ts';
import { type PlainFacts, plainFacts } from '../support/plain-access-log.ts';
import { Warehouse } from '../support/row-oracle.ts';

const GOLDEN = '../shared/data/apache_access_combined.log';
const SMALL = 'test/fixtures/access-small.log';
const WINDOW_MS = 10_000;

const ROLLUPS = `
  windows: { from: access, by: [], window: { type: tumbling, size: 10s }, measures: { requests: count } }
  statuses: { from: access, by: [http.response.status_code], window: { type: tumbling, size: 1h },
    measures: { requests: count, bytes: sum(http.response.body.bytes) } }
  clients: { from: access, by: [source.address], window: { type: tumbling, size: 1h }, measures: { requests: count } }`;

interface Known {
  readonly boundSeconds: number;
  readonly late: number;
  readonly windows: number;
}

interface WarehouseFacts extends Omit<PlainFacts, 'dead'> {
  readonly dead: readonly string[];
  readonly reasons: readonly string[];
}

async function warehouseFacts(appliance: Appliance): Promise<WarehouseFacts> {
  const warehouse = await Warehouse.open(join(appliance.dataDir, 'warehouse.duckdb'));
  const letters = await warehouse.run('SELECT hex(raw), reason FROM tailrace.dead_letters ORDER BY "offset"');
  const statuses = await warehouse.run(
    `SELECT coalesce(CAST(http_response_status_code AS VARCHAR), '-'), CAST(sum(requests) AS VARCHAR) FROM statuses GROUP BY 1`,
  );
  const late = `SELECT count(*) FROM tailrace.late WHERE rollup = 'windows'`;
  const facts = {
    good: (await warehouse.count('SELECT sum(requests) FROM windows')) + (await warehouse.count(late)),
    dead: letters.map(([hex]) => Buffer.from(String(hex), 'hex').toString('latin1')),
    reasons: letters.map(([, reason]) => String(reason)),
    statuses: Object.fromEntries(statuses.map(([status, count]) => [String(status), Number(count)])),
    bytes: await warehouse.count('SELECT sum(bytes) FROM statuses'),
    clients: await warehouse.count('SELECT count(DISTINCT source_address) FROM clients'),
    late: await warehouse.count(late),
    windows: await warehouse.count('SELECT count(*) FROM windows'),
  };
  warehouse.close();
  return facts;
}

/** One run over the file; the audit must be balanced and the tables say what the file says. */
async function run(
  file: string,
  bound: Known,
  check: (facts: WarehouseFacts, plain: PlainFacts) => void,
): Promise<void> {
  const { boundSeconds, late, windows } = bound;
  const options = { outOfOrderness: `${boundSeconds}s`, interval: '1s', snapshotAfter: '64MiB', rollups: ROLLUPS };
  await withAppliance(options, async (appliance) => {
    copyFileSync(file, appliance.log('access.log'));
    const audit = await appliance.drain();
    expect(audit).toMatchObject({ lost: 0, doubled: 0, isBalanced: true });
    const facts = await warehouseFacts(appliance);
    const plain = plainFacts(readFileSync(file), WINDOW_MS, boundSeconds * 1000);
    expect({ late: facts.late, windows: facts.windows }).toEqual({ late, windows });
    expect({ late: plain.late, windows: plain.windows }).toEqual({ late, windows });
    expect(facts).toMatchObject({ good: plain.good, dead: plain.dead });
    expect(audit.sent).toBe(facts.good + facts.dead.length);
    check(facts, plain);
  });
}

function sameFacts(facts: WarehouseFacts, plain: PlainFacts): void {
  const { reasons: _, ...rest } = facts;
  expect(rest).toEqual(plain);
}

describe('the small log', () => {
  test('every fact, with nothing late', () =>
    run(SMALL, { boundSeconds: 59, late: 0, windows: 107 }, (facts, plain) => {
      sameFacts(facts, plain);
      expect(facts).toMatchObject({ good: 196, bytes: 8_212_304, clients: 65 });
      expect(facts.statuses).toEqual({ 200: 138, 301: 15, 304: 13, 404: 14, 408: 1, 500: 15 });
      expect(facts.reasons).toEqual(['malformed', 'no_event_time', 'malformed', 'malformed']);
    }));

  test.each([
    { boundSeconds: 10, late: 60, windows: 84 },
    { boundSeconds: 0, late: 93, windows: 69 },
  ])('$late late lines with a bound of $boundSeconds s', (bound) => run(SMALL, bound, () => undefined));
});

const onGolden = existsSync(GOLDEN) ? describe : describe.skip;
if (!existsSync(GOLDEN)) process.stderr.write(`SKIPPED: ${GOLDEN} is not there; only the small log is run.\n`);

onGolden('four days of a real server: 10,000 lines', () => {
  test('every fact, with nothing late', () =>
    run(GOLDEN, { boundSeconds: 59, late: 0, windows: 504 }, (facts, plain) => {
      sameFacts(facts, plain);
      expect(facts).toMatchObject({ good: 9_999, bytes: 2_747_282_505, clients: 1_753, reasons: ['malformed'] });
      expect(facts.statuses).toEqual({
        200: 9_125,
        206: 45,
        301: 164,
        304: 445,
        403: 2,
        404: 213,
        416: 2,
        500: 3,
      });
      expect(facts.dead).toEqual([
        expect.stringMatching(/^46\.118\.127\.106 - - \[20\/May\/2015:12:05:17 \+0000\] "G/),
      ]);
    }));

  test.each([
    { boundSeconds: 30, late: 3_135, windows: 427 },
    { boundSeconds: 10, late: 6_488, windows: 301 },
    { boundSeconds: 0, late: 8_143, windows: 230 },
  ])('$late late lines with a bound of $boundSeconds s', (bound) => run(GOLDEN, bound, () => undefined));
});
