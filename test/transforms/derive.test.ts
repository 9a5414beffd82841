// What filters and derived fields make of lines, through the configuration and the reader of lines, as a task reads them.
import { describe, expect, test } from '@jest/globals';
import type { Message } from '../../src/broker/broker.ts';
import { COMPONENTS } from '../../src/components.ts';
import { buildState } from '../../src/engine/build-state.ts';
import type { Pipeline } from '../../src/epoch/pipeline.ts';
import { cellAt } from '../../src/expressions/column.ts';
import { type Value, valueTypeOf } from '../../src/expressions/tree.ts';
import type { Fields } from '../../src/record/batch.ts';
import { streamPlan } from '../../src/transforms/stream-plan.ts';
import { resolveSqlText } from '../support/configs.ts';
import { blockOf } from '../support/decoded.ts';
import { RAW_LOG, TASK, TestFile, beatMessage } from '../support/raw-stream.ts';

const NOW = Date.UTC(2026, 0, 1);

function textWith(transforms: string, measures = '{ n: count }', by = '[]'): string {
  return `version: 1
name: web
sources: { app: { type: file, include: [app.json], stream: access } }
streams:
  access:
    codec: { type: json, fields: { ts: date, path: keyword, n: long, x: double, ok: boolean } }
    event_time: { field: ts }
    transforms: ${transforms}
rollups: { traffic: { from: access, by: ${by}, window: { type: tumbling, size: 1m }, measures: ${measures} } }
`;
}

async function pipelineOf(...of: Parameters<typeof textWith>): Promise<Pipeline> {
  return (await resolveSqlText(textWith(...of))).config.pipeline;
}

const lineOf = (fields: object): string => JSON.stringify({ ts: new Date(NOW).toISOString(), ...fields });

/** What is left of lines: the fields of each, or why it does not go on. */
async function read(transforms: string, lines: readonly object[], wanted?: readonly string[]): Promise<unknown[]> {
  const stream = (await pipelineOf(transforms)).streams['access']!;
  const plan = streamPlan(stream, COMPONENTS);
  const fields: Fields = plan.fields;
  const names = wanted ?? Object.keys(fields).filter((name) => name !== 'ts');
  const reader = plan.reader(
    names.map((name) => ({ name, type: fields[name]! })),
    stream.eventTime,
  );
  const { batch, verdicts } = reader;
  reader.decode(blockOf(lines.map(lineOf)), batch);
  reader.transform(batch);
  return lines.map((_, i) => {
    const { fate, reason } = verdicts[batch.verdict[i]!]!;
    if (fate !== 'goes_on') return `${fate} ${reason}`;
    const cells = names.map((name, c): [string, Value] => [
      name,
      cellAt(batch, batch.columns[c]!, i, valueTypeOf(fields[name]!)),
    ]);
    return Object.fromEntries(cells);
  });
}

describe('transforms with expressions', () => {
  test('see what those before have made, dropped and renamed, whatever is wanted of it', async () => {
    const transforms = `
      - { type: derive, fields: { half: n // 2, first: "left(path, 2)" } }
      - { type: rename, fields: { half: n, n: whole } }
      - { type: derive, fields: { sum: n + whole, path: "upper(path)" } }
      - { type: filter, where: "sum > 3 and first = '/a'" }
      - { type: drop, fields: [first, x, ok] }`;
    const lines = [
      { path: '/abc', n: 7 },
      { path: '/abc', n: 2 },
      { path: '/b', n: 7 },
      { path: '/abd', n: null },
      { n: 7 },
    ];
    expect(await read(transforms, lines)).toEqual([
      { path: '/ABC', whole: 7n, n: 3n, sum: 10n },
      'filtered filter',
      'filtered filter',
      'filtered filter',
      'filtered filter',
    ]);
    expect((await read(transforms, lines, ['sum']))[0]).toEqual({ sum: 10n });
    expect((await read(transforms, lines, ['n', 'path', 'whole']))[0]).toEqual({ n: 3n, path: '/ABC', whole: 7n });
  });

  test('take all fields of one derive from before it, so that two can change over', async () => {
    const transforms = '[{ type: derive, fields: { n: "cast(x as bigint)", x: "n + 0.5" } }]';
    expect(await read(transforms, [{ n: 1, x: 2.5 }], ['n', 'x'])).toEqual([{ n: 2n, x: 1.5 }]);
  });

  test('may make the same twice, under two names and beside the field itself', async () => {
    const transforms = '[{ type: derive, fields: { a: path, b: path, c: n + 1, d: n + 1 } }]';
    const line = { path: 'p"\\', n: 1 };
    expect(await read(transforms, [line], ['path', 'a', 'b', 'c', 'd'])).toEqual([
      { path: 'p"\\', a: 'p"\\', b: 'p"\\', c: 2n, d: 2n },
    ]);
  });

  test('made of one another again and again stay small, however often each names the one before', async () => {
    const steps = Array.from(
      { length: 25 },
      (_, i) => `{ type: derive, fields: { f${i + 1}: "f${i} + f${i} - f${i}" } }`,
    );
    const transforms = `[{ type: derive, fields: { f0: n } }, ${steps.join(', ')}]`;
    const pipeline = await pipelineOf(transforms, '{ n: sum(f25) }');
    expect(JSON.stringify(pipeline).length).toBeLessThan(50_000);
    expect(await read(transforms, [{ n: 7 }], ['f25'])).toEqual([{ f25: 7n }]);
  });

  test('make what nobody reads of lines that are left, and lose no value of others', async () => {
    const transforms = `
      - { type: derive, fields: { big: n * 9223372036854775807 } }
      - { type: filter, where: ok }`;
    const pipeline = await pipelineOf(transforms, '{ n: max(big) }', '[path]');
    const state = buildState({ task: TASK, pipeline, rawLog: RAW_LOG, rollupSinceMs: {}, ...COMPONENTS });
    const lines = [
      { path: 'a', n: 5, ok: true },
      { path: 'a', n: 1, ok: true },
      { path: 'a', n: 6, ok: false },
      { path: 'a', n: 7 },
      { path: 'b', n: -3, ok: true },
    ];
    const file = Object.assign(new TestFile('a/1', lines.map(lineOf)), { readAtMs: NOW });
    for (const [offset, message] of [beatMessage(NOW, [file.report('announced')]), file.block()].entries())
      state.accept({ ...message, offset, appendedAtMs: NOW } as Message);
    const { ledger } = state.takeBody(false);
    const counts = ledger.map(({ fate, reason, sum }) => `${fate} ${reason} ${sum.lines}`.replaceAll('  ', ' '));
    expect(counts.toSorted()).toEqual(['filtered filter 2', 'in 5', 'placed 3', 'rolled_up 3', 'value_lost big 2']);
  });
});
