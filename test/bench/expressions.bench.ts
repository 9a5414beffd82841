// Nanoseconds a line of expressions: each alone over decoded batches of access lines, as generated code and in the interpreter; then a filter and a derived
// field behind the decoder, against the decoder alone.
import { LineGenerator } from '../../src/agent/sources/generator.ts';
import type { BlockLines } from '../../src/codecs/codec.ts';
import { combined } from '../../src/codecs/combined.ts';
import { type ColumnProgram, interpretedColumn } from '../../src/expressions/column.ts';
import { compileColumn, generatedColumn } from '../../src/expressions/compile.ts';
import { resolveExpression } from '../../src/expressions/resolve.ts';
import { SqlParser } from '../../src/expressions/sql-parser.ts';
import { type Tree, fieldTypeOf } from '../../src/expressions/tree.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { Batch, type FieldType } from '../../src/record/batch.ts';

const BLOCKS = 8;
const LINES = 2700;
const ROUNDS = 60;

const FIELDS = {
  'url.path': 'keyword',
  'http.response.status_code': 'long',
  'http.response.body.bytes': 'long',
  'http.request.method': 'keyword',
  'user_agent.original': 'keyword',
  '@timestamp': 'date',
} as const satisfies Record<string, FieldType>;
const NAMES = Object.keys(FIELDS);

const EXPRESSIONS = [
  'http.response.status_code >= 500',
  "url.path = '/health'",
  "http.request.method in ('GET', 'HEAD')",
  "url.path not like '/health%' and http.response.status_code >= 500",
  "contains(user_agent.original, 'Firefox')",
  "case when http.response.status_code >= 500 then 'error' else 'ok' end",
  'http.response.body.bytes / 1000000',
  "http.request.method || ' ' || url.path",
  'date_trunc(\'hour\', "@timestamp")',
  'lower(url.path)',
  "regexp_extract(url.path, '^/[^/]+')",
  "split_part(url.path, '/', 2) = 'api' and length(url.path) > 10",
];

function blocksOf(paths: number): BlockLines[] {
  const options = {
    format: 'combined' as const,
    startMs: 0,
    stepMs: 0.36,
    paths,
    clients: 1000,
    lateShare: 0.05,
    lateMs: 30_000,
    dupShare: 0,
  };
  const generator = new LineGenerator(options, seededRandom(1));
  return Array.from({ length: BLOCKS }, () => ({ bytes: Buffer.from(generator.next(LINES)), lines: LINES, start: 0 }));
}

/** Nanoseconds a line of several ways in turn: of each block its best of many rounds, for what else runs meets few of them. */
function nanosOf<T>(items: readonly T[], rounds: number, ...runs: readonly ((item: T) => void)[]): number[] {
  const best = runs.map(() => items.map(() => Infinity));
  for (let round = -rounds / 2; round < rounds; round++) {
    for (const [r, run] of runs.entries()) {
      for (const [i, item] of items.entries()) {
        const startedMs = systemClock.monotonicMs();
        run(item);
        const nanos = ((systemClock.monotonicMs() - startedMs) * 1e6) / LINES;
        if (round >= 0) best[r]![i] = Math.min(best[r]![i]!, nanos);
      }
    }
  }
  return best.map((ofBlocks) => ofBlocks.reduce((sum, nanos) => sum + nanos, 0) / items.length);
}

const request = {
  eventTimeField: '@timestamp',
  fields: NAMES.map((name) => ({ name, type: FIELDS[name as keyof typeof FIELDS] })),
};

/** The lines decoded, with a column behind for the result. */
function batchesOf(blocks: readonly BlockLines[], result: FieldType): Batch[] {
  return blocks.map((block) => {
    const batch = new Batch([...Object.values(FIELDS), result]);
    combined.compile({}, request)(block, batch);
    return batch;
  });
}

async function treeOf(text: string): Promise<Tree> {
  const parser = new SqlParser();
  parser.get(text);
  await parser.read();
  const read = parser.get(text)!;
  if ('problem' in read) throw new Error(read.problem.message);
  const unknown = (name: string): never => {
    throw new Error(`no field ${name}`);
  };
  const resolution = resolveExpression(read.parsed, { typeOf: (name) => FIELDS[name as keyof typeof FIELDS], unknown });
  if ('problem' in resolution) throw new Error(`${text}: ${resolution.problem.message}`);
  return resolution.tree;
}

const columnOf = (name: string): number => NAMES.indexOf(name);

/** Scratch grows from run to run where nobody decodes between: it is taken back. */
function alone(program: ColumnProgram): (batch: Batch) => void {
  return (batch) => {
    const { scratchLength } = batch;
    program.run(batch, batch.columns[NAMES.length]!);
    batch.scratchLength = scratchLength;
  };
}

const usual = blocksOf(1000);
console.log('one expression over decoded batches of 2,700 lines, 1,000 paths; ns a line');
for (const text of EXPRESSIONS) {
  const tree = await treeOf(text);
  const batches = batchesOf(usual, fieldTypeOf(tree.type));
  const generated = generatedColumn(tree, columnOf);
  const [fast] = generated === undefined ? [Number.NaN] : nanosOf(batches, ROUNDS, alone(generated));
  const [plain] = nanosOf(batches, 6, alone(interpretedColumn(tree, columnOf)));
  console.log(
    `${text.padEnd(72)} generated ${fast!.toFixed(1).padStart(6)}  interpreter ${plain!.toFixed(0).padStart(5)}`,
  );
}

console.log('\nbehind the decoder of `combined`, all of these fields; ns a line');
function road(programs: readonly (readonly [ColumnProgram, FieldType])[]): (block: BlockLines) => void {
  const decode = combined.compile({}, request);
  const batch = new Batch([...Object.values(FIELDS), ...programs.map(([, type]) => type)]);
  return (block) => {
    decode(block, batch);
    for (const [i, [program]] of programs.entries()) program.run(batch, batch.columns[NAMES.length + i]!);
  };
}
const FILTER = "url.path not like '/health%' and http.response.status_code >= 500";
const TEXT = "regexp_extract(url.path, '^/[^/]+')";
const NUMBER = 'http.response.body.bytes / 1000000';
const roads: readonly (readonly [string, readonly string[]])[] = [
  ['a filter', [FILTER]],
  ['a derived text, remembered', [TEXT]],
  ['a derived number', [NUMBER]],
  ['all three', [FILTER, TEXT, NUMBER]],
];
for (const [name, texts] of roads) {
  const trees = await Promise.all(texts.map(treeOf));
  const programs = trees.map((tree) => [compileColumn(tree, columnOf), fieldTypeOf(tree.type)] as const);
  const [without, withThem] = nanosOf(usual, ROUNDS, road([]), road(programs)) as [number, number];
  console.log(
    `${name.padEnd(30)} ${withThem.toFixed(0)}, without ${without.toFixed(0)}: ${(withThem - without).toFixed(0)} more`,
  );
}

console.log('\ntexts that are mostly different: 1,000,000 paths; ns a line');
const tree = await treeOf(TEXT);
const [fast, plain] = nanosOf(
  batchesOf(blocksOf(1_000_000), 'keyword'),
  12,
  alone(compileColumn(tree, columnOf)),
  alone(interpretedColumn(tree, columnOf)),
) as [number, number];
console.log(`generated ${fast.toFixed(0)}  interpreter ${plain.toFixed(0)}`);
