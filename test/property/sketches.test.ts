// Measures with sketches through the operators: any cut, restarts, sessions that join, rows of all other keys; then through the warehouse.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { COMPONENTS } from '../../src/components.ts';
import { encodeBody } from '../../src/epoch/codec.ts';
import { mergeRow } from '../../src/epoch/merge.ts';
import type { RollupSpec } from '../../src/epoch/pipeline.ts';
import { type OperatorState, type RowSchema, type RowSet, bytesAt, cellOf, numbersIn } from '../../src/epoch/table.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { EpochDraft, Operator, OperatorOutput } from '../../src/operators/operator.ts';
import { session } from '../../src/operators/session-window.ts';
import { tumbling } from '../../src/operators/tumbling-window.ts';
import { EpochChain, bodyOf, pipelineOf } from '../support/epochs.ts';
import { MemoryStore } from '../support/memory-log.ts';
import { CUTS, type Cut, admittedBatch } from '../support/operator-runs.ts';
import { plainSessions } from '../support/plain-sessions.ts';
import {
  PLAIN,
  SKETCH_FIELDS,
  SKETCH_MEASURES,
  type SketchLine,
  plainResults,
  shown,
} from '../support/plain-sketches.ts';
import { WarehouseHarness } from '../support/warehouse-harness.ts';

const OUT: OperatorOutput = { late: () => undefined, fate: () => undefined, others: () => undefined };
const SIZE_MS = 1000;
const GAP_MS = 100;
const USER = { field: 'user', type: 'keyword', column: 'user' } as const;

type Kind = 'tumbling' | 'session';

function specOf(kind: Kind, rowsMax = 1000): RollupSpec {
  const window =
    kind === 'session'
      ? { type: kind, gapMs: GAP_MS, lengthMsMax: null }
      : { type: kind, sizeMs: SIZE_MS, offsetMs: 0 };
  return { from: 'access', by: [USER], window, allowedLatenessMs: 0, rowsMax, measures: SKETCH_MEASURES };
}

interface Taken {
  readonly upserts: RowSet[];
  readonly removes: RowSet[];
  state: OperatorState | undefined;
}

/** One task: an operator, and what its epochs hold. */
class Task {
  readonly schema: RowSchema;
  readonly #create: () => Operator;
  #operator: Operator;
  #held: Taken[] = [];
  #lines = 0;

  constructor(kind: Kind, spec: RollupSpec) {
    const definition = kind === 'session' ? session : tumbling;
    const context = {
      name: 'visits',
      spec,
      fields: SKETCH_FIELDS,
      aggregates: COMPONENTS.aggregates,
      sinceMs: -Infinity,
    };
    this.schema = definition.tables('visits', spec, COMPONENTS.aggregates)[0]!;
    this.#create = () => definition.create(context);
    this.#operator = this.#create();
  }

  process(lines: readonly SketchLine[]): void {
    const cells = lines.map(({ user, page, took, timeMs }, i) => ({
      timeMs,
      cells: [user, page, took],
      watermarkMs: -Infinity,
      isScratch: i % 2 === 1,
    }));
    this.#operator.process(admittedBatch(cells, SKETCH_FIELDS, this.#lines), OUT);
    this.#lines += lines.length;
  }

  changedBytes(): number {
    return this.#operator.changedBytes();
  }

  take(isSnapshot: boolean): Taken {
    const taken: Taken = { upserts: [], removes: [], state: undefined };
    const draft: EpochDraft = {
      upsert: (rows) => void taken.upserts.push(rows),
      remove: (rows) => void taken.removes.push(rows),
      state: (state) => void (taken.state = state),
    };
    const changedBytes = this.changedBytes();
    this.#operator.take(isSnapshot, draft);
    const text = taken.upserts[0]?.columns.reduce(
      (sum, column) => sum + (column.kind === 'string' ? column.bytes.length : 0),
      0,
    );
    if (!isSnapshot) expect(changedBytes).toBeGreaterThanOrEqual(text ?? 0);
    if (isSnapshot) this.#held = [];
    this.#held.push(taken);
    return taken;
  }

  restart(): void {
    this.#operator = this.#create();
    for (const { upserts, removes, state } of this.#held) this.#operator.restore(upserts, removes, state);
  }
}

/** The rows that the epochs leave: results by what names a row. */
class Table {
  readonly rows = new Map<string, { user: unknown; isOther: boolean; results: unknown[] }>();
  readonly #schema: RowSchema;

  constructor(schema: RowSchema) {
    this.#schema = schema;
  }

  fold({ upserts, removes }: Taken): void {
    const { columns, identity } = this.#schema;
    for (const rows of removes)
      for (let i = 0; i < rows.length; i++)
        this.rows.delete(JSON.stringify(rows.columns.map((column) => cellOf(column, i))));
    for (const rows of upserts) {
      for (let i = 0; i < rows.length; i++) {
        const of = (name: string): any => cellOf(rows.columns[columns.findIndex((column) => column.name === name)]!, i);
        const state = rows.columns.filter((_, c) => columns[c]!.role === 'state');
        const part = {
          revision: 0,
          lines: of('lines') as number,
          accumulators: state.flatMap((column) => numbersIn(column)?.[i] ?? []),
          sketches: state.flatMap((column) => bytesAt(column, i) ?? []),
        };
        const { values } = mergeRow([part], SKETCH_MEASURES, COMPONENTS.aggregates);
        const row = { user: of('user'), isOther: of('is_other') === 1, results: values.map(shown) };
        this.rows.set(JSON.stringify(identity.map((name) => of(name))), row);
      }
    }
  }
}

const line: fc.Arbitrary<SketchLine> = fc.record({
  timeMs: fc.integer({ min: 0, max: 2500 }),
  user: fc.constantFrom('a', 'b', null),
  page: fc.constantFrom('/', '/index.html', '', '/ü', null),
  took: fc.constantFrom(0, 1, -5, 20, 3000, 12_345_678, null),
});
const worlds = fc.record({
  lines: fc.array(line, { minLength: 1, maxLength: 60, size: 'max' }),
  cuts: fc.array(fc.constantFrom<Cut>('none', 'none', ...CUTS), { minLength: 1, maxLength: 30 }),
});

function run(task: Task, lines: readonly SketchLine[], cuts: readonly Cut[], onTaken: (taken: Taken) => void): void {
  let from = 0;
  for (const i of lines.keys()) {
    const cut = cuts[i % cuts.length]!;
    if (cut === 'none' && i < lines.length - 1) continue;
    task.process(lines.slice(from, i + 1));
    from = i + 1;
    if (cut !== 'none' && cut !== 'batch') onTaken(task.take(cut === 'snapshot'));
    if (cut === 'restart') task.restart();
  }
  onTaken(task.take(false));
}

describe.each(['tumbling', 'session'] as const)('rows of %s windows', (kind) => {
  test('say what plain code makes of their lines, however they are cut into batches, epochs and lives', () => {
    let joined = 0;
    fc.assert(
      fc.property(worlds, ({ lines, cuts }) => {
        const task = new Task(kind, specOf(kind));
        const table = new Table(task.schema);
        run(task, lines, cuts, (taken) => {
          joined += taken.removes.length;
          table.fold(taken);
        });
        const groups = kind === 'session' ? sessionsOf(lines) : windowsOf(lines);
        const expected = groups.map((of) => JSON.stringify([of[0]!.user, plainResults(of)]));
        const found = [...table.rows.values()].map(({ user, results }) => JSON.stringify([user, results]));
        expect(found.toSorted()).toEqual(expected.toSorted());
      }),
      { seed: 46, numRuns: 300 },
    );
    if (kind === 'session') expect(joined).toBeGreaterThan(50);
  });

  test('of keys that have none of their own are one', () => {
    const task = new Task(kind, specOf(kind, 1));
    const table = new Table(task.schema);
    const lines = ['a', 'b', 'c', 'd', 'b', 'c'].map((user, i) => ({ timeMs: i, user, page: `/${user}`, took: i }));
    run(task, lines, ['restart'], (taken) => table.fold(taken));
    const found = [...table.rows.values()].map(({ isOther, results }) => [isOther, results]);
    expect(found).toEqual([
      [false, plainResults(lines.slice(0, 1))],
      [true, plainResults(lines.slice(1))],
    ]);
  });
});

test('an epoch is known to be as large as its sketches are', () => {
  const task = new Task('tumbling', specOf('tumbling'));
  const grow = (from: number, count: number): void =>
    task.process(
      Array.from({ length: count }, (_, i) => ({ timeMs: 0, user: 'a', page: `/${from + i}`, took: from + i })),
    );
  for (const [from, count] of [
    [0, 1000],
    [1000, 100],
    [1100, 5000],
    [6100, 10],
  ] as const) {
    grow(from, count);
    const changedBytes = task.changedBytes();
    const written = encodeBody(bodyOf({ upserts: task.take(false).upserts })).length;
    expect(changedBytes / written).toBeGreaterThan(0.8);
    expect(changedBytes / written).toBeLessThan(1.6);
  }
});

function windowsOf(lines: readonly SketchLine[]): SketchLine[][] {
  const groups = Map.groupBy(lines, ({ timeMs, user }) => JSON.stringify([Math.floor(timeMs / SIZE_MS), user]));
  return [...groups.values()];
}

function sessionsOf(lines: readonly SketchLine[]): SketchLine[][] {
  const given = lines.map(({ timeMs, user }) => ({
    timeMs,
    key: [user],
    value: null,
    watermarkMs: -Infinity,
    isBad: false,
  }));
  const rules = {
    gapMs: GAP_MS,
    lengthMsMax: Infinity,
    latenessMs: 0,
    sinceMs: -Infinity,
    sum: COMPONENTS.aggregates['sum']!,
  };
  return plainSessions(given, rules).sessions.map((one) =>
    one.lines.toSorted((a, b) => a - b).map((index) => lines[index]!),
  );
}

describe('the warehouse', () => {
  let harness: WarehouseHarness;
  beforeEach(() => {
    harness = new WarehouseHarness();
  });
  afterEach(() => harness.remove());

  const drawn = (seed: number): { lines: SketchLine[]; cuts: Cut[] } => {
    const [world] = fc.sample(worlds, { seed, numRuns: 1 });
    // Enough in one row that hashes become registers.
    const many = Array.from({ length: 4000 }, (_, i) => ({
      timeMs: i % 900,
      user: 'many',
      page: `/${seed}/${i}`,
      took: i,
    }));
    const cuts = world!.lines.map((_, i) => (i % 5 === 4 ? world!.cuts[i % world!.cuts.length]! : 'none'));
    return { lines: [...world!.lines, ...many], cuts: [...cuts, ...many.map(() => 'none' as const)] };
  };

  test.each([
    ['tumbling', 2],
    ['tumbling', 1],
    ['session', 1],
  ] as const)('shows plain values in a table of %s windows over %d partitions', async (kind, partitions) => {
    const log = new MemoryStore({ clock: systemClock }).open();
    const spec = specOf(kind);
    const pipeline = pipelineOf({ visits: spec });
    const access = { ...pipeline.streams['access']!, partitions };
    const switching = { pipeline: { ...pipeline, streams: { access } }, fingerprints: { visits: 'a' } };
    const all: SketchLine[] = [];
    let topic = '';
    for (let partition = 0; partition < partitions; partition++) {
      const chain = await EpochChain.begin(log, { partition, partitions });
      const { lines, cuts } = drawn(partition + 1);
      const bodies: Taken[] = [];
      run(new Task(kind, spec), lines, cuts, (taken) => bodies.push(taken));
      for (const [i, { upserts, removes }] of bodies.entries())
        await chain.append({ upserts, removes, ...(i === 0 ? switching : {}) });
      all.push(...lines);
      topic = chain.topic;
    }
    await harness.runToEnd(log, topic);
    const names = Object.keys(PLAIN);
    const rows = await harness.query(`SELECT "user", ${names.join(', ')} FROM visits`);
    const groups = kind === 'session' ? sessionsOf(all) : windowsOf(all);
    const exact = groups.filter(([first]) => first!.user !== 'many');
    const found = rows
      .filter(([user]) => user !== 'many')
      .map(([user, ...results]) => JSON.stringify([user, results.map(shown)]));
    expect(found.toSorted()).toEqual(exact.map((of) => JSON.stringify([of[0]!.user, plainResults(of)])).toSorted());
    const [many] = rows.filter(([user]) => user === 'many');
    const pages = Number(many![1 + names.indexOf('pages')]);
    expect(Math.abs(pages / (4000 * partitions) - 1)).toBeLessThan(0.024);
  });
});
