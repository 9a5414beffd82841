import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { COMPONENTS } from '../../src/components.ts';
import type { LateLine } from '../../src/epoch/epoch.ts';
import type { RollupSpec } from '../../src/epoch/pipeline.ts';
import { type OperatorState, type RowSchema, type RowSet, cellOf } from '../../src/epoch/table.ts';
import type { EpochDraft, Operator, OperatorOutput, OtherKey } from '../../src/operators/operator.ts';
import { type Mutant, setMutant } from '../../src/lib/mutant.ts';
import { session } from '../../src/operators/session-window.ts';
import { type LineSum, addSum, emptySum, laneA, laneB } from '../../src/record/line-id.ts';
import { lineHashSeeds } from '../../src/record/source.ts';
import { CUTS, type Cut, RUN_SOURCE, admittedBatch, offsetOf } from '../support/operator-runs.ts';
import { type PlainLine, type PlainSession, accumulated, plainSessions } from '../support/plain-sessions.ts';

const RUNS = process.env['TAILRACE_SOAK'] === '1' ? 20_000 : 400;
const FIELDS = [
  { name: 'user', type: 'keyword' },
  { name: 'site', type: 'long' },
  { name: 'bytes', type: 'long' },
] as const;
const SUM = COMPONENTS.aggregates['sum']!;
const MEASURES: RollupSpec['measures'] = [
  { name: 'events', aggregate: 'count' },
  { name: 'bytes', aggregate: 'sum', field: 'bytes', fieldType: 'long' },
];

interface Rules {
  readonly gapMs: number;
  readonly lengthMsMax: number | null;
  readonly latenessMs: number;
  readonly sinceMs: number;
  readonly keys: number;
}

const rules: fc.Arbitrary<Rules> = fc.record({
  gapMs: fc.constantFrom(100, 250, 1000),
  lengthMsMax: fc.constantFrom(null, null, 400, 1500),
  latenessMs: fc.constantFrom(0, 0, 300, 2000),
  sinceMs: fc.constantFrom(-Infinity, -Infinity, 0),
  keys: fc.constantFrom(0, 1, 2),
});

const line = fc.record({
  timeMs: fc.integer({ min: -600, max: 4000 }),
  user: fc.constantFrom('a', 'b', 'a-long-name-of-a-user', '', null),
  site: fc.constantFrom(1, 2, null),
  value: fc.constantFrom(1, 2, 3, null),
  climb: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.integer({ min: 0, max: 700 }) }),
  isBad: fc.constantFrom(false, false, false, false, true),
});

const worlds = fc.record({
  rules,
  lines: fc.array(line, { minLength: 1, maxLength: 60, size: 'max' }),
  cuts: fc.array(fc.constantFrom<Cut>('none', 'none', 'none', ...CUTS), { minLength: 1, maxLength: 30 }),
});

function specOf({ gapMs, lengthMsMax, latenessMs, keys }: Rules): RollupSpec {
  const by = FIELDS.slice(0, keys).map(({ name, type }) => ({ field: name, type, column: name }));
  const window = { type: 'session', gapMs, lengthMsMax };
  return { from: 'access', by, window, allowedLatenessMs: latenessMs, rowsMax: 1000, measures: MEASURES };
}

interface Outcome {
  readonly rows: Map<string, Record<string, unknown>>;
  readonly late: number[];
  readonly fates: Map<string, LineSum>;
}

/** Runs the operator as a task would, and folds what its epochs say as a sink would. */
class Run {
  readonly #schema: RowSchema;
  readonly #create: () => Operator;
  #operator: Operator;
  readonly outcome: Outcome = { rows: new Map(), late: [], fates: new Map() };
  others: { lines: number; first: OtherKey | undefined } = { lines: 0, first: undefined };
  #held: { readonly upserts: RowSet[]; readonly removes: RowSet[]; readonly state: OperatorState | undefined }[] = [];

  constructor(spec: RollupSpec, sinceMs = -Infinity) {
    this.#schema = session.tables('visits', spec, COMPONENTS.aggregates)[0]!;
    this.#create = () =>
      session.create({ name: 'visits', spec, fields: FIELDS, aggregates: COMPONENTS.aggregates, sinceMs });
    this.#operator = this.#create();
  }

  get operator(): Operator {
    return this.#operator;
  }

  process(lines: readonly (PlainLine & { readonly cells: any })[], from: number): void {
    const out: OperatorOutput = {
      late: (late: LateLine) => void this.outcome.late.push(late.offset),
      fate: (_consumer, fate, reason, count, a, b) => {
        const name = `${fate} ${reason}`;
        const sum = this.outcome.fates.get(name) ?? emptySum();
        addSum(sum, { lines: count, a, b });
        this.outcome.fates.set(name, sum);
      },
      others: (_consumer, count, first) => {
        this.others.lines += count;
        this.others.first ??= first;
      },
    };
    this.#operator.process(admittedBatch(lines, FIELDS, from), out);
  }

  checkpoint(isSnapshot: boolean, watermarkMs: number, isRestart: boolean): void {
    const taken: { upserts: RowSet[]; removes: RowSet[]; state: OperatorState | undefined } = {
      upserts: [],
      removes: [],
      state: undefined,
    };
    const draft: EpochDraft = {
      upsert: (rows) => void taken.upserts.push(rows),
      remove: (rows) => void taken.removes.push(rows),
      state: (state) => void (taken.state = state),
    };
    this.#operator.take(isSnapshot, draft);
    if (isSnapshot) this.#held = [];
    this.#held.push(taken);
    this.#fold(taken, isSnapshot);
    if (!isRestart) return;
    this.#operator = this.#create();
    for (const { upserts, removes, state } of this.#held) this.#operator.restore(upserts, removes, state);
    this.#operator.onWatermark(watermarkMs);
  }

  #fold({ upserts, removes }: { upserts: RowSet[]; removes: RowSet[] }, isSnapshot: boolean): void {
    const { rows } = this.outcome;
    const { columns, identity } = this.#schema;
    for (const { columns: data, length } of removes) {
      for (let i = 0; i < length; i++) {
        const name = JSON.stringify(data.map((column) => cellOf(column, i)));
        if (!rows.delete(name) && !isSnapshot) throw new Error(`${name} was removed and is not there`);
      }
    }
    for (const { columns: data, length } of upserts) {
      for (let i = 0; i < length; i++) {
        const row = Object.fromEntries(columns.map(({ name }, c) => [name, cellOf(data[c]!, i)]));
        rows.set(JSON.stringify(identity.map((name) => row[name])), row);
      }
    }
  }
}

const [SEED_A, SEED_B] = lineHashSeeds(RUN_SOURCE);
const sumOf = (lines: readonly number[]): LineSum => {
  const sum = emptySum();
  for (const i of lines) addSum(sum, { lines: 1, a: laneA(SEED_A, offsetOf(i)), b: laneB(SEED_B, offsetOf(i)) });
  return sum;
};

afterEach(() => setMutant(undefined));

test('is what plain code makes of the same lines, however they are cut into batches, epochs and lives', () => {
  const { joined, revised } = comparedWithPlain();
  expect(Math.min(joined, revised)).toBeGreaterThan(RUNS / 4);
});

test.each<Mutant>([
  'timers.after_batch',
  'timers.known_before_batch',
  'session.judge_first',
  'session.no_remove',
  'session.order_by_cut',
  'snapshot.only_open',
])('the mutant %s is seen', (mutant) => {
  setMutant(mutant);
  expect(comparedWithPlain).toThrow('Property failed');
});

/** How many sessions were made of several lines, and how many were told again. */
function comparedWithPlain(): { readonly joined: number; readonly revised: number } {
  let joined = 0;
  let revised = 0;
  fc.assert(
    fc.property(worlds, ({ rules: given, lines: drawn, cuts }) => {
      const { gapMs, lengthMsMax, latenessMs, sinceMs, keys } = given;
      let watermarkMs = -2000;
      const lines = drawn.map(({ user, site, value, climb, ...rest }) => {
        watermarkMs += climb;
        return { ...rest, value, key: [user, site].slice(0, keys), cells: [user, site, value], watermarkMs };
      });
      const spec = specOf(given);
      const run = new Run(spec, sinceMs);
      let from = 0;
      for (const i of lines.keys()) {
        const cut = cuts[i % cuts.length]!;
        if (cut === 'none' && i < lines.length - 1) continue;
        run.process(lines.slice(from, i + 1), from);
        from = i + 1;
        const behindMs = lines[i + 1]?.watermarkMs ?? lines[i]!.watermarkMs;
        run.operator.onWatermark(behindMs);
        if (cut !== 'none' && cut !== 'batch') run.checkpoint(cut === 'snapshot', behindMs, cut === 'restart');
      }
      const lastMs = run.operator.lastTimerMs();
      run.operator.onWatermark(lastMs - 1);
      if (lastMs !== -Infinity) expect(run.operator.lastTimerMs()).toBe(lastMs);
      run.operator.onWatermark(lastMs);
      expect(run.operator.lastTimerMs()).toBe(-Infinity);
      run.checkpoint(false, lastMs, false);

      const plain = plainSessions(lines, {
        gapMs,
        lengthMsMax: lengthMsMax ?? Infinity,
        latenessMs,
        sinceMs,
        sum: SUM,
      });
      const wanted = plain.sessions.map((one) => shownPlain(one, lines, gapMs));
      const found = [...run.outcome.rows.values()].map((row) => shownRow(row, keys));
      expect(found.toSorted()).toEqual(wanted.toSorted());
      expect(run.outcome.late).toEqual(plain.late.map(offsetOf));
      const rolledUp = plain.sessions.flatMap((one) => one.lines);
      const fates = new Map(
        Object.entries({
          'rolled_up ': rolledUp,
          'placed ': rolledUp,
          'late ': plain.late,
          'filtered before_rollup': plain.filtered,
        })
          .filter(([, of]) => of.length > 0)
          .map(([name, of]) => [name, sumOf(of)]),
      );
      expect(run.outcome.fates).toEqual(fates);
      joined += plain.sessions.filter((one) => one.lines.length > 2).length;
      revised += plain.sessions.filter((one) => one.revision > 0).length;
    }),
    { seed: 10, numRuns: RUNS, endOnFailure: true },
  );
  return { joined, revised };
}

function shownPlain(one: PlainSession, lines: readonly PlainLine[], gapMs: number): string {
  const { lines: count, a, b } = sumOf(one.lines);
  const state = accumulated(one, lines, SUM, { fieldType: 'long' });
  const begun = sumOf([one.begun]);
  return JSON.stringify([
    one.firstMs,
    one.lastMs + gapMs,
    one.revision,
    count,
    [a, b],
    one.key,
    state,
    [begun.a, begun.b],
    [one.firstMs, one.lastMs, one.lastMs - one.firstMs],
  ]);
}

function shownRow(row: Record<string, unknown>, keys: number): string {
  const of = (...names: readonly string[]): unknown[] => names.map((name) => row[name]);
  const state = Object.keys(row).filter((name) => name.startsWith('bytes.'));
  return JSON.stringify([
    ...of('window_start', 'window_end', 'revision', 'lines'),
    of('sum_a', 'sum_b'),
    of(...FIELDS.slice(0, keys).map(({ name }) => name)),
    of(...state),
    of('id_a', 'id_b'),
    of('first_event', 'last_event', 'duration_ms'),
  ]);
}

describe('a session', () => {
  const plainLine = (timeMs: number, watermarkMs = -Infinity, user = 'a'): PlainLine & { cells: any } => ({
    timeMs,
    watermarkMs,
    key: [user],
    value: 1,
    cells: [user, 1, 1],
    isBad: false,
  });
  const of = (given: Partial<Rules>): Run =>
    new Run(specOf({ gapMs: 100, lengthMsMax: null, latenessMs: 0, sinceMs: -Infinity, keys: 1, ...given }));
  const spans = (run: Run): unknown[] =>
    [...run.outcome.rows.values()].map((row) => [row['first_event'], row['last_event'], row['lines'], row['revision']]);

  test('goes on where the next event is exactly the gap away, and not a millisecond later', () => {
    const run = of({});
    run.process([plainLine(0), plainLine(100), plainLine(201)], 0);
    run.checkpoint(false, 0, false);
    expect(spans(run)).toEqual([
      [0, 100, 2, 0],
      [201, 201, 1, 0],
    ]);
  });

  test('that was told of and is joined to an older one is removed', () => {
    const run = of({});
    run.process([plainLine(0), plainLine(200)], 0);
    run.checkpoint(false, 0, false);
    expect(run.outcome.rows.size).toBe(2);
    run.process([plainLine(100)], 2);
    run.checkpoint(false, 0, false);
    expect(spans(run)).toEqual([[0, 200, 3, 0]]);
  });

  test('that has ended and is still within its lateness is revised, and none of its lines is late', () => {
    const run = of({ latenessMs: 500 });
    run.process([plainLine(0), plainLine(50, 300)], 0);
    run.checkpoint(false, 300, false);
    expect(spans(run)).toEqual([[0, 50, 2, 1]]);
    expect(run.outcome.late).toEqual([]);
  });

  test('of a key beyond the cap has no row of its own: those share one, and go by its gaps', () => {
    const run = new Run({
      ...specOf({ gapMs: 100, lengthMsMax: null, latenessMs: 0, sinceMs: 0, keys: 1 }),
      rowsMax: 1,
    });
    run.process(
      [plainLine(0), plainLine(10, -Infinity, 'b'), plainLine(60, -Infinity, 'c'), plainLine(400, -Infinity, 'd')],
      0,
    );
    run.checkpoint(true, 0, true);
    run.process([plainLine(420, -Infinity, 'b')], 4);
    run.checkpoint(false, 0, false);
    const rows = [...run.outcome.rows.values()].map((row) => [
      row['user'],
      row['is_other'],
      row['first_event'],
      row['lines'],
    ]);
    expect(rows).toEqual([
      ['a', 0, 0, 1],
      [null, 1, 10, 2],
      [null, 1, 400, 2],
    ]);
    expect(run.others).toEqual({
      lines: 4,
      first: { windowStartMs: 10, key: ['b'], rowsMax: 1, isFull: true },
    });
  });

  test('that ends between two lines of a batch is told, once, also where another one has begun', () => {
    const { operator } = of({});
    const out = { late: () => undefined, fate: () => undefined, others: () => undefined };
    operator.process(admittedBatch([plainLine(0), plainLine(5000, 4000, 'b')], FIELDS), out);
    expect([operator.onWatermark(4000), operator.onWatermark(4000)]).toEqual([true, false]);
  });

  test('gives its place and its text back: memory goes with what is open', () => {
    const run = of({});
    const { operator } = run;
    for (let round = 0; round < 50; round++) {
      const startMs = round * 10_000;
      const lines = Array.from({ length: 200 }, (_, i) =>
        plainLine(startMs + i, startMs, `user ${round} ${i} ${'x'.repeat(500)}`),
      );
      run.process(lines, round * 200);
      operator.onWatermark(startMs + 9000);
      run.checkpoint(false, startMs + 9000, false);
    }
    const { table } = operator as unknown as { table: { arena: Uint8Array; live: number; size: number } };
    expect([table.live, table.size <= 400, table.arena.length < 4 * 1024 * 1024]).toEqual([0, true, true]);
    expect(run.outcome.rows.size).toBe(10_000);
  });
});
