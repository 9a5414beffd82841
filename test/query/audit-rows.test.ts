// The audit of a table that reads another one: its lines are that one's final rows.
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { EpochBody, Fate, LedgerEntry } from '../../src/epoch/epoch.ts';
import type { RollupSpec } from '../../src/epoch/pipeline.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { type AuditResult, audit } from '../../src/query/audit.ts';
import { auditSentence, auditText } from '../../src/query/audit-report.ts';
import { EpochChain, TRAFFIC, type TestRow, pipelineOf, rowsOf } from '../support/epochs.ts';
import { MemoryStore } from '../support/memory-log.ts';
import { WarehouseHarness } from '../support/warehouse-harness.ts';

const HOUR: RollupSpec = {
  ...TRAFFIC,
  from: 'traffic',
  by: [],
  window: { type: 'tumbling', sizeMs: 3_600_000, offsetMs: 0 },
  measures: [{ name: 'requests', aggregate: 'sum', field: 'requests', fieldType: 'long' }],
};
const PIPELINE = pipelineOf({ traffic: TRAFFIC, hour: HOUR });

let harness: WarehouseHarness;

beforeEach(() => void (harness = new WarehouseHarness()));
afterEach(() => harness.remove());

const rowOf = (key: readonly string[], endMs: number, lengthMs: number): TestRow => {
  return { startMs: endMs - lengthMs, endMs, key, accumulators: [2, 1, 0], lines: 2, sumA: 7, sumB: 8 };
};
const accounts = (consumer: string, source: string, fates: readonly Fate[]): LedgerEntry[] =>
  fates.map((fate) => ({ source, consumer, fate, reason: '', sum: { lines: 2, a: 7, b: 8 } }));

/** Two rows of traffic are final, one is not; the hour has what its fates say of them. */
async function auditOf(fates: readonly Fate[], generation = 1): Promise<AuditResult> {
  const log = new MemoryStore({ clock: systemClock }).open();
  const chain = await EpochChain.begin(log);
  const traffic = [rowOf(['/a'], 60_000, 60_000), rowOf(['/b'], 60_000, 60_000), rowOf(['/a'], 120_000, 60_000)];
  const hour = fates.length === 0 ? [] : [rowsOf('hour', [rowOf([], 3_600_000, 3_600_000)], HOUR)];
  const lines = accounts('traffic', 'agent/1', ['in', 'rolled_up', 'placed']);
  const ofTraffic = {
    upserts: [rowsOf('traffic', traffic)],
    ledger: lines.map((one) => ({ ...one, sum: { lines: 6, a: 21, b: 24 } })),
  };
  const body: Partial<EpochBody> = {
    pipeline: pipelineOf(),
    fingerprints: { traffic: 'x' },
    watermarkMs: 60_000,
    ...ofTraffic,
  };
  const ofHour = {
    pipeline: PIPELINE,
    fingerprints: { traffic: 'x', hour: 'y' },
    ledger: [...ofTraffic.ledger, ...accounts('hour', 'traffic', fates)],
    upserts: [...ofTraffic.upserts, ...hour],
  };
  if (generation > 1) await chain.append(body);
  await chain.append({ ...body, ...ofHour }, { generation });
  await harness.runToEnd(log, chain.topic);
  return audit({ query: (sql) => harness.query(sql) });
}

test('all final rows came, each once; they are not counted as lines', async () => {
  const result = await auditOf(['in', 'rolled_up', 'placed']);
  expect(result.differences).toEqual([]);
  expect(auditSentence(result)).toBe('sent 6 = stored 6, lost 0, doubled 0');
  expect(result.rollups[0]).toMatchObject({ rollup: 'hour', input: 'traffic', sent: 2, rolledUp: 2, deadLetters: 0 });
  expect(auditText(result)).toMatch(/^hour \(rows of traffic\) +2 +2 /m);
});

test('rows that did not come are missing', async () => {
  const result = await auditOf([]);
  expect(result.differences).toEqual(['hour: the final rows of traffic are 2 lines, the ledger took in 0: 2 lost']);
  expect(auditSentence(result)).toBe('sent 6 ≠ stored 6, lost 2, doubled 0');
});

test('rows that came and have no fate, or are in no row, are missing', async () => {
  const noFate = await auditOf(['in', 'placed']);
  expect(noFate.differences).toEqual(['hour: of traffic the ledger took in 2 lines, and gave a fate to 0: 2 lost']);
  harness.remove();
  harness = new WarehouseHarness();
  const noRow = await auditOf(['in', 'rolled_up']);
  expect(noRow.differences).toEqual(['hour: the ledger has placed 0 lines, its rows hold 2: 2 doubled']);
});

test('what was final before it came was not for it', async () => {
  const result = await auditOf([], 2);
  expect(result.differences).toEqual([]);
});

test('where windows overlap, what is missing is counted in placements, and no more is missing than was sent', async () => {
  const recent: RollupSpec = { ...TRAFFIC, window: { type: 'sliding', sizeMs: 600_000, slideMs: 60_000 } };
  const log = new MemoryStore({ clock: systemClock }).open();
  const chain = await EpochChain.begin(log);
  const sums = accounts('recent', 'agent/1', ['in', 'rolled_up', 'placed']);
  const ledger = sums.map((one) => (one.fate === 'placed' ? { ...one, sum: { lines: 20, a: 70, b: 80 } } : one));
  await chain.append({ pipeline: pipelineOf({ recent }), fingerprints: { recent: 'x' }, watermarkMs: 60_000, ledger });
  await harness.runToEnd(log, chain.topic);
  const result = await audit({ query: (sql) => harness.query(sql) });
  expect(result.differences).toEqual([
    'recent: the ledger has 20 placements (lines times windows), its rows hold 0: 20 lost',
  ]);
  expect(auditSentence(result)).toBe('sent 2 ≠ stored 0, lost 20, doubled 0');
  expect(await harness.query('SELECT rollup FROM tailrace.rollups WHERE is_visible')).toEqual([['recent']]);
});
