// Generated code of expressions against their interpreter, over whatever batches may hold: bytes that are not UTF-8, texts in the scratch, whole numbers
// beyond 2^53 with and without their lane, infinities, lines with other verdicts, any cut into batches.
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type ColumnProgram, interpretedColumn } from '../../src/expressions/column.ts';
import { generatedColumn } from '../../src/expressions/compile.ts';
import { type Tree, fieldTypeOf } from '../../src/expressions/tree.ts';
import { exactInteger } from '../../src/lib/exact-integer.ts';
import { Batch, type FieldType, isStringType } from '../../src/record/batch.ts';
import { FIELDS, type GeneratedType, LONGS, TEXTS, TIMES_MS, expressions } from '../support/expressions/grammar.ts';
import { SCOPE, treesOf } from '../support/expressions/oracle.ts';
import { RULES } from '../support/expressions/rules.ts';

const SEED = Number(process.env['TAILRACE_SEED'] ?? 20_261_130);
const RUNS = process.env['TAILRACE_SOAK'] === undefined ? 12 : 600;
const EXPRESSIONS = 40;
const LINES = 60;

const NAMES = Object.keys(FIELDS);
const FIELD_TYPES = NAMES.map((name) => SCOPE.typeOf(name)!);
const RESULTS: readonly GeneratedType[] = ['boolean', 'boolean', 'long', 'double', 'text', 'time'];

/** What random expressions do not hit upon. */
const CHOSEN = [
  "url.path = '\\xff'",
  "url.path in ('b', '\\xff')",
  "'a\\xffb' <> url.path",
  'url.path = word',
  'word is distinct from url.path',
  'cast(url.path as boolean)',
  "contains(url.path, 'ff')",
  "contains(url.path, 'api')",
  "contains(url.path, 'ite')",
  "url.path like '%ff'",
  "url.path like '_b'",
  "starts_with(url.path, '\\xff')",
  "(url.path || word || 'z') = 'aaz'",
  "concat(url.path, 'z', word) < 'b'",
  `(url.path || word || '${'-'.repeat(300)}') < 'b'`,
  "coalesce(url.path, 'x')",
  "case when flag then url.path else 'x' end",
  'size * 4503599627370497',
  'size + http.status',
  'round(event.ratio)',
  'round(event.ratio, 1)',
  'cast(event.ratio as bigint)',
  "date_part('hour', seen)",
  "date_trunc('day', seen)",
  "epoch_ms(8639999999999900 + size) + interval '100 milliseconds'",
  'epoch_ms(size)',
  "flag and word <> '' and cast(url.path as boolean)",
];

type Cell = null | number | bigint | { readonly bytes: Buffer; readonly isEscaped: boolean };
interface Line {
  readonly verdict: number;
  readonly cells: readonly Cell[];
}

/** Most are what people log, so that the fast path is met; the rest is everything else. */
const BYTES: fc.Arbitrary<Buffer> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom('/api/v1/items', '/health', 'GET', 'a', 'ab', '').map((t) => Buffer.from(t)),
  },
  { weight: 3, arbitrary: TEXTS.map((text) => Buffer.from(text)) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('ff', '5c786666', 'c3', 'c3a9', 'a9', '61ff62', '615c7866 6662')
      .map((hex) => Buffer.from(hex.replace(' ', ''), 'hex')),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)) },
);

function cellsOf(type: FieldType): fc.Arbitrary<Cell> {
  if (isStringType(type)) return fc.record({ bytes: BYTES, isEscaped: fc.boolean() });
  if (type === 'boolean') return fc.constantFrom(0, 1);
  if (type === 'date')
    return fc.oneof(
      { weight: 6, arbitrary: TIMES_MS },
      { weight: 1, arbitrary: fc.constantFrom(0.5, -1.25, Infinity) },
    );
  const small = fc.oneof(
    fc.integer({ min: -3, max: 3 }),
    fc.constantFrom(200, 404, 500, 1000),
    ...(type === 'double' ? [fc.constantFrom(0.5, -0.5, 1.5, -2.5, 0.25)] : []),
  );
  const rare =
    type === 'long'
      ? fc.oneof(LONGS, fc.constantFrom(Infinity, -Infinity))
      : fc.oneof(fc.double({ noNaN: true }), fc.constantFrom(Infinity, -0));
  return fc.oneof({ weight: 6, arbitrary: small }, { weight: 1, arbitrary: rare });
}

const LINE: fc.Arbitrary<Line> = fc.record({
  verdict: fc.constantFrom(0, 0, 0, 0, 2),
  cells: fc.tuple(...FIELD_TYPES.map((type) => fc.option(cellsOf(type), { freq: 6, nil: null }))),
});

function batchOf(lines: readonly Line[], result: FieldType): Batch {
  const batch = new Batch([...FIELD_TYPES, result, result], 4);
  batch.reset(
    Buffer.concat(
      lines.flatMap(({ cells }) =>
        cells.map((cell) => (typeof cell === 'object' && cell !== null ? cell.bytes : Buffer.alloc(0))),
      ),
    ),
    lines.length,
  );
  batch.length = lines.length;
  let at = 0;
  for (const [i, line] of lines.entries()) {
    batch.verdict[i] = line.verdict;
    for (const [c, cell] of line.cells.entries()) {
      const column = batch.columns[c]!;
      if (column.kind === 'string') {
        column.length[i] = -1;
        if (typeof cell !== 'object' || cell === null) continue;
        column.length[i] = cell.bytes.length;
        column.start[i] = cell.isEscaped ? -1 - batch.appendScratch(cell.bytes) : at;
        at += cell.bytes.length;
      } else if (typeof cell === 'bigint' && !Number.isSafeInteger(Number(cell))) Batch.setLarge(column, i, cell);
      else column.values[i] = cell === null ? Number.NaN : Number(cell);
    }
  }
  // The next text does not fit.
  batch.scratch = batch.scratch.slice(0, batch.scratchLength);
  return batch;
}

/** What stands in the column `c` of each line: the bytes themselves, all digits. */
function contentOf(batch: Batch, c: number): unknown[] {
  const column = batch.columns[c]!;
  return Array.from({ length: batch.length }, (_, i) => {
    if (batch.verdict[i] !== 0) return 'another verdict';
    if (column.kind === 'string') {
      const bytes = batch.stringBytes(column, i);
      return bytes === undefined ? null : Buffer.from(bytes).toString('latin1');
    }
    const rest = column.rest?.[i] ?? 0;
    return `${exactInteger(column.values[i]!, rest)} ${rest}`;
  });
}

function run(program: ColumnProgram, batches: readonly Batch[], c: number): { lost: number; content: unknown[] } {
  let lost = 0;
  const content = batches.flatMap((batch) => {
    lost += program.run(batch, batch.columns[c]!);
    return contentOf(batch, c);
  });
  return { lost, content };
}

const columnOf = (name: string): number => NAMES.indexOf(name);

describe('generated code of expressions', () => {
  it('is what the interpreter is, over any batch, whatever it holds', async () => {
    let lines = 0;
    let slowLines = 0;
    let generated = 0;
    for (let round = 0; round < RUNS; round++) {
      const seed = SEED + round;
      const oneOf = fc.constantFrom(...RESULTS).chain((type) => expressions(RULES, type));
      const pairs = fc.sample(oneOf, { numRuns: EXPRESSIONS, seed });
      const texts = [...pairs.map(({ text }) => text), ...CHOSEN];
      const trees = await treesOf(texts);
      const rows = fc.sample(LINE, { numRuns: LINES, seed });
      const cut = seed % LINES;
      for (const [e, tree] of trees.entries()) {
        const program = generatedColumn(tree, columnOf);
        if (program === undefined) continue;
        generated++;
        const batches = [rows.slice(0, cut), rows.slice(cut)].map((part) => batchOf(part, fieldTypeOf(tree.type)));
        const expected = run(interpretedColumn(tree, columnOf), batches, NAMES.length);
        const compiled = run(program, batches, NAMES.length + 1);
        expect({ seed, text: texts[e]!, ...compiled }).toEqual({ seed, text: texts[e]!, ...expected });
        slowLines += program.slowLines;
        lines += rows.filter(({ verdict }) => verdict === 0).length;
      }
    }
    expect({ generated, isMostlyGenerated: generated > (RUNS * EXPRESSIONS) / 2 }).toMatchObject({
      isMostlyGenerated: true,
    });
    // What is rare is rare here too.
    expect(slowLines / lines).toBeLessThan(0.3);
  }, 3_600_000);

  it('may fill a column of the batch, also one that it reads', async () => {
    for (const [text, target] of [
      ['url.path', 'url.path'],
      ['word', 'url.path'],
      ['size', 'size'],
      ['http.status', 'size'],
    ] as const) {
      const [tree] = (await treesOf([text])) as [Tree];
      const batch = batchOf(fc.sample(LINE, { numRuns: LINES, seed: SEED }), fieldTypeOf(tree.type));
      interpretedColumn(tree, columnOf).run(batch, batch.columns[NAMES.length]!);
      generatedColumn(tree, columnOf)!.run(batch, batch.columns[columnOf(target)]!);
      expect(contentOf(batch, columnOf(target))).toEqual(contentOf(batch, NAMES.length));
    }
  });
});
