import { expect, test } from '@jest/globals';
import type { Message } from '../../src/broker/broker.ts';
import { COMPONENTS } from '../../src/components.ts';
import { buildState } from '../../src/engine/build-state.ts';
import { resolveSqlText } from '../support/configs.ts';
import { RAW_LOG, TASK, TestFile, beatMessage } from '../support/raw-stream.ts';

const NOW = Date.UTC(2026, 0, 1);

const TEXT = `version: 1
name: web
sources: { app: { type: file, include: [app.json], stream: access } }
streams:
  access:
    codec: { type: json, fields: { ts: date, path: keyword, n: long } }
    event_time: { field: ts, out_of_orderness: 0s }
    transforms: [{ type: derive, fields: { twice: n * 2 } }]
rollups:
  plain: { from: access, window: { type: tumbling, size: 1m }, measures: { n: count } }
  made:
    from: access
    where: cast(path as bigint) is distinct from 0
    window: { type: tumbling, size: 1m }
    measures: { a: sum(cast(path as bigint)), b: max(cast(path as bigint)), c: max(twice), paths: max(n) }
  of_rows: { from: made, window: { type: tumbling, size: 1h }, measures: { d: max(paths + 9223372036854775000) } }
`;

test('a lost value is said of the table whose expression it is, by the name of its measure; one of a field, of all', async () => {
  const { config } = await resolveSqlText(TEXT);
  const state = buildState({
    task: TASK,
    pipeline: config.pipeline,
    rawLog: RAW_LOG,
    rollupSinceMs: {},
    ...COMPONENTS,
  });
  const lines = ['12', 'x', 'y', '7'].map((path, i) =>
    JSON.stringify({ ts: new Date(NOW + i * 60_000).toISOString(), path, n: i === 3 ? '9223372036854775807' : 1_000 }),
  );
  const source = new TestFile(
    'a/1',
    lines.map((line) => line.replace('"9223372036854775807"', '9223372036854775807')),
  );
  const file = Object.assign(source, { readAtMs: NOW + 300_000 });
  for (const [offset, message] of [beatMessage(NOW, [file.report('announced')]), file.block()].entries())
    state.accept({ ...message, offset, appendedAtMs: NOW } as Message);
  const lost = state.takeBody(false).ledger.filter(({ fate }) => fate === 'value_lost');
  const said = lost.map(({ source: of, consumer, reason, sum }) => `${of} ${consumer} ${reason} ${sum.lines}`);
  expect(said.toSorted()).toEqual(
    [
      // Both measures have one column.
      'a/1 made a 2',
      'a/1 made twice 1',
      'a/1 made where 2',
      'a/1 plain twice 1',
      // Rows of the first three minutes.
      'made of_rows d 3',
    ].toSorted(),
  );
});
