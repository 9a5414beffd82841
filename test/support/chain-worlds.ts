// Worlds of tables over tables: a pipeline, a log of lines and quiet times, a task that runs over it, and what a sink makes of its epochs.
import fc from 'fast-check';
import { COMPONENTS } from '../../src/components.ts';
import { buildState } from '../../src/engine/build-state.ts';
import type { TaskState } from '../../src/engine/state.ts';
import { mergeRow } from '../../src/epoch/merge.ts';
import type { EpochBody, EpochEnvelope } from '../../src/epoch/epoch.ts';
import type { Pipeline, RollupSpec, WindowSpec } from '../../src/epoch/pipeline.ts';
import { type Cell, cellOf } from '../../src/epoch/table.ts';
import { nameOfTree } from '../../src/expressions/made-columns.ts';
import { type Tree, call, constant, field } from '../../src/expressions/tree.ts';
import type { LineSum } from '../../src/record/line-id.ts';
import { type AtLeast, type LogEntry, PlainChain, type PlainTable } from './plain-chain.ts';
import { CODECS, Feed, RAW_LOG, TASK, TestFile, plainPipeline } from './raw-stream.ts';

/** Numbers that are sums of halves are exact in any order. */
export const worlds = fc.record({
  // The clock then stands where a session ends and the next row touches it.
  beginMs: fc.constantFrom<number>(99_999, 99_999, 100_000),
  boundMs: fc.constantFrom(0, 3_000),
  latenessMs: fc.constantFrom(0, 0, 4_000, 30_000),
  gapMs: fc.constantFrom(2_000, 5_000),
  wideGapMs: fc.constantFrom(10_000, 20_000),
  isKeyed: fc.boolean(),
  log: fc.array(
    fc.record({
      step: fc.constantFrom<number>(0, 0, 1, 1_000, 2_000, 5_000, 9_000, 10_000, 25_000),
      back: fc.constantFrom<number>(0, 0, 0, 1, 1_000, 5_000, 14_000),
      key: fc.constantFrom<string | null>('a', 'b', null),
      value: fc.integer({ min: 0, max: 9 }),
      idleFor: fc.constantFrom<number | null>(null, null, null, null, null, null, null, 1_000, 20_000, 500_000),
    }),
    { minLength: 1, maxLength: 50, size: 'max' },
  ),
  cuts: fc.array(fc.constantFrom('none', 'none', 'block', 'epoch', 'snapshot', 'restart'), {
    minLength: 1,
    maxLength: 30,
  }),
});
export type World = typeof worlds extends fc.Arbitrary<infer T> ? T : never;

/** The second row of `minute` touches the session of the first, which ends a step before it comes, in the same block. */
export const TOUCHING: World = {
  beginMs: 95_000,
  boundMs: 0,
  latenessMs: 0,
  gapMs: 2_000,
  wideGapMs: 10_000,
  isKeyed: true,
  log: [0, 14_999, 1].map((step) => ({ step, back: 0, key: 'a', value: 1, idleFor: null })),
  cuts: ['none'],
};

export function tablesIn({ latenessMs, gapMs, wideGapMs, isKeyed }: World): PlainTable[] {
  const table = (
    name: string,
    from: string,
    window: PlainTable['window'],
    measures: PlainTable['measures'],
    more: Partial<PlainTable> = {},
  ): PlainTable => ({ name, from, window, measures, isKeyed: true, latenessMs: 0, ...more });
  const high = { where: { of: 'value', least: 4 } };
  const busy = { where: { of: 'total', least: 6 } };
  const [any, none] = [{ isKeyed }, { isKeyed: false }];
  const requests = { requests: ['sum', 'requests'] } as const;
  const total = { total: ['sum', 'total'] } as const;
  const visits = {
    visits: ['count'],
    mean: ['avg', 'duration_ms'],
    pages: ['sum', 'lines'],
    top: ['max', 'top'],
  } as const;
  return [
    table('minute', 'lines', { sizeMs: 10_000 }, { requests: ['count'], total: ['sum', 'value'] }, { latenessMs }),
    table(
      'visits',
      'lines',
      { gapMs },
      { top: ['max', 'value'], high: ['sum', 'value', 5] },
      { latenessMs: latenessMs / 2 },
    ),
    table('high_live', 'lines', { sizeMs: 12_000, slideMs: 4_000 }, { requests: ['count'] }, { ...high, latenessMs }),
    table('high_visits', 'lines', { gapMs }, { total: ['sum', 'value'] }, { ...high, latenessMs }),
    table('high_minutes', 'minute', { sizeMs: 40_000 }, { minutes: ['count'], peaks: ['count', 'total', 9] }, busy),
    table('live', 'lines', { sizeMs: 12_000, slideMs: 4_000 }, { requests: ['count'] }, { latenessMs }),
    table('hour', 'minute', { sizeMs: 40_000 }, { ...requests, ...total, mean: ['avg', 'total'] }, any),
    table('spells', 'minute', { gapMs: wideGapMs }, { ...requests, minutes: ['count'] }),
    table('rolling', 'minute', { sizeMs: 30_000, slideMs: 10_000 }, { ...requests, total: ['max', 'total'] }),
    table('visits_per_day', 'visits', { sizeMs: 30_000 }, visits, any),
    table('bursts', 'visits', { gapMs: wideGapMs }, { visits: ['count'] }),
    table('windows', 'live', { sizeMs: 40_000 }, { ...requests, windows: ['count'] }, none),
    table('day', 'hour', { sizeMs: 120_000 }, { ...requests, peak: ['max', 'mean'] }, none),
    table(
      'spells_per_day',
      'spells',
      { sizeMs: 120_000 },
      { longest: ['max', 'duration_ms'], spells: ['count'] },
      none,
    ),
    table('peaks', 'rolling', { gapMs: wideGapMs }, { peak: ['max', 'requests'], windows: ['count'] }),
  ];
}

export function isSliding({ window }: PlainTable): boolean {
  return 'sizeMs' in window && window.slideMs !== undefined;
}

function atLeast({ of, least }: AtLeast, type: 'long' | 'double'): Tree {
  return call('>=', 'boolean', [field(of, type), constant(type, type === 'long' ? String(least) : least)]);
}

/** As the configuration has it. */
function windowSpec(window: PlainTable['window']): WindowSpec {
  if ('gapMs' in window) return { type: 'session', gapMs: window.gapMs, lengthMsMax: null };
  const { sizeMs, slideMs } = window;
  return slideMs === undefined ? { type: 'tumbling', sizeMs, offsetMs: 0 } : { type: 'sliding', sizeMs, slideMs };
}

/** The same as a pipeline; readers stand before what they read. */
export function pipelineIn(world: World): Pipeline {
  const tables = tablesIn(world);
  const typeOf = (from: string, of: string): 'long' | 'double' => {
    const [how, inner] = tables.find(({ name }) => name === from)?.measures[of] ?? ['sum'];
    return how === 'avg' ||
      (how === 'max' && typeOf(tables.find(({ name }) => name === from)!.from, inner!) === 'double')
      ? 'double'
      : 'long';
  };
  const rollups = tables.map(({ name, from, window, isKeyed, latenessMs, measures, where }): [string, RollupSpec] => [
    name,
    {
      from: from === 'lines' ? 'access' : from,
      by: isKeyed ? [{ field: 'key', type: 'keyword', column: 'key' }] : [],
      window: windowSpec(window),
      allowedLatenessMs: latenessMs,
      rowsMax: 1000,
      ...(where === undefined ? {} : { where: { text: '', tree: atLeast(where, typeOf(from, where.of)) } }),
      measures: Object.entries(measures).map(([measure, [aggregate, of, least]]) => {
        if (of === undefined) return { name: measure, aggregate };
        const fieldType = typeOf(from, of);
        if (least === undefined) return { name: measure, aggregate, field: of, fieldType };
        const parts = [atLeast({ of, least }, fieldType), field(of, fieldType), constant(fieldType, null)];
        const expression = call('case', fieldType, parts);
        return { name: measure, aggregate, field: nameOfTree(expression), fieldType, expression };
      }),
    },
  ]);
  return plainPipeline(Object.fromEntries(rollups.toReversed()), { outOfOrdernessMs: world.boundMs, idleTimeoutMs: 0 });
}

function logOf({ log, beginMs }: World): LogEntry[] {
  let now = beginMs;
  return log.flatMap(({ step, back, key, value, idleFor }): LogEntry[] => {
    now += step;
    const line: LogEntry = { type: 'line', time: now - back, key, value };
    return idleFor === null ? [line] : [line, { type: 'idle', time: now + idleFor }];
  });
}

type Row = Readonly<Record<string, Cell>>;

/** What a sink has of a task's epochs. */
export class Sink {
  readonly rows = new Map<string, { readonly table: string; readonly row: Row; isFinal: boolean }>();
  readonly ledger = new Map<string, LineSum>();
  readonly #pipeline: Pipeline;

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
  }

  fold({ upserts, removes, ledger, watermarkMs }: EpochBody): void {
    for (const { table, columns, length } of removes) {
      for (let i = 0; i < length; i++)
        this.rows.delete(JSON.stringify([table, columns.map((column) => cellOf(column, i))]));
    }
    for (const { table, columns, length } of upserts) {
      const schema = this.#pipeline.tables[table]!;
      for (let i = 0; i < length; i++) {
        const row = Object.fromEntries(schema.columns.map(({ name }, c) => [name, cellOf(columns[c]!, i)]));
        const name = JSON.stringify([table, schema.identity.map((column) => row[column])]);
        if (this.rows.get(name)?.isFinal === true) throw new Error(`${name} was final, and comes again`);
        this.rows.set(name, { table, row, isFinal: false });
      }
    }
    for (const [name, one] of this.rows) {
      const { closesBy, allowedLatenessMs, whenFinal } = this.#pipeline.tables[one.table]!;
      one.isFinal ||= Number(one.row[closesBy!]) - 1 + allowedLatenessMs <= watermarkMs;
      if (one.isFinal && whenFinal === 'drop') this.rows.delete(name);
    }
    for (const { consumer, fate, source, sum } of ledger) this.ledger.set(`${consumer} ${fate} ${source}`, sum);
  }

  shown(): string[] {
    return [...this.rows.values()].map((one) => JSON.stringify(one)).sort();
  }
}

export function stateOf(pipeline: Pipeline): TaskState {
  const parts = { codecs: CODECS, aggregates: COMPONENTS.aggregates, operators: COMPONENTS.operators };
  return buildState({ task: TASK, pipeline, rawLog: RAW_LOG, rollupSinceMs: {}, ...parts });
}

/** Runs a task over the log, cut as given, and folds what it says. */
export function runTask(world: World, cuts: readonly string[]): Sink {
  const pipeline = pipelineIn(world);
  const log = logOf(world);
  const file = new TestFile(
    'a/1',
    log.flatMap((entry) => (entry.type === 'line' ? [`${entry.time} ${entry.key ?? '-'} ${entry.value}`] : [])),
  );
  const sink = new Sink(pipeline);
  let feed = new Feed(stateOf(pipeline)).beat(0, [file.report('announced')]);
  let epochs: EpochBody[] = [];
  const checkpoint = (cut: string): void => {
    const body = feed.state.takeBody(cut === 'snapshot');
    if (cut === 'snapshot') epochs = [];
    epochs.push(body);
    sink.fold(body);
    if (cut !== 'restart') return;
    const envelope = {
      rawLog: RAW_LOG,
      to: feed.state.to,
      rawId: feed.state.rawId,
      generation: 1,
      otherLines: {},
    } as EpochEnvelope;
    const state = stateOf(pipeline);
    for (const held of epochs) state.restore(envelope, held);
    const { appendedAtMs } = feed;
    feed = new Feed(state);
    feed.appendedAtMs = appendedAtMs;
  };
  let [taken, lines] = [0, 0];
  const send = (): void => {
    if (lines > taken) feed.send(file.block(file.at(taken), file.at(lines)));
    taken = lines;
  };
  for (const [i, entry] of log.entries()) {
    if (entry.type === 'line') lines++;
    else {
      send();
      feed.beat(entry.time, [file.report('caught_up', file.at(taken), { quietSinceMs: 0 })]);
    }
    const cut = cuts[i % cuts.length]!;
    if (cut === 'none') continue;
    send();
    if (cut !== 'block') checkpoint(cut);
  }
  send();
  checkpoint('epoch');
  return sink;
}

export function plainOf(world: World): PlainChain {
  const plain = new PlainChain(tablesIn(world), world.boundMs);
  for (const entry of logOf(world)) plain.take(entry);
  return plain;
}

/** A row by what it says, without what only names it. */
function shownRow({ table, row, isFinal }: { table: string; row: Row; isFinal: boolean }, pipeline: Pipeline): string {
  const { measures, columns } = pipeline.tables[table]!;
  const accumulators = columns
    .filter(({ role }) => role === 'state')
    .map(({ name }) => Number(row[name] ?? Number.NaN));
  const { values } = mergeRow(
    [{ revision: 0, lines: Number(row['lines']), accumulators }],
    measures,
    COMPONENTS.aggregates,
  );
  const own = [row['window_start'], row['window_end'], row['lines'], row['duration_ms'] ?? null];
  return JSON.stringify([table, isFinal, row['key'] ?? null, own, values]);
}

function shownPlain(plain: PlainChain, world: World): string[] {
  // An open window that slides is no row yet.
  const windows = new Set(tablesIn(world).flatMap((table) => (isSliding(table) ? [table.name] : [])));
  const rows = plain.rows.filter(({ table, isFinal }) => isFinal || !windows.has(table));
  return rows.map((row) => {
    const results = plain.results(row);
    const { measures } = tablesIn(world).find(({ name }) => name === row.table)!;
    const own = [row.startMs, row.endMs, row.members.length, results['duration_ms'] ?? null];
    return JSON.stringify([row.table, row.isFinal, row.key, own, Object.keys(measures).map((name) => results[name])]);
  });
}

/** Undefined where the task and plain code say the same. */
export function differenceIn(world: World): unknown {
  const sink = runTask(world, world.cuts);
  const pipeline = pipelineIn(world);
  const visible = [...sink.rows.values()].filter(({ table }) => pipeline.tables[table]!.isVisible);
  const found = visible.map((row) => shownRow(row, pipeline)).sort();
  const wanted = shownPlain(plainOf(world), world).sort();
  return JSON.stringify(found) === JSON.stringify(wanted) ? undefined : { found, wanted };
}
