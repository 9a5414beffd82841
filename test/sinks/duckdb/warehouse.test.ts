import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Log } from '../../../src/broker/broker.ts';
import type { SourceMark } from '../../../src/epoch/epoch.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { type Mutant, setMutant } from '../../../src/lib/mutant.ts';
import { EpochChain, TRAFFIC, type TestRow, pipelineOf, rowsOf } from '../../support/epochs.ts';
import { MemoryStore } from '../../support/memory-log.ts';
import { SESSIONS, sessionIdentities, sessionRows } from '../../support/session-rows.ts';
import { rollupRows } from '../../support/rollup-rows.ts';
import { WarehouseHarness } from '../../support/warehouse-harness.ts';

const MINUTE = 60_000;
const SUM_MAX = Number.MAX_SAFE_INTEGER;
const VIEW = `SELECT epoch_ms(window_start), url_path, http_response_status_code, requests, bytes, status, revision, late_lines, overflow
  FROM traffic ORDER BY ALL`;

let harness: WarehouseHarness;
let log: Log;
let chain: EpochChain;

beforeEach(async () => {
  harness = new WarehouseHarness();
  log = new MemoryStore({ clock: systemClock }).open();
  chain = await EpochChain.begin(log);
});
afterEach(() => {
  setMutant(undefined);
  harness.remove();
});

const row = (key: TestRow['key'], lines: number, minute = 0, rest: Partial<TestRow> = {}): TestRow => ({
  startMs: minute * MINUTE,
  endMs: (minute + 1) * MINUTE,
  key,
  accumulators: [lines * 100, lines],
  lines,
  ...rest,
});
const traffic = (...rows: TestRow[]) => [rowsOf('traffic', rows)];
const snapshot = { pipeline: pipelineOf(), fingerprints: { traffic: 'a' } };

function mark(source: string, rest: Partial<SourceMark> = {}): SourceMark {
  return {
    source,
    identity: 'i',
    path: '/var/log/access.log',
    origin: 0,
    position: 10,
    tail: 't',
    state: 'reading',
    eventTimeMsMax: 5,
    quietSinceMs: 7,
    gapEnd: null,
    agentSum: null,
    possibleLossBytes: 0,
    possibleDoubleBytes: 0,
    ...rest,
  };
}

describe('sessions that are joined', () => {
  /** The second is over by the watermark of the epoch that removes it. */
  const joined = async (): Promise<unknown> => {
    const both = [1, 2].map((id) => ({ id, lastMs: 500 }));
    const pipeline = pipelineOf({ traffic: SESSIONS });
    await chain.append({ pipeline, fingerprints: { traffic: 'a' }, upserts: [sessionRows(...both)] });
    const upserts = [sessionRows({ id: 1, lastMs: 900 })];
    await chain.append({ removes: [sessionIdentities(2)], upserts, watermarkMs: 1600 });
    await harness.runToEnd(log, chain.topic);
    return harness.query('SELECT epoch_ms(last_event), status FROM traffic ORDER BY ALL');
  };

  test('are one row, and the other is gone before anything becomes final', async () => {
    expect(await joined()).toEqual([[900, 'open']]);
  });

  test.each<Mutant>(['fold.removes_last'])('the mutant %s is seen', async (mutant) => {
    setMutant(mutant);
    await expect(joined()).rejects.toMatchObject({ code: 'WAREHOUSE_ROW_UNKNOWN' });
  });
});

describe('rows', () => {
  test('a long backlog of small epochs is folded within the memory limit, some at a time', async () => {
    await chain.append({ ...snapshot, upserts: traffic(row(['/a', 200], 1)) });
    for (let lines = 2; lines <= 150; lines++) await chain.append({ upserts: traffic(row(['/a', 200], lines)) });
    await harness.runToEnd(log, chain.topic);
    const sizes = harness.events.flatMap((event) => (event.type === 'committed' ? [event.epochs] : []));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(150);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(64);
    expect(await harness.query('SELECT lines FROM traffic')).toEqual([[150]]);
  });

  test('a row replaces the one of its window and key, and is final when the watermark has passed its window', async () => {
    await chain.append({ ...snapshot, upserts: traffic(row(['/a', 200], 1), row(['/b', 200], 5)) });
    await chain.append({ upserts: traffic(row(['/a', 200], 3), row(['/a', 200], 1, 1)), watermarkMs: MINUTE - 2 });
    await harness.runToEnd(log, chain.topic);
    expect(await harness.query(VIEW)).toEqual([
      [0, '/a', 200, 3, 300, 'open', 0, 0, false],
      [0, '/b', 200, 5, 500, 'open', 0, 0, false],
      [MINUTE, '/a', 200, 1, 100, 'open', 0, 0, false],
    ]);
    await chain.append({ upserts: traffic(row(['/b', 200], 6), row(['/c', 200], 1)), watermarkMs: MINUTE - 1 });
    await harness.runToEnd(log, chain.topic);
    expect(await harness.query(VIEW)).toEqual([
      [0, '/a', 200, 3, 300, 'final', 0, 0, false],
      [0, '/b', 200, 6, 600, 'final', 0, 0, false],
      [0, '/c', 200, 1, 100, 'final', 0, 0, false],
      [MINUTE, '/a', 200, 1, 100, 'open', 0, 0, false],
    ]);
    expect(await harness.query('SELECT count(*) FROM tailrace.traffic_open')).toEqual([[1]]);
  });

  test('NULL equals NULL, the empty string is another key, and so are bytes that are no UTF-8', async () => {
    await chain.append({
      ...snapshot,
      upserts: traffic(row([null, null], 1), row(['', 200], 2), row(['a\0b', 200], 3)),
    });
    await chain.append({ upserts: traffic(row([null, null], 4), row(['a\0b', 200], 5)) });
    const invalid = rowsOf('traffic', [row(['xx', 200], 1), row(['yy', 200], 2)]);
    const [path] = rollupRows(invalid, 2).keys;
    if (path?.kind === 'string') path.bytes.set([0xff, 0x41, 0xfe, 0x41]);
    await chain.append({ upserts: [invalid] });
    await chain.append({ upserts: [invalid] });
    await harness.runToEnd(log, chain.topic);
    expect(await harness.query('SELECT url_path, http_response_status_code, lines FROM traffic ORDER BY ALL')).toEqual([
      ['', 200, 2],
      ['\\xfeA', 200, 2],
      ['\\xffA', 200, 1],
      ['a\0b', 200, 5],
      [null, null, 4],
    ]);
  });

  test('a revised row, a sum beyond the exact range, and late lines of the window and key', async () => {
    const late = (key: (string | null)[], minute: number) => ({
      source: 'a/1',
      offset: 5,
      eventTimeMs: 1,
      rollup: 'traffic',
      windowStartMs: minute * MINUTE,
      windowEndMs: (minute + 1) * MINUTE,
      watermarkMs: 9 * MINUTE,
      key,
    });
    await chain.append({
      ...snapshot,
      watermarkMs: MINUTE,
      upserts: traffic(
        row(['/a', 200], 1, 0, { revision: 2 }),
        row(['/big', 200], 1, 0, { accumulators: [Number.NaN, 2] }),
        row(['/max', 200], 1, 0, { accumulators: [SUM_MAX, 2] }),
        row(['/none', null], 1, 0, { accumulators: [0, 0] }),
      ),
      late: [late(['/a', '200'], 0), late(['/a', '200'], 0), late(['/a', '200'], 1), late(['/none', null], 0)],
    });
    await harness.runToEnd(log, chain.topic);
    expect(await harness.query(VIEW)).toEqual([
      [0, '/a', 200, 1, 100, 'revised', 2, 2, false],
      [0, '/big', 200, 1, null, 'final', 0, 0, true],
      [0, '/max', 200, 1, SUM_MAX, 'final', 0, 0, false],
      [0, '/none', null, 1, null, 'final', 0, 1, false],
    ]);
    expect(await harness.query('SELECT window_start, watermark, key FROM tailrace.late LIMIT 1')).toEqual([
      ['1970-01-01T00:00:00.000Z', '1970-01-01T00:09:00.000Z', ['/a', '200']],
    ]);
  });

  test('a snapshot is the whole state: open rows that are not in it are gone, final ones stay', async () => {
    await chain.append({
      ...snapshot,
      upserts: traffic(row(['/old', 1], 1), row(['/gone', 1], 1, 1)),
      watermarkMs: MINUTE,
    });
    await chain.append({
      ...snapshot,
      upserts: traffic(row(['/here', 1], 1, 1), row(['/old', 1], 1)),
      watermarkMs: MINUTE,
    });
    await harness.runToEnd(log, chain.topic);
    expect(await harness.query('SELECT url_path, status FROM traffic ORDER BY 1')).toEqual([
      ['/here', 'open'],
      ['/old', 'final'],
    ]);
  });

  test('a rollup that is added gets its tables, one that leaves keeps its rows as final ones', async () => {
    const errors = { ...TRAFFIC, by: [], measures: [{ name: 'n', aggregate: 'count' }] };
    await chain.append({ ...snapshot, upserts: traffic(row(['/a', 1], 1)) });
    await chain.append(
      {
        pipeline: pipelineOf({ errors }),
        fingerprints: { errors: 'b' },
        upserts: [rowsOf('errors', [row([], 7, 0, { accumulators: [] })], errors)],
      },
      { generation: 2 },
    );
    await harness.runToEnd(log, chain.topic);
    expect(await harness.query('SELECT url_path, status FROM traffic')).toEqual([['/a', 'final']]);
    expect(await harness.query('SELECT n, status FROM errors')).toEqual([[7, 'open']]);
    expect(await harness.query('SELECT rollup, is_current FROM tailrace.rollups ORDER BY 1')).toEqual([
      ['errors', true],
      ['traffic', false],
    ]);
  });

  test('a rollup that comes back with another definition is refused', async () => {
    await chain.append(snapshot);
    await chain.append({ ...snapshot, fingerprints: { traffic: 'other' } });
    await expect(harness.runToEnd(log, chain.topic)).rejects.toMatchObject({ code: 'WAREHOUSE_ROLLUP_CHANGED' });
  });
});

describe('whole numbers beyond 2^53', () => {
  const big = 2n ** 62n;
  const keys = [String(big), String(big + 1n), 200, null, String(2n ** 63n - 1n), String(-(2n ** 63n))] as const;

  test('are keys of their own, that a later epoch finds again, also one without any', async () => {
    await chain.append({ ...snapshot, upserts: traffic(...keys.map((key, i) => row(['/a', key], i + 1))) });
    await chain.append({ upserts: traffic(row(['/a', keys[1]], 20), row(['/a', 200], 30)) });
    await chain.append({ upserts: traffic(row(['/a', 200], 31)) });
    await chain.append({ ...snapshot, upserts: traffic(...keys.map((key, i) => row(['/a', key], 100 + i))) });
    await chain.append({ upserts: [], watermarkMs: MINUTE });
    await harness.runToEnd(log, chain.topic);
    const query = 'SELECT http_response_status_code, requests FROM traffic ORDER BY requests';
    expect(await harness.query(query)).toEqual(keys.map((key, i) => [key, 100 + i]));
    const type = 'SELECT typeof(http_response_status_code), typeof(bytes) FROM traffic LIMIT 1';
    expect(await harness.query(type)).toEqual([['BIGINT', 'HUGEINT']]);
  });
});

describe('a stream of several partitions', () => {
  const pipeline = { ...pipelineOf(), streams: { access: { ...pipelineOf().streams['access']!, partitions: 2 } } };
  const both = { ...snapshot, pipeline };
  const topic = 't.epochs.web.halves';
  let left: EpochChain;
  let right: EpochChain;

  beforeEach(async () => {
    left = await EpochChain.begin(log, { topic, partition: 0, partitions: 2 });
    right = await EpochChain.begin(log, { topic, partition: 1, partitions: 2 });
  });

  test('has one row a window and key, merged, with its late lines once', async () => {
    const late = {
      source: 'a/1',
      offset: 5,
      eventTimeMs: 1,
      rollup: 'traffic',
      windowStartMs: 0,
      windowEndMs: MINUTE,
      watermarkMs: 9 * MINUTE,
      key: ['/a', '200'],
    };
    const rows = (lines: number, sum: number): ReturnType<typeof traffic> =>
      traffic(row(['/a', 200], lines), row([null, 200], lines), row(['/max', 200], 1, 0, { accumulators: [sum, 1] }));
    await left.append({ ...both, upserts: rows(1, SUM_MAX), late: [late], watermarkMs: MINUTE });
    await right.append({ ...both, upserts: rows(2, 1), late: [late], watermarkMs: MINUTE });
    await harness.runToEnd(log, topic);
    expect(await harness.query(VIEW)).toEqual([
      [0, '/a', 200, 3, 300, 'final', 0, 2, false],
      [0, '/max', 200, 2, String(2n ** 53n), 'final', 0, 0, false],
      [0, null, 200, 3, 300, 'final', 0, 0, false],
    ]);
  });

  test('has one row for the keys that have none in any of them, beside that of NULL', async () => {
    const other = { isOther: true };
    const late = { source: 'a/1', offset: 5, eventTimeMs: 1, rollup: 'traffic', windowStartMs: 0, windowEndMs: MINUTE };
    const rows = (lines: number): ReturnType<typeof traffic> =>
      traffic(row([null, null], lines), row(['/a', 200], lines), row([null, null], 10 * lines, 0, other));
    await left.append({ ...both, upserts: rows(1), late: [{ ...late, watermarkMs: 9 * MINUTE, key: [null, null] }] });
    await right.append({ ...both, upserts: rows(2) });
    await right.append({ upserts: traffic(row([null, null], 30, 0, other)), watermarkMs: MINUTE });
    await left.append({ upserts: [], watermarkMs: MINUTE });
    await harness.runToEnd(log, topic);
    const columns = 'url_path, requests, bytes, status, late_lines, is_other';
    expect(await harness.query(`SELECT ${columns} FROM traffic ORDER BY requests, url_path`)).toEqual([
      ['/a', 3, 300, 'final', 0, false],
      [null, 3, 300, 'final', 1, false],
      [null, 40, 4000, 'final', 0, true],
    ]);
  });

  test('has a row open until every partition that still reads has passed it', async () => {
    const status = async (): Promise<unknown> => {
      await harness.runToEnd(log, topic);
      return (await harness.query('SELECT requests, status FROM traffic'))[0];
    };
    await left.append({ ...both, upserts: traffic(row(['/a', 200], 1)), watermarkMs: MINUTE });
    await right.append({ ...both, sources: [mark('a/2', { state: 'announced' })] });
    expect(await status()).toEqual([1, 'open']);
    await right.append({ upserts: traffic(row(['/a', 200], 1)), watermarkMs: MINUTE - 2 });
    expect(await status()).toEqual([2, 'open']);
    await right.append({ sources: [mark('a/2')], watermarkMs: MINUTE - 1 });
    expect(await status()).toEqual([2, 'final']);
    await left.append({ upserts: traffic(row(['/b', 200], 1, 1)), watermarkMs: 2 * MINUTE });
    await right.append({ sources: [mark('a/2', { state: 'closed' })] });
    await harness.runToEnd(log, topic);
    expect(await harness.query('SELECT url_path, status FROM traffic ORDER BY 1')).toEqual([
      ['/a', 'final'],
      ['/b', 'final'],
    ]);
  });
});

describe('system tables', () => {
  test('ledger and sources hold the last totals, a forgotten source leaves them', async () => {
    const entry = (source: string, lines: number, a = 4294967295) => ({
      source,
      consumer: 'traffic',
      fate: 'rolled_up' as const,
      reason: '',
      sum: { lines, a, b: lines },
    });
    await chain.append({
      ...snapshot,
      sources: [mark('a/1'), mark('a/2')],
      ledger: [entry('a/1', 1), entry('a/2', 2)],
    });
    await chain.append({
      sources: [mark('a/2', { position: 99, agentSum: { lines: 3, a: 1, b: 2 } })],
      ledger: [entry('a/2', 5)],
    });
    await harness.runToEnd(log, chain.topic);
    const ledger = 'SELECT source, lines, sum_a FROM tailrace.ledger ORDER BY 1';
    expect(await harness.query(ledger)).toEqual([
      ['a/1', 1, 4294967295],
      ['a/2', 5, 4294967295],
    ]);
    expect(
      await harness.query('SELECT source, position, agent_lines, agent_sum_b FROM tailrace.sources ORDER BY 1'),
    ).toEqual([
      ['a/1', 10, null, null],
      ['a/2', 99, 3, 2],
    ]);
    await chain.append({
      sources: [mark('a/1', { state: 'forgotten' })],
      ledger: [entry('a/1', 0, 0), entry('a/0', 1)],
    });
    await harness.runToEnd(log, chain.topic);
    expect(await harness.query(ledger)).toEqual([
      ['a/0', 1, 4294967295],
      ['a/2', 5, 4294967295],
    ]);
    expect(await harness.query('SELECT source FROM tailrace.sources')).toEqual([['a/2']]);
  });

  test('dead letters keep their bytes, and a text that is safe to show', async () => {
    const bytes = Uint8Array.of(0x1b, 0x5b, 0xff, 0x41, 0);
    await chain.append({
      ...snapshot,
      deadLetters: [
        {
          source: 'a/1',
          offset: 2 ** 40,
          reason: 'malformed',
          path: '/log',
          detail: "rest: column 3: found '\x1b'",
          bytes,
          isCut: true,
          lengthBytes: 9000,
        },
      ],
      refusals: [{ rawOffset: 3, source: '', reason: 'damaged', start: 0, end: 0 }],
      agents: [{ agent: 'a', numberMax: 2, tMs: 1, logTimeMs: 2, hasEnded: false, fullBeatOffset: null }],
    });
    await harness.runToEnd(log, chain.topic);
    expect(await harness.query('FROM tailrace.dead_letters')).toEqual([
      [
        '/log',
        2 ** 40,
        'malformed',
        "rest: column 3: found '\\x1b'",
        '\\x1b[\\xffA\\x00[… 8995 bytes …]',
        Buffer.from(bytes).toString('base64'),
        true,
        9000,
        'a/1',
        'access',
      ],
    ]);
    expect(await harness.query('SELECT reason FROM tailrace.refusals')).toEqual([['damaged']]);
    expect(await harness.query('SELECT agent, number_max FROM tailrace.agents')).toEqual([['a', 2]]);
  });
});
