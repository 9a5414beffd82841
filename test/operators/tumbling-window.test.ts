import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { COMPONENTS } from '../../src/components.ts';
import type { OperatorContext } from '../../src/operators/operator.ts';
import { type TumblingSpec, TumblingWindow } from '../../src/operators/tumbling-window.ts';
import { hashKey } from '../../src/operators/key-cells.ts';
import type { RollupSpec } from '../../src/epoch/pipeline.ts';
import type { KeySpec, MeasureSpec } from '../../src/epoch/table.ts';
import { field } from '../../src/expressions/tree.ts';
import { operatorContract } from '../contract/operator.ts';
import { InterpretedWindow } from '../support/interpreted-window.ts';
import {
  CUTS,
  type Cut,
  type RunRequest,
  type TestLine,
  admittedBatch,
  runOperator,
} from '../support/operator-runs.ts';

const SUM_MAX = Number.MAX_SAFE_INTEGER;
const FIELDS = [
  { name: 'path', type: 'keyword' },
  { name: 'address', type: 'ip' },
  { name: 'status', type: 'long' },
  { name: 'ratio', type: 'double' },
  { name: 'bytes', type: 'long' },
  { name: 'seconds', type: 'double' },
  { name: '("is_taken")', type: 'boolean' },
] as const;

const MEASURES: readonly MeasureSpec[] = [
  { name: 'lines', aggregate: 'count' },
  { name: 'paths', aggregate: 'count', field: 'path', fieldType: 'keyword' },
  { name: 'addresses', aggregate: 'count', field: 'address', fieldType: 'ip' },
  { name: 'sizes', aggregate: 'count', field: 'bytes', fieldType: 'long' },
  ...['sum', 'min', 'max', 'avg'].flatMap((aggregate): MeasureSpec[] => [
    { name: `${aggregate}_bytes`, aggregate, field: 'bytes', fieldType: 'long' },
    { name: `${aggregate}_seconds`, aggregate, field: 'seconds', fieldType: 'double' },
  ]),
];

const KEYS: readonly KeySpec[] = FIELDS.slice(0, 4).map(({ name, type }) => ({ field: name, type, column: name }));

const INVALID = Uint8Array.of(0x61, 0xff, 0xc3);
const ESCAPED = String.raw`a\xff\xc3`; // What INVALID is shown as: one key with it.

const text = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      null,
      '',
      'a',
      'abcd',
      'abce',
      'abcdefgh',
      'abcdefgi',
      '\ufeffa',
      '/index.html?x=1',
      ESCAPED,
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom<Uint8Array>(INVALID, Uint8Array.of(0x80)) },
  { weight: 2, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }) },
);
// All of the first line have the same hash: what is left of a number is its low 32 bits.
const keyNumber = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(null, 0, -0, 0.25, 0.5, -0.75, 2 ** 32, 2 ** 33) },
  { weight: 2, arbitrary: fc.integer({ min: -3, max: 400 }) },
  { weight: 1, arbitrary: fc.constantFrom(Infinity, -Infinity) },
);
// Numbers that are one as doubles, and one as doubles and in their rest.
const largeNumber = fc.constantFrom(
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 62n,
  2n ** 62n + 1n,
  2n ** 62n - 1n,
  2n ** 63n - 1n,
  -(2n ** 63n),
);
const keyLong = fc.oneof({ weight: 9, arbitrary: keyNumber }, { weight: 1, arbitrary: largeNumber });
const wholeNumber = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(null, 0, -0, SUM_MAX, -SUM_MAX) },
  { weight: 9, arbitrary: fc.integer() },
  { weight: 1, arbitrary: largeNumber },
  { weight: 1, arbitrary: fc.constantFrom(Infinity, -Infinity) },
);
const anyNumber = fc.oneof(fc.constant(null), fc.double({ noNaN: true }), fc.double({ min: -1, max: 1, noNaN: true }));

const specs = fc
  .record({
    sizeMs: fc.constantFrom(1, 7, 1000, 60_000),
    offset: fc.double({ min: -0.99, max: 0.99, noNaN: true }),
    lateness: fc.constantFrom(0, 0, 0.5, 3),
    by: fc.subarray([...KEYS], { maxLength: 3 }),
    measures: fc.subarray([...MEASURES], { minLength: 1 }),
    since: fc.constantFrom(-Infinity, -Infinity, -1, 1),
    rowsMax: fc.constantFrom(1, 2, 3, 1000),
    where: fc.constantFrom({}, { where: { text: 'is_taken', tree: field('is_taken', 'boolean') } }),
  })
  .map(({ sizeMs, offset, lateness, by, measures, since, rowsMax, where }): OperatorContext => {
    const offsetMs = Math.trunc(offset * sizeMs) + 0;
    const window: RollupSpec['window'] = { type: 'tumbling', sizeMs, offsetMs };
    const allowedLatenessMs = Math.ceil(lateness * sizeMs);
    const spec = { from: 'access', by, window, allowedLatenessMs, rowsMax, measures, ...where };
    return {
      name: 'traffic',
      spec,
      fields: FIELDS,
      aggregates: COMPONENTS.aggregates,
      sinceMs: offsetMs + since * sizeMs,
    };
  });

/** Lines around time 0 whose watermark climbs over a few windows. */
function linesOf(sizeMs: number): fc.Arbitrary<TestLine[]> {
  const line = fc.record({
    time: fc.double({ min: -4, max: 5, noNaN: true }),
    cells: fc.tuple(text, text, keyLong, keyNumber, wholeNumber, anyNumber, fc.constantFrom(1, 1, 1, 0, null)),
    isScratch: fc.boolean(),
    isBad: fc.constantFrom(false, false, false, true),
    climb: fc.oneof(
      { weight: 5, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.double({ min: 0, max: 1.5, noNaN: true }) },
    ),
    isAfterBeat: fc.constantFrom(false, false, false, false, true),
  });
  return fc.array(line, { minLength: 1, maxLength: 150, size: 'max' }).map((lines) => {
    let watermarkMs = -3 * sizeMs;
    return lines.map(({ time, climb, ...rest }) => {
      watermarkMs += Math.round(climb * sizeMs);
      return { ...rest, timeMs: Math.round(time * sizeMs) + 0, watermarkMs };
    });
  });
}

const cuts = fc.array(fc.constantFrom<Cut>('none', 'none', 'none', ...CUTS), { minLength: 1, maxLength: 40 });

const runs = specs.chain((options) =>
  fc.record({
    options: fc.constant(options),
    lines: linesOf((options.spec.window as TumblingSpec).sizeMs),
    cuts,
    others: cuts,
  }),
);

function requestOf(
  options: OperatorContext,
  lines: readonly TestLine[],
  behind: readonly Cut[],
): Omit<RunRequest, 'create'> {
  const { by, window } = options.spec;
  return { fields: FIELDS, keys: by.length, lines, cuts: behind, endMs: 100 * (window as TumblingSpec).sizeMs };
}

const PARAMETERS = { seed: 20_261_123, numRuns: 80 };

describe('the generated loop', () => {
  test('does what the interpreter does: rows of every checkpoint, fates, late lines, timers', () => {
    fc.assert(
      fc.property(runs, ({ options, lines, cuts: behind }) => {
        const request = requestOf(options, lines, behind);
        const generated = runOperator({ ...request, create: () => new TumblingWindow(options) });
        const interpreted = runOperator({ ...request, create: () => new InterpretedWindow(options) });
        expect(generated).toEqual(interpreted);
      }),
      PARAMETERS,
    );
  });

  test('comes to the same rows, fates and late lines however lines are cut into batches, checkpoints and lives', () => {
    fc.assert(
      fc.property(runs, ({ options, lines, cuts: behind, others }) => {
        const create = (): TumblingWindow => new TumblingWindow(options);
        const [one, other, whole] = [behind, others, ['none'] as const].map((cut) => {
          const { table, late, fates, others } = runOperator({ ...requestOf(options, lines, cut), create });
          return { table: [...table].sort(([x], [y]) => (x < y ? -1 : 1)), late, fates, others };
        });
        expect(one).toEqual(whole);
        expect(other).toEqual(whole);
      }),
      PARAMETERS,
    );
  });

  test('keeps thousands of keys apart, in tables that grow while a batch runs', () => {
    const options = optionsOf({ by: KEYS.slice(0, 3), measures: MEASURES });
    const lines = Array.from({ length: 6000 }, (_, i): TestLine => ({
      timeMs: 1000 * (i % 3),
      cells: [`/path/${i % 1500}`, i % 7 === 0 ? null : `10.0.${i % 256}.1`, i % 5, null, i, i / 8],
      watermarkMs: -Infinity,
      isScratch: i % 4 === 0,
    }));
    const request = requestOf(options, lines, ['none']);
    const generated = runOperator({ ...request, create: () => new TumblingWindow(options) });
    expect(generated.table.size).toBe(6000);
    expect(generated).toEqual(runOperator({ ...request, create: () => new InterpretedWindow(options) }));
  });
});

test.each([7, 11])('texts of %i bytes with one hash are two keys', (length) => {
  const [one, other] = textsOfOneHash(length);
  const cells = [one, other, one].map((path) => at(0, { cells: [path!, null, null, null, null, null] }));
  const { table } = run({ by: KEYS.slice(0, 1) }, cells);
  expect([...table.values()].map((row) => row.split(' ')[0])).toEqual(['2', '1']);
});

describe('a tumbling window', () => {
  test.each([
    [0, 0, 60_000],
    [59_999, 0, 60_000],
    [60_000, 60_000, 120_000],
    [-1, -60_000, 0],
    [-60_000, -60_000, 0],
    [-60_001, -120_000, -60_000],
  ])('of a minute takes %i into [%i, %i)', (timeMs, startMs, endMs) => {
    expect([...run({}, [at(timeMs)]).table.keys()]).toEqual([JSON.stringify([startMs, endMs])]);
  });

  test('closes when its last millisecond is at the watermark, and a line is late from then on', () => {
    const open = run({}, [at(0), at(5, { watermarkMs: 59_998 })]);
    expect([open.late, open.fates.get('traffic rolled_up ')?.lines]).toEqual([[], 2]);
    const closed = run({}, [at(0), at(5, { watermarkMs: 59_999 })]);
    expect(closed.fates.get('traffic late ')?.lines).toBe(1);
    expect(closed.late).toMatchObject([
      { offset: 100 + 2 ** 34 / 2, windowStartMs: 0, windowEndMs: 60_000, watermarkMs: 59_999 },
    ]);
    expect([...closed.table.values()][0]).toMatch(/^1 /);
  });

  test('with allowed lateness revises its row, and tells how often', () => {
    const lines = [
      at(0),
      at(1, { watermarkMs: 59_999 }),
      at(2, { watermarkMs: 60_000 }),
      at(3, { watermarkMs: 69_999 }),
    ];
    const { table, late } = run({ allowedLatenessMs: 10_000 }, lines);
    expect([...table.values()].map((row) => row.split(' ')[3])).toEqual(['2']);
    expect(late.map((line) => line.eventTimeMs)).toEqual([3]);
  });

  test('before the first of an added rollup is filtered, even if it would be late', () => {
    const lines = [at(59_999), at(60_000), at(10, { watermarkMs: 200_000 }), at(70_000, { watermarkMs: 200_000 })];
    const { fates, late } = run({}, lines, 60_000);
    expect(fates.get('traffic filtered before_rollup')?.lines).toBe(2);
    expect(late.map((line) => line.eventTimeMs)).toEqual([70_000]);
  });

  test('shows the key of a late line as its row has it', () => {
    const key = { by: KEYS.slice(0, 3) };
    const cells = [INVALID, null, -0, null, null, null];
    const { late, table } = run(key, [at(0, { cells }), at(0, { cells, watermarkMs: 100_000 })]);
    expect(late[0]?.key).toEqual([ESCAPED, null, '0']);
    expect([...table.keys()]).toEqual([JSON.stringify([0, 60_000, ESCAPED, null, 0])]);
  });

  test('NULL and the empty text are two keys; bytes that are shown alike are one', () => {
    const paths = [null, '', INVALID, ESCAPED, '\ufeff'];
    const lines = paths.map((path, i) => at(i, { cells: [path, null, null, null, null, null] }));
    const { table } = run({ by: KEYS.slice(0, 1) }, lines);
    expect([...table].map(([name, row]) => [(JSON.parse(name) as unknown[])[2], row.split(' ')[0]])).toEqual([
      [null, '1'],
      ['', '1'],
      [ESCAPED, '2'],
      ['\ufeff', '1'],
    ]);
  });

  test('with as many rows as it may have takes all further keys into one, beside the row of NULL', () => {
    const paths = ['a', null, 'b', INVALID, 'a', 'c', null];
    const lines = paths.map((path, i) => at(i, { cells: [path, null, null, null, 2 ** i, null] }));
    const measures = MEASURES.filter(({ name }) => name === 'sum_bytes');
    const { table, others, fates } = run({ by: KEYS.slice(0, 1), measures, rowsMax: 2 }, lines);
    const said = [...table].map(([name, row]) => [
      ...(JSON.parse(name) as unknown[]).slice(2),
      row.split(' ')[0],
      row.split(' ')[4],
    ]);
    expect(said).toEqual([
      ['a', '2', '17'],
      [null, '2', '66'],
      [null, 'other row', '3', '44'],
    ]);
    expect(others).toEqual({ lines: 3, first: { windowStartMs: 0, key: ['b'], rowsMax: 2, isFull: true } });
    expect(fates.get('traffic rolled_up ')?.lines).toBe(7);
  });

  test('has the rows of each window counted for itself, and no cap where there is no key', () => {
    const cells = (path: string): Partial<TestLine> => ({ cells: [path, null, null, null, null, null] });
    const lines = [at(0, cells('a')), at(60_000, cells('b')), at(0, cells('c')), at(60_000, cells('b'))];
    expect(run({ by: KEYS.slice(0, 1), rowsMax: 1 }, lines).others.lines).toBe(1);
    expect(run({ by: [], rowsMax: 1 }, lines).others.lines).toBe(0);
  });

  test('an epoch is known to be large where its keys are long', () => {
    const operator = new TumblingWindow(optionsOf({ by: KEYS.slice(0, 1) }));
    const lines = [0, 1, 2, 3].map((i) =>
      at(i * 60_000, { cells: [String(i).repeat(8000), null, null, null, null, null] }),
    );
    operator.process(admittedBatch(lines, FIELDS), { late: () => {}, fate: () => {}, others: () => {} });
    operator.onWatermark(120_000);
    expect(operator.changedBytes()).toBeGreaterThan(32_000);
    expect(operator.changedBytes()).toBeLessThan(34_000);
  });

  test('keeps whole numbers beyond 2^53 apart, as keys and in sums, and numbers that are too large in the row of others', () => {
    const numbers = [2n ** 62n, 2n ** 62n + 1n, 2n ** 62n, 7, Infinity, null, -Infinity];
    const lines = numbers.map((number) => at(0, { cells: [null, null, number, null, number, null] }));
    const measures = MEASURES.filter(({ name }) => name === 'sum_bytes');
    const { table, others } = run({ by: KEYS.slice(2, 3), measures }, lines);
    const said = [...table].map(([name, row]) => {
      const [, , key, other] = JSON.parse(name) as unknown[];
      const acc = row.split(' ').slice(4).map(Number);
      return [key, other, COMPONENTS.aggregates['sum']!.result(acc, 1, 'long')];
    });
    expect(said).toEqual([
      [String(2n ** 62n), undefined, 2n ** 63n],
      [String(2n ** 62n + 1n), undefined, 2n ** 62n + 1n],
      [7, undefined, 7],
      [null, 'other row', null],
      [null, undefined, null],
    ]);
    expect(others).toEqual({
      lines: 2,
      first: { windowStartMs: 0, key: ['Infinity'], rowsMax: 1_000_000, isFull: false },
    });
  });
});

operatorContract('the tumbling window with more keys than rows', {
  fields: FIELDS,
  keys: 2,
  create: () => new TumblingWindow(optionsOf({ by: KEYS.slice(0, 2), measures: MEASURES, rowsMax: 3 })),
  lines: fc.sample(linesOf(60_000), { seed: 9, numRuns: 5 }).flat().map(sorted()),
});

operatorContract('the tumbling window', {
  fields: FIELDS,
  keys: 2,
  create: () => new TumblingWindow(optionsOf({ by: KEYS.slice(0, 2), measures: MEASURES })),
  lines: fc.sample(linesOf(60_000), { seed: 7, numRuns: 5 }).flat().map(sorted()),
});

operatorContract('the interpreted window', {
  fields: FIELDS,
  keys: 2,
  create: () => new InterpretedWindow(optionsOf({ by: KEYS.slice(0, 2), measures: MEASURES })),
  lines: fc.sample(linesOf(60_000), { seed: 8, numRuns: 5 }).flat().map(sorted()),
});

/** Lines of several samples one after the other, with a watermark that goes on rising. */
function sorted(): (line: TestLine) => TestLine {
  let watermarkMs = -Infinity;
  return (line) => ({ ...line, watermarkMs: (watermarkMs = Math.max(watermarkMs, line.watermarkMs)) });
}

function optionsOf(spec: Partial<RollupSpec>, sinceMs = -Infinity): OperatorContext {
  const window = { type: 'tumbling', sizeMs: 60_000, offsetMs: 0 } as const;
  return {
    name: 'traffic',
    spec: {
      from: 'access',
      by: [],
      window,
      allowedLatenessMs: 0,
      rowsMax: 1_000_000,
      measures: [MEASURES[0]!],
      ...spec,
    },
    fields: FIELDS,
    aggregates: COMPONENTS.aggregates,
    sinceMs,
  };
}

/** Two texts of one length and one hash: among 200,000 of them about five pairs must be. */
function textsOfOneHash(length: number): [string, string] {
  const seen = new Map<number, string>();
  for (let i = 0; i < 1_000_000; i++) {
    const candidate = (Math.imul(i, 0x9e3779b1) >>> 0).toString(36).padStart(7, '0').padEnd(length, String(i));
    const hash = hashKey([Buffer.from(candidate)]);
    const other = seen.get(hash);
    if (other !== undefined) return [other, candidate];
    seen.set(hash, candidate);
  }
  throw new Error('the hash has no collisions');
}

function at(timeMs: number, line: Partial<TestLine> = {}): TestLine {
  return { timeMs, cells: FIELDS.map(() => null), watermarkMs: -Infinity, ...line };
}

function run(spec: Partial<RollupSpec>, lines: readonly TestLine[], sinceMs?: number): ReturnType<typeof runOperator> {
  const options = optionsOf(spec, sinceMs);
  return runOperator({ ...requestOf(options, lines, ['none']), create: () => new TumblingWindow(options) });
}
