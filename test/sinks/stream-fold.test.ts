import { beforeEach, describe, expect, test } from '@jest/globals';
import type { EpochBody, EpochEnvelope, SourceMark } from '../../src/epoch/epoch.ts';
import { COMPONENTS } from '../../src/components.ts';
import { type StoredRow, rowDocument, rowId, storedRow } from '../../src/sinks/elasticsearch/rollup-document.ts';
import { sliding } from '../../src/operators/sliding-window.ts';
import { type FoldedRow, keyOf } from '../../src/sinks/row-fold.ts';
import { StreamFold } from '../../src/sinks/stream-fold.ts';
import { type TestRow, TRAFFIC, bodyOf, pipelineOf, rowsOf } from '../support/epochs.ts';
import { TableRun } from '../support/table-run.ts';
import { SESSIONS, sessionIdentities, sessionRows } from '../support/session-rows.ts';

const MINUTE = 60_000;

let fold: StreamFold;
let numbers: number[];

beforeEach(() => {
  fold = new StreamFold(['traffic']);
  numbers = [0, 0];
});

function envelopeOf(partition: number, n: number, body: Partial<EpochBody>, log = `raw${partition}`): EpochEnvelope {
  return {
    id: String(n),
    prev: '',
    task: { pipeline: 'web', stream: 'access', partition },
    n,
    from: n - 1,
    to: n,
    rawLog: log,
    rawId: '',
    isSnapshot: body.pipeline !== undefined,
    generation: 1,
    otherLines: {},
    possibleLossBytes: 0,
    possibleDoubleBytes: 0,
    part: 0,
    parts: 1,
  };
}

function apply(partition: number, body: Partial<EpochBody>, log = `raw${partition}`): FoldedRow[] {
  const n = ++numbers[partition]!;
  const from = { stream: 'access', topic: 't', partition };
  const envelope = envelopeOf(partition, n, body, log);
  fold.apply({ from, epoch: { envelope, body: bodyOf(body) }, nextOffset: n + 1 });
  const changed = fold.takeChanged();
  for (const row of changed) fold.settle(row);
  return changed;
}

const snapshot = { pipeline: pipelineOf() };
const row = (lines: number, key: TestRow['key'] = ['/a', 200]): TestRow => ({
  startMs: 0,
  endMs: MINUTE,
  key,
  accumulators: [lines * 10, lines],
  lines,
});
const rows = (...all: TestRow[]): Partial<EpochBody> => ({ upserts: [rowsOf('traffic', all, TRAFFIC)] });
const source = (state: SourceMark['state']): Partial<EpochBody> => ({
  sources: [
    {
      source: 'a/1',
      identity: '',
      path: '',
      origin: 0,
      position: 0,
      tail: '',
      state,
      eventTimeMsMax: null,
      quietSinceMs: 0,
      gapEnd: null,
      agentSum: null,
      possibleLossBytes: 0,
      possibleDoubleBytes: 0,
    },
  ],
});
const shown = (changed: readonly FoldedRow[]): unknown[] =>
  changed.map((one) => [
    keyOf(one),
    fold.statusOf(one),
    [...one.parts].map(([partition, { n, lines }]) => [partition, n, lines]),
  ]);

describe('rows of one partition', () => {
  test('are handed out when they change, and once when they are final', () => {
    expect(shown(apply(0, { ...snapshot, ...rows(row(1)) }))).toEqual([[['/a', 200], 'open', [[0, 1, 1]]]]);
    expect(shown(apply(0, rows(row(2), row(1, [null, null]))))).toEqual([
      [['/a', 200], 'open', [[0, 2, 2]]],
      [[null, null], 'open', [[0, 2, 1]]],
    ]);
    expect(shown(apply(0, { watermarkMs: MINUTE - 2 }))).toEqual([]);
    expect(shown(apply(0, { watermarkMs: MINUTE - 1 })).map(([, status]: any) => status)).toEqual(['final', 'final']);
    expect(apply(0, { watermarkMs: 2 * MINUTE })).toEqual([]);
  });

  test('of all other keys are not those of the NULL key', () => {
    const [none, other] = [row(1, [null, null]), { ...row(2, [null, null]), isOther: true }];
    const changed = apply(0, { ...snapshot, ...rows(none, other) });
    expect(changed.map(({ cells, parts }) => [cells['is_other'], parts.get(0)!.lines])).toEqual([
      [0, 1],
      [1, 2],
    ]);
    const [context, [ofNone, ofOther]] = [{ pipeline: 'web', aggregates: COMPONENTS.aggregates }, changed];
    expect(rowId('web', ofNone!)).not.toBe(rowId('web', ofOther!));
    const document = rowDocument(ofOther!, 'open', context);
    expect(document).toMatchObject({ 'url.path': null, tailrace: { is_other: true, lines: 2 } });
    const { cells, parts } = ofOther!;
    expect(storedRow(document['tailrace'] as StoredRow)).toEqual({ table: 'traffic', cells, parts });
    expect(apply(0, rows({ ...other, lines: 5 })).map((one) => one.cells['is_other'])).toEqual([1]);
  });

  test('of other rollups are passed over, and of undefined ones refused', () => {
    const other = { ...TRAFFIC, measures: [] };
    const body = { pipeline: pipelineOf({ other }), rows: [rowsOf('other', [row(1)], other)] };
    expect(apply(0, body)).toEqual([]);
    expect(() => apply(0, rows(row(1)))).toThrow('which no snapshot defined');
  });

  test('of a table that left are passed over by a reader that begins with the snapshot that says so', () => {
    fold = new StreamFold(['traffic', 'gone']);
    const gone = rowsOf('gone', [row(1)], TRAFFIC);
    expect(shown(apply(0, { ...snapshot, upserts: [gone, rowsOf('traffic', [row(2)])] }))).toEqual([
      [['/a', 200], 'open', [[0, 1, 2]]],
    ]);
    expect(() => apply(0, { upserts: [gone] })).toThrow('epoch 2 has rows of gone, which no snapshot defined');
  });

  test('of a rollup that left the pipeline are final as they are', () => {
    apply(0, { ...snapshot, ...rows(row(1)) });
    expect(shown(apply(0, { pipeline: pipelineOf({}) }))).toEqual([[['/a', 200], 'final', [[0, 1, 1]]]]);
  });
});

describe('rows that are removed', () => {
  const pipeline = pipelineOf({ traffic: SESSIONS });
  const both = [1, 2].map((id) => ({ id, lastMs: 500 }));

  test('go before what is new comes, and are told of as superseded, with the number of the epoch', () => {
    apply(0, { pipeline, upserts: [sessionRows(...both)] });
    const changed = apply(0, { removes: [sessionIdentities(2)], upserts: [sessionRows({ id: 1, lastMs: 900 })] });
    expect(changed.map((one) => [one.cells['id_a'], one.cells['last_event'], fold.statusOf(one)])).toEqual([
      [2, 500, 'superseded'],
      [1, 900, 'open'],
    ]);
    expect(changed[0]!.parts.get(0)).toMatchObject({ n: 2, isRemoved: true });
    expect(shown(apply(0, { watermarkMs: 1899 })).map(([, status]: any) => status)).toEqual(['final']);
  });

  test('leave nothing behind of what was not told yet', () => {
    const from = { stream: 'access', topic: 't', partition: 0 };
    const take = (n: number, body: Partial<EpochBody>): void =>
      fold.apply({ from, epoch: { envelope: envelopeOf(0, n, body), body: bodyOf(body) }, nextOffset: n + 1 });
    take(1, { pipeline, upserts: [sessionRows(...both)] });
    take(2, { removes: [sessionIdentities(2)], watermarkMs: 0 });
    expect(fold.takeChanged().map((one) => [one.cells['id_a'], fold.statusOf(one)])).toEqual([
      [1, 'open'],
      [2, 'superseded'],
    ]);
  });

  test('and never came are damage, but in a snapshot, where a reader may begin', () => {
    expect(apply(0, { pipeline, removes: [sessionIdentities(1)] })).toEqual([]);
    expect(() => apply(0, { removes: [sessionIdentities(1)] })).toThrow('removes a row of traffic that is not there');
  });
});

describe('rows of two partitions', () => {
  test('are one row, open until both have passed', () => {
    apply(0, { ...snapshot, ...rows(row(1)) });
    expect(shown(apply(1, { ...snapshot, ...rows(row(2)) }))).toEqual([
      [
        ['/a', 200],
        'open',
        [
          [0, 1, 1],
          [1, 1, 2],
        ],
      ],
    ]);
    expect(apply(0, { watermarkMs: MINUTE })).toEqual([]);
    expect(shown(apply(1, { watermarkMs: MINUTE }))).toEqual([
      [
        ['/a', 200],
        'final',
        [
          [0, 1, 1],
          [1, 1, 2],
        ],
      ],
    ]);
  });

  test('are held open by a partition that has something to read, and by no other', () => {
    apply(1, { ...snapshot, ...source('reading') });
    apply(0, { ...snapshot, ...rows(row(1)) });
    expect(apply(0, { watermarkMs: MINUTE })).toEqual([]);
    expect(shown(apply(1, source('caught_up')))).toEqual([[['/a', 200], 'final', [[0, 1, 1]]]]);
  });
});

describe('rows that the store has', () => {
  const stored = (n: number, lines: number, log = 'raw0') => ({
    table: 'traffic',
    cells: { window_start: 0, window_end: MINUTE, is_other: 0, url_path: '/a', http_response_status_code: 200 },
    parts: new Map([[0, { n, log, lines, revision: 0, accumulators: [lines * 10, lines] }]]),
  });

  test('become final though no epoch names them any more', () => {
    fold.seed('traffic', [stored(7, 3)]);
    expect(shown(apply(0, { ...snapshot, watermarkMs: 0 }))).toEqual([[['/a', 200], 'open', [[0, 7, 3]]]]);
    expect(shown(apply(0, { watermarkMs: MINUTE }))).toEqual([[['/a', 200], 'final', [[0, 7, 3]]]]);
  });

  test('stay where an older epoch is read again, and give way to another log', () => {
    fold.seed('traffic', [stored(7, 3)]);
    expect(shown(apply(0, { ...snapshot, ...rows(row(1)) }))).toEqual([[['/a', 200], 'open', [[0, 7, 3]]]]);
    expect(shown(apply(0, rows(row(2)), 'new'))).toEqual([[['/a', 200], 'open', [[0, 2, 2]]]]);
  });
});

test('windows that overlap are final when they come, and their panes are nothing to tell of', () => {
  const window = { type: 'sliding', sizeMs: 5 * MINUTE, slideMs: MINUTE };
  const spec = { ...TRAFFIC, window, by: [], measures: [{ name: 'requests', aggregate: 'count' }] };
  const run = new TableRun(sliding, { name: 'recent', spec, fields: [] });
  const line = { timeMs: 0, watermarkMs: -1, cells: [] };
  run.process([line, { ...line, timeMs: 2 * MINUTE }], 0);
  run.operator.onWatermark(MINUTE - 1);
  const { upserts } = run.checkpoint(true, MINUTE - 1, false);
  expect(upserts.map(({ table }) => table)).toEqual(['recent', 'recent.panes']);
  fold = new StreamFold(['recent']);
  const body = { pipeline: pipelineOf({ recent: spec }), upserts, watermarkMs: MINUTE - 1 };
  const told = apply(0, body).map((one) => [one.schema.table, one.cells['window_end'], fold.statusOf(one)]);
  expect(told).toEqual([['recent', MINUTE, 'final']]);
});
