import { afterEach, describe, expect, test } from '@jest/globals';
import type { Config } from '../../src/config/config.ts';
import type { LedgerEntry } from '../../src/epoch/epoch.ts';
import type { TransformSpec } from '../../src/epoch/pipeline.ts';
import type { FaultPoint } from '../../src/lib/fault-point.ts';
import { setMutant } from '../../src/lib/mutant.ts';
import { call, constant, field } from '../../src/expressions/tree.ts';
import { documentPipeline } from '../../src/roles/sinks/document-pipeline.ts';
import { addLine, emptySum } from '../../src/record/line-id.ts';
import { documentId } from '../../src/sinks/elasticsearch/document-id.ts';
import { CONSUMER, DocumentWorld, RAW } from '../support/document-runs.ts';
import { Random } from '../support/random.ts';
import { TestFile, plainPipeline } from '../support/raw-stream.ts';

const DAY_MS = 86_400_000;
const READ_AT = 100 * DAY_MS;
const SEEDS = process.env['TAILRACE_SOAK'] === '1' ? 2_000 : 12;
const POINTS: readonly FaultPoint[] = [
  'documents.bulk_sent',
  'documents.bulk_acked',
  'engine.before_append',
  'engine.after_append',
  'engine.processed',
];

afterEach(() => setMutant(undefined));

/** Three files, some lines of which are none, and some whose documents no index takes. */
function filesOf(random: Random): TestFile[] {
  return ['a/1', 'a/2', 'b/1'].map((source) => {
    const lines = Array.from({ length: 40 }, (_, i) => {
      if (random.chance(0.05)) return 'no line';
      const value = random.chance(0.05) ? 13 : 20 + i;
      return `${READ_AT - random.below(40) * DAY_MS - random.below(1000)} k${i % 5} ${value}`;
    });
    return Object.assign(new TestFile(source, lines), { readAtMs: READ_AT });
  });
}

/** An agent that sends in blocks of a few lines, and now and then once more what it sent. */
async function sendAll(world: DocumentWorld, files: readonly TestFile[], random: Random): Promise<void> {
  const log = world.log.open();
  const sent = files.map(() => 0);
  while (sent.some((line) => line < 40)) {
    const i = random.below(files.length);
    if (sent[i]! >= 40) continue;
    const to = Math.min(40, sent[i]! + 1 + random.below(12));
    const from = random.chance(0.2) ? random.below(sent[i]! + 1) : sent[i]!;
    await log.append(RAW, 0, [files[i]!.block(files[i]!.at(from), files[i]!.at(to))]);
    sent[i] = to;
  }
}

interface Wrong {
  readonly lost: string[];
  readonly doubled: string[];
  readonly ledger: string[];
}

async function wrongOf(world: DocumentWorld, files: readonly TestFile[]): Promise<Wrong> {
  const { documents, ledger, deadLetters } = await world.outcome();
  const places = new Map<string, string[]>();
  for (const { id, index } of documents) places.set(id, [...(places.get(id) ?? []), index]);
  const expected = new Map<string, LedgerEntry['sum']>();
  const count = (fate: string, reason: string, source: string, offset: number): void => {
    const key = [source, fate, reason].join(' ');
    const sum = expected.get(key) ?? emptySum();
    addLine(sum, source, offset);
    expected.set(key, sum);
  };
  const lost: string[] = [];
  const rejected: string[] = [];
  for (const file of files) {
    for (let line = 0; line < 40; line++) {
      const offset = file.at(line);
      const text = file.content.toString('utf8', offset, file.at(line + 1) - 1);
      const [index] = places.get(documentId(file.source, offset)) ?? [];
      if (index === undefined) lost.push(`${file.source} ${offset}`);
      count('in', '', file.source, offset);
      if (text === 'no line') count('dead_letter', 'malformed', file.source, offset);
      else if (text.endsWith(' 13')) {
        count('dead_letter', 'rejected', file.source, offset);
        rejected.push(`${file.source} ${offset} ${text}`);
      } else count('indexed', index ?? '', file.source, offset);
    }
  }
  const found = new Map(ledger.map((entry) => [[entry.source, entry.fate, entry.reason].join(' '), entry.sum]));
  const wrongSums = [...new Set([...expected.keys(), ...found.keys()])].filter(
    (key) => JSON.stringify(expected.get(key)) !== JSON.stringify(found.get(key)),
  );
  const listed = deadLetters.map(({ source, offset, bytes }) => `${source} ${offset} ${Buffer.from(bytes).toString()}`);
  expect(new Set([...deadLetters.map(({ detail }) => detail), 'x: no']).size).toBe(1);
  const messages = documents.flatMap(({ document }) => document['error.message'] ?? []);
  for (const message of messages) expect(['x: no', 'value: column 8: expected three words']).toContain(message);
  const isListed = JSON.stringify(listed.toSorted()) === JSON.stringify(rejected.toSorted());
  expect(ledger.every(({ consumer }) => consumer === CONSUMER)).toBe(true);
  return {
    lost,
    doubled: [...places].filter(([, indices]) => indices.length > 1).map(([id]) => id),
    ledger: [...wrongSums, ...(isListed ? [] : ['the rejected lines are not those that are listed'])],
  };
}

async function play(seed: number): Promise<Wrong> {
  const random = new Random(seed);
  const world = new DocumentWorld();
  await world.begin();
  world.store.refuses = ({ message }) => String(message).endsWith(' 13');
  const files = filesOf(random);
  const sending = sendAll(world, files, random);
  if (random.chance(0.7)) await sending;
  let timing = plainPipeline({}, { field: 'time' });
  for (let life = 0; life < 4; life++) {
    // A changed stream begins indices of its own, and finishes what was begun in the others.
    if (random.chance(0.3)) timing = plainPipeline({}, { field: 'time', maxFutureMs: 3_600_000 + life });
    const fault = { point: random.pick(POINTS), passes: 1 + random.below(3) };
    await world.live({ fault, pipeline: timing, random });
  }
  await sending;
  expect(await world.live({ pipeline: timing, random })).toBe(true);
  return wrongOf(world, files);
}

describe('documents of a task that is killed anywhere', () => {
  test.each(Array.from({ length: SEEDS }, (_, i) => i))(
    'are there once, and the ledger says so, seed %i',
    async (seed) => {
      expect(await play(seed)).toEqual({ lost: [], doubled: [], ledger: [] });
    },
    30_000,
  );

  test.each<[TransformSpec[], Record<string, unknown>]>([
    [
      [
        { type: 'drop', fields: ['value'] },
        { type: 'rename', fields: { key: 'who' } },
      ],
      { who: 'k', key: undefined, value: undefined },
    ],
    [[{ type: 'rename', fields: { key: 'value', value: 'key' } }], { key: 20, value: 'k' }],
    [[{ type: 'keep', fields: ['time'] }], { key: undefined, value: undefined }],
  ])('have the fields that transforms leave: %j', async (transforms, fields) => {
    const world = new DocumentWorld();
    await world.begin();
    const line = `${READ_AT} k 20`;
    const file = Object.assign(new TestFile('a/1', [line]), { readAtMs: READ_AT });
    await world.log.open().append(RAW, 0, [file.block(0, file.end)]);
    const pipeline = plainPipeline({}, { field: 'time' });
    const streams = { access: { ...pipeline.streams['access']!, transforms } };
    expect(await world.live({ pipeline: { ...pipeline, streams }, random: new Random(3) })).toBe(true);
    const { documents } = await world.outcome();
    expect(documents).toHaveLength(1);
    const { document } = documents[0]!;
    expect({ ...document, key: document['key'], value: document['value'] }).toMatchObject({ message: line, ...fields });
    expect(document['time']).toBe(new Date(READ_AT).toISOString());
  });

  test('are not made of lines that a transform filters; those it refuses are dead letters', async () => {
    const world = new DocumentWorld();
    await world.begin();
    const lines = [5, 50, 500, 51].map((value) => `${READ_AT} k ${value}`);
    const file = Object.assign(new TestFile('a/1', lines), { readAtMs: READ_AT });
    await world.log.open().append(RAW, 0, [file.block(0, file.end)]);
    const pipeline = plainPipeline({}, { field: 'time' });
    const transforms = [{ type: 'sieve', field: 'value', least: 10, most: 100 }];
    const streams = { access: { ...pipeline.streams['access']!, transforms } };
    expect(await world.live({ pipeline: { ...pipeline, streams }, random: new Random(3) })).toBe(true);
    const { documents, ledger, deadLetters } = await world.outcome();
    const said = documents.map(({ index, document }) => [index.includes('dead'), document['message']]);
    expect(said).toEqual([
      [false, lines[1]],
      [true, lines[2]],
      [false, lines[3]],
    ]);
    const fates = ledger.map(({ fate, reason, sum }) => `${fate} ${fate === 'indexed' ? '' : reason} ${sum.lines}`);
    expect(new Set(fates)).toEqual(new Set(['in  4', 'indexed  2', 'filtered too_small 1', 'dead_letter too_large 1']));
    // The engine lists them, once for all who read the stream.
    expect(deadLetters).toEqual([]);
  });

  test('are made of the lines for which the condition of the sink is true', async () => {
    const world = new DocumentWorld();
    await world.begin();
    const lines = ['5', '50', 'x', '51'].map((value) => `${READ_AT} k ${value}`);
    const file = Object.assign(new TestFile('a/1', lines), { readAtMs: READ_AT });
    await world.log.open().append(RAW, 0, [file.block(0, file.end)]);
    const { streams } = plainPipeline({}, { field: 'time' });
    const tree = call('>=', 'boolean', [field('value', 'long'), constant('long', '50')]);
    const of = { text: 'value >= 50', tree };
    const pipeline = documentPipeline({ name: 'web' } as Config, 'access', streams['access']!, of);
    expect(await world.live({ pipeline, random: new Random(3) })).toBe(true);
    const { documents, ledger } = await world.outcome();
    expect(documents.map(({ document }) => document['message'])).toEqual([lines[1], lines[3]]);
    const fates = ledger.map(({ fate, reason, sum }) => `${fate} ${fate === 'indexed' ? '' : reason} ${sum.lines}`);
    expect(new Set(fates)).toEqual(new Set(['in  4', 'indexed  2', 'filtered where 2']));
  });

  test('documents.cursor_before_bulk: lines are lost without the rule', async () => {
    setMutant('documents.cursor_before_bulk');
    let lost = 0;
    for (let seed = 0; seed < 12 && lost === 0; seed++) lost += (await play(seed)).lost.length;
    expect(lost).toBeGreaterThan(0);
  }, 120_000);
});
