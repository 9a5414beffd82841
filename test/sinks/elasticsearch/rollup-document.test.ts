import { expect, test } from '@jest/globals';
import { COMPONENTS } from '../../../src/components.ts';
import type { RollupSpec } from '../../../src/epoch/pipeline.ts';
import type { Cell } from '../../../src/epoch/table.ts';
import {
  type StoredRow,
  joinStored,
  rowDocument,
  storedRow,
} from '../../../src/sinks/elasticsearch/rollup-document.ts';
import type { FoldedRow } from '../../../src/sinks/row-fold.ts';
import { templatesOf } from '../../../src/sinks/elasticsearch/templates.ts';
import { pipelineOf } from '../../support/epochs.ts';

const SPEC: RollupSpec = {
  from: 'access',
  by: [
    { field: 'status', type: 'long', column: 'http_status', as: 'http_status' },
    { field: 'url.path', type: 'keyword', column: 'url_path' },
  ],
  window: { type: 'tumbling', sizeMs: 60_000, offsetMs: 0 },
  allowedLatenessMs: 0,
  rowsMax: 10,
  measures: [{ name: 'requests', aggregate: 'count' }],
};

function rowOf(spec: RollupSpec, key: readonly [Cell, Cell]): Pick<FoldedRow, 'schema' | 'cells'> {
  const [status, path] = key;
  const cells = { window_start: 0, window_end: 60_000, is_other: 0, http_status: status, url_path: path };
  return { schema: pipelineOf({ traffic: spec }).tables['traffic']!, cells };
}

test('whole numbers have every digit, whatever their size', () => {
  const aggregates = COMPONENTS.aggregates;
  const spec = { ...SPEC, measures: [{ name: 'total', aggregate: 'sum', field: 'n', fieldType: 'long' as const }] };
  const part = { n: 1, log: 'l', revision: 0, lines: 2, accumulators: [1, 2, 2 ** 40] };
  const key = [String(2n ** 62n + 1n), '17'] as const;
  const row = rowOf(spec, key);
  const document = rowDocument({ ...row, parts: new Map([[0, part]]) }, 'final', { pipeline: 'web', aggregates });
  const text = JSON.stringify(document);
  expect(text).toContain(`"http_status":${2n ** 62n + 1n},"url.path":"17"`);
  expect(text).toContain(`"measures":{"total":${2n ** 93n + 1n}}`);
  const stored = { table: 'traffic', cells: row.cells, parts: new Map([[0, part]]) };
  expect(storedRow((JSON.parse(text) as { tailrace: StoredRow }).tailrace)).toEqual(stored);
});

test('a key is a field under the name it was given, in documents and in their mapping', () => {
  const aggregates = COMPONENTS.aggregates;
  const part = { n: 1, log: 'l', revision: 0, lines: 2, accumulators: [2] };
  const row = { ...rowOf(SPEC, [404, '/p']), parts: new Map([[0, part]]) };
  const document = rowDocument(row, 'final', { pipeline: 'web', aggregates });
  expect(document).toMatchObject({ http_status: 404, 'url.path': '/p', tailrace: { status: 'final' } });
  expect(document).not.toHaveProperty('status');

  const pipeline = pipelineOf({ traffic: SPEC });
  const templates = templatesOf({
    prefix: 'p',
    shards: 1,
    replicas: 0,
    pipeline,
    documents: {},
    rollups: ['traffic'],
    aggregates: COMPONENTS.aggregates,
  });
  const { properties } = templates.find(({ name }) => name === 'p-rollup-traffic')!.body.template.mappings;
  expect(properties).toMatchObject({
    http_status: { type: 'long' },
    url: { properties: { path: { type: 'keyword' } } },
  });
  expect(properties).not.toHaveProperty('status');
});

test('what another writer has told comes with its cells: a session has moved at both ends', () => {
  const schema = pipelineOf({ visits: { ...SPEC, window: { type: 'session', gapMs: 5000 } } }).tables['visits']!;
  const part = (n: number, lines: number) => ({ n, log: 'l', revision: 0, lines, accumulators: [lines] });
  const cellsOf = (from: number, to: number) => ({ first_event: from, last_event: to, window_end: to + 5000, id_a: 1 });
  const mine = { schema, cells: cellsOf(10, 20), parts: new Map([[0, part(3, 2)]]) };
  const stored = (n: number): Pick<StoredRow, 'status' | 'cells' | 'parts'> => ({
    status: 'open',
    cells: cellsOf(5, 30),
    parts: [{ ...part(n, 4), partition: 0, accumulators: Buffer.alloc(8).toString('base64') }],
  });
  // What is stored is older: it is written over.
  expect(joinStored(mine, 'open', stored(2), () => 'l')).toBe(true);
  expect(mine.cells).toEqual(cellsOf(10, 20));
  expect(joinStored(mine, 'open', stored(4), () => 'l')).toBe(false);
  expect([mine.cells, mine.parts.get(0)?.lines]).toEqual([cellsOf(5, 30), 4]);
  // Closed here and open there, it is written with what was told last.
  expect(joinStored(mine, 'final', stored(4), () => 'l')).toBe(true);
});

test('sketches of two partitions are plain values in a document, whole in what other writers read, and mapped by their type', () => {
  const { aggregates } = COMPONENTS;
  const measures: RollupSpec['measures'] = [
    { name: 'users', aggregate: 'distinct', field: 'user', fieldType: 'keyword' },
    { name: 'low', aggregate: 'quantile', field: 'took', fieldType: 'long', parameter: 0.1 },
    { name: 'high', aggregate: 'quantile', field: 'took', fieldType: 'long', parameter: 0.9, sketchOf: 'low' },
    { name: 'first_seen', aggregate: 'first', field: 'seen', fieldType: 'date' },
    { name: 'last_user', aggregate: 'last', field: 'user', fieldType: 'keyword' },
    { name: 'top_users', aggregate: 'top', field: 'user', fieldType: 'keyword', parameter: 1 },
  ];
  const kept = measures.filter(({ sketchOf }) => sketchOf === undefined);
  const partOf = (users: readonly string[], firstMs: number) => {
    const sketches = kept.map(({ aggregate, fieldType }) => {
      const rows = aggregates[aggregate]!.sketch!.rows(fieldType!);
      rows.grow(1);
      for (const [i, user] of users.entries()) {
        const bytes = Buffer.from(user);
        const timeMs = firstMs + i;
        if (fieldType !== 'keyword') rows.addNumber(0, fieldType === 'date' ? timeMs : i, 0, timeMs);
        else
          rows.addText(0, bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length, timeMs);
      }
      return rows.encode(0).slice();
    });
    return { n: 1, log: 'l', revision: 0, lines: users.length, accumulators: [], sketches };
  };
  const parts = new Map([
    [1, partOf(['a', 'b'], 1000)],
    [0, partOf(['b', 'c'], 3000)],
  ]);
  const row = { ...rowOf({ ...SPEC, measures }, [200, '/']), parts };
  const document = rowDocument(row, 'final', { pipeline: 'web', aggregates });
  expect(document).toMatchObject({
    tailrace: {
      measures: {
        users: 3,
        low: 0,
        high: expect.closeTo(1, 1),
        first_seen: '1970-01-01T00:00:01.000Z',
        last_user: 'c',
        top_users: [{ value: 'b', count: 2 }],
      },
    },
  });
  const stored = storedRow((JSON.parse(JSON.stringify(document)) as { tailrace: StoredRow }).tailrace);
  expect(rowDocument({ ...row, parts: stored.parts }, 'final', { pipeline: 'web', aggregates })).toEqual(document);

  const pipeline = pipelineOf({ traffic: { ...SPEC, measures } });
  const options = { prefix: 'p', shards: 1, replicas: 0, pipeline, documents: {}, rollups: ['traffic'], aggregates };
  const { properties } = templatesOf(options)[0]!.body.template.mappings;
  expect(properties).toMatchObject({
    tailrace: {
      properties: {
        measures: {
          properties: {
            users: { type: 'long' },
            high: { type: 'double' },
            first_seen: { type: 'date' },
            last_user: { type: 'keyword' },
            top_users: { properties: { value: { type: 'keyword' }, count: { type: 'long' } } },
          },
        },
      },
    },
  });
});
