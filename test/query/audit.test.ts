import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Log } from '../../src/broker/broker.ts';
import type { EpochBody, Fate, LedgerEntry, SourceMark } from '../../src/epoch/epoch.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { audit, auditExitCode } from '../../src/query/audit.ts';
import { EXIT, OperatingError } from '../../src/lib/errors.ts';
import { auditDocuments } from '../../src/query/audit-documents.ts';
import { auditSentence } from '../../src/query/audit-report.ts';
import { identityOf } from '../../src/record/file-identity.ts';
import { addLine, emptySum } from '../../src/record/line-id.ts';
import { EpochChain, type TestRow, pipelineOf, rowsOf } from '../support/epochs.ts';
import { MemoryStore } from '../support/memory-log.ts';
import { WarehouseHarness } from '../support/warehouse-harness.ts';
import { NO_TABLES } from '../support/audit-tables.ts';

const SOURCE = 'agent/1';
const LINES = ['/a\n', '/a\n', 'bad\n', '/late\n', '/b\n', '/b'];
const OFFSETS = LINES.map((_, index) => LINES.slice(0, index).join('').length);
const SIZE = LINES.join('').length;

let harness: WarehouseHarness;
let folder: string;
let path: string;
let log: Log;
let chain: EpochChain;

beforeEach(async () => {
  harness = new WarehouseHarness();
  folder = mkdtempSync(join(tmpdir(), 'tailrace-audit-'));
  path = join(folder, 'access.log');
  writeFileSync(path, LINES.join(''));
  log = new MemoryStore({ clock: systemClock }).open();
  chain = await EpochChain.begin(log);
});
afterEach(() => {
  harness.remove();
  rmSync(folder, { recursive: true, force: true });
});

function sumOf(offsets: readonly number[], source = SOURCE) {
  const sum = emptySum();
  for (const offset of offsets) addLine(sum, source, offset);
  return sum;
}

const account = (fate: Fate, offsets: readonly number[], source = SOURCE): LedgerEntry => ({
  source,
  consumer: 'traffic',
  fate,
  reason: '',
  sum: sumOf(offsets, source),
});
const rolledUp = (offsets: readonly number[]) =>
  (['rolled_up', 'placed'] as const).map((fate) => account(fate, offsets));

function markOf(rest: Partial<SourceMark> = {}): SourceMark {
  const identity = identityOf(Buffer.from('/a\n'));
  return {
    source: SOURCE,
    identity,
    path,
    origin: 0,
    position: SIZE,
    tail: '',
    state: 'caught_up',
    eventTimeMsMax: null,
    quietSinceMs: 0,
    gapEnd: null,
    agentSum: null,
    possibleLossBytes: 0,
    possibleDoubleBytes: 0,
    ...rest,
  };
}

const lateLine = (offset: number): EpochBody['late'][number] => ({
  source: SOURCE,
  offset,
  eventTimeMs: 0,
  rollup: 'traffic',
  windowStartMs: 0,
  windowEndMs: 60_000,
  watermarkMs: 60_000,
  key: ['/late', '200'],
});
const deadLetter = (offset: number): EpochBody['deadLetters'][number] => ({
  source: SOURCE,
  offset,
  reason: 'malformed',
  path: '',
  detail: '',
  bytes: Buffer.from('bad'),
  isCut: false,
  lengthBytes: 3,
});
const [a1, a2, bad, late, b1, b2] = OFFSETS as [number, number, number, number, number, number];
const rowsIn = (...rows: readonly TestRow[]) => ({ upserts: [rowsOf('traffic', rows)] });
const rowOf = (key: string, offsets: readonly number[], endMs = 60_000) => {
  const { lines, a: sumA, b: sumB } = sumOf(offsets);
  return { startMs: endMs - 60_000, endMs, key: [key, 200], accumulators: [0, 0], lines, sumA, sumB };
};

/** The body of an epoch in which every line of the file has its fate. */
function whole(rest: Partial<EpochBody> = {}): Partial<EpochBody> {
  return {
    pipeline: pipelineOf(),
    fingerprints: { traffic: 'x' },
    watermarkMs: 60_000,
    sources: [markOf()],
    ledger: [
      account('in', OFFSETS),
      ...rolledUp([a1, a2, b1, b2]),
      account('late', [late]),
      account('dead_letter', [bad]),
    ],
    ...rowsIn(rowOf('/a', [a1, a2]), rowOf('/b', [b1, b2], 120_000)),
    late: [lateLine(late), { ...lateLine(b1), isPart: true }],
    deadLetters: [deadLetter(bad)],
    ...rest,
  };
}

async function auditOf(body: Partial<EpochBody>) {
  await chain.append(body);
  await harness.runToEnd(log, chain.topic);
  return audit({ query: (sql) => harness.query(sql) });
}

describe('a balanced warehouse', () => {
  test('file, ledger and tables agree', async () => {
    const result = await auditOf(whole());
    expect(result.differences).toEqual([]);
    expect(auditSentence(result)).toBe('sent 6 = stored 6, lost 0, doubled 0');
    expect(result.rollups).toMatchObject([
      {
        rollup: 'traffic',
        stream: 'access',
        sent: 6,
        rolledUp: 4,
        late: 1,
        deadLetters: 1,
        filtered: 0,
        stored: 6,
        lost: 0,
        doubled: 0,
      },
    ]);
    expect(result.sources).toMatchObject([{ source: SOURCE, sent: 6, countedBy: 'file', pendingBytes: 0 }]);
  });

  test('a rotated file is found under its new name, and what was appended since is lag', async () => {
    const body = whole();
    renameSync(path, join(folder, 'access.log.1'));
    writeFileSync(path, 'another file\n');
    writeFileSync(join(folder, 'access.log.1'), '\nmore\n', { flag: 'a' });
    const result = await auditOf(body);
    expect(result.differences).toEqual([]);
    expect(result.sources).toMatchObject([{ countedBy: 'file', sent: 6, pendingBytes: 6 }]);
    expect(result.notes).toEqual(['6 bytes in files that are not decided yet (lag)']);
  });

  test('a source that is gone is counted by the agent if it was closed, else by the ledger only', async () => {
    const body = whole({ sources: [markOf({ state: 'closed', agentSum: sumOf(OFFSETS) })] });
    const silent = markOf({ possibleLossBytes: 3 });
    rmSync(path);
    expect((await auditOf(body)).sources).toMatchObject([{ countedBy: 'agent', sent: 6 }]);
    const result = await auditOf({ sources: [silent] });
    expect(result.isBalanced).toBe(true);
    expect(result.sources).toMatchObject([{ countedBy: 'ledger', sent: 6 }]);
    expect(result.notes).toEqual([
      expect.stringMatching(/^1 sources whose file is gone/),
      expect.stringMatching(/^3 bytes that may have been missed/),
    ]);
  });

  test('offsets beyond 4 GiB and several sources hash alike in SQL and here', async () => {
    const far = [2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 45 + 12_345, 0];
    const result = await auditOf({
      ...whole({ upserts: [] }),
      sources: [],
      ledger: [account('in', far), account('late', far)],
      late: far.map(lateLine),
      deadLetters: [],
    });
    expect(result.differences).toEqual([]);
    expect(result.sent).toBe(5);
  });
});

describe('what does not balance is told, and where', () => {
  test('a gap, by the file or, where that is gone, by its bytes', async () => {
    const half = OFFSETS.slice(0, 3);
    const position = OFFSETS[3]!;
    const sources = [markOf({ state: 'gap', position, gapEnd: SIZE })];
    const body = {
      ...whole({ sources }),
      ledger: [account('in', half), account('filtered', half)],
      upserts: [],
      late: [],
      deadLetters: [],
    };
    const gap = `${path}: bytes ${position} to ${SIZE} are missing, and what follows waits for them: tailrace agent resend ${SOURCE}`;
    const result = await auditOf(body);
    expect(result).toMatchObject({ isBalanced: false, sent: 6, lost: 3, doubled: 0 });
    expect(result.differences).toEqual([expect.stringMatching(/has 6 lines, the ledger took in 3: 3 lost/), gap]);
    rmSync(path);
    expect((await auditOf({ sources })).differences).toEqual([gap]);
  });

  test.each<[string, () => Partial<EpochBody>, { lost: number; doubled: number }, RegExp]>([
    [
      'a row lost',
      () => whole(rowsIn(rowOf('/a', [a1, a2]))),
      { lost: 2, doubled: 0 },
      /placed 4 lines, its rows hold 2: 2 lost/,
    ],
    [
      'a row twice',
      () => whole(rowsIn(rowOf('/a', [a1, a2]), rowOf('/a', [a1, a2]), rowOf('/b', [b1, b2]))),
      { lost: 0, doubled: 2 },
      /its rows hold 6: 2 doubled/,
    ],
    [
      'as many, but others',
      () => whole(rowsIn(rowOf('/a', [a1, a1]), rowOf('/b', [b1, b2]))),
      { lost: 1, doubled: 1 },
      /as many, but other lines/,
    ],
    ['a late line lost', () => whole({ late: [] }), { lost: 1, doubled: 0 }, /late lines 1 lines, their table lists 0/],
    [
      'a late line twice',
      () => whole({ late: [lateLine(late), lateLine(late)] }),
      { lost: 0, doubled: 1 },
      /1 of the late lines are listed twice/,
    ],
    [
      'another late line',
      () => whole({ late: [lateLine(late + 1)] }),
      { lost: 1, doubled: 1 },
      /late lines 1 lines, .*other lines/,
    ],
    ['a dead letter lost', () => whole({ deadLetters: [] }), { lost: 1, doubled: 0 }, /dead letters/],
    [
      'another dead letter',
      () => whole({ deadLetters: [deadLetter(bad + 1)] }),
      { lost: 1, doubled: 1 },
      /dead letters/,
    ],
    [
      'a line the engine never took in',
      () =>
        whole({
          ledger: [
            account('in', OFFSETS.slice(1)),
            ...rolledUp([a2, b1, b2]),
            account('late', [late]),
            account('dead_letter', [bad]),
          ],
          ...rowsIn(rowOf('/a', [a2]), rowOf('/b', [b1, b2])),
        }),
      { lost: 1, doubled: 0 },
      /access\.log \(agent\/1\) has 6 lines, the ledger took in 5: 1 lost/,
    ],
    [
      'a line without a fate',
      () =>
        whole({
          ledger: [
            account('in', OFFSETS),
            ...rolledUp([a1, a2, b1]),
            account('late', [late]),
            account('dead_letter', [bad]),
          ],
          ...rowsIn(rowOf('/a', [a1, a2]), rowOf('/b', [b1])),
        }),
      { lost: 1, doubled: 0 },
      /took in 6 lines, and gave a fate to 5: 1 lost/,
    ],
    [
      'the agent counted other lines',
      () => whole({ sources: [markOf({ state: 'closed', agentSum: sumOf([...OFFSETS.slice(1), 77]) })] }),
      { lost: 1, doubled: 1 },
      /other lines/,
    ],
  ])('%s', async (_, body, { lost, doubled }, difference) => {
    const result = await auditOf(body());
    expect(result.isBalanced).toBe(false);
    expect({ lost: result.lost, doubled: result.doubled }).toEqual({ lost, doubled });
    expect(result.differences.join('\n')).toMatch(difference);
  });
});

describe('documents in a store', () => {
  const INDEX = 'tailrace-access-2026.11.26';
  const storeOf = (offsets: readonly number[], isExpired = false) => ({
    sink: 'search',
    streams: ['access'],
    sums: () => Promise.resolve(new Map([[INDEX, sumOf(offsets)]])),
    isExpired: () => isExpired,
  });
  const ofDocuments = (fate: Fate, reason = ''): LedgerEntry => ({
    ...account(fate, OFFSETS),
    consumer: 'documents.search',
    reason,
  });

  test('that are there before their epoch are looked at again, and are not doubled', async () => {
    await chain.append({ pipeline: pipelineOf(), fingerprints: { traffic: 'x' } });
    await harness.runToEnd(log, chain.topic);
    let looks = 0;
    const lookAgain = async (): Promise<void> => {
      looks += 1;
      const documents = [ofDocuments('in'), ofDocuments('indexed', INDEX)];
      await chain.append(whole({ ledger: [...whole().ledger!, ...documents] }));
      await harness.runToEnd(log, chain.topic);
    };
    const result = await audit({ query: (sql) => harness.query(sql), stores: [storeOf(OFFSETS)], lookAgain });
    expect([looks, result.differences, result.isBalanced]).toEqual([1, [], true]);
  });

  test('that nothing ever accounts for are doubled, however often one looks', async () => {
    await chain.append({ pipeline: pipelineOf(), fingerprints: { traffic: 'x' } });
    await harness.runToEnd(log, chain.topic);
    let looks = 0;
    const lookAgain = (): Promise<void> => Promise.resolve(void (looks += 1));
    const result = await audit({ query: (sql) => harness.query(sql), stores: [storeOf(OFFSETS)], lookAgain });
    expect([looks, result.isBalanced, result.doubled]).toEqual([1, false, OFFSETS.length]);
  });

  test('of a store that is away are a note, and all else is compared', async () => {
    await chain.append(whole());
    await harness.runToEnd(log, chain.topic);
    const away = new OperatingError('Elasticsearch does not answer', { code: 'ES_AWAY', exitCode: EXIT.unreachable });
    const store = { ...storeOf([]), sums: () => Promise.reject(away) };
    const result = await audit({ query: (sql) => harness.query(sql), stores: [store] });
    expect(result).toMatchObject({ isBalanced: true, sent: OFFSETS.length, lost: 0, documents: [] });
    expect(result.notes).toContain('the documents of search were not counted: Elasticsearch does not answer');
    expect(auditExitCode(result)).toBe(EXIT.unreachable);
    expect(auditExitCode({ ...result, isBalanced: false })).toBe(EXIT.badData);
  });

  test.each([
    ['ahead, while a file has lines that the sink does not account for', 200, { doubled: 0 }, /3 documents of access/],
    ['doubled, when it accounts for all of them', 100, { doubled: 3 }, /^$/],
    ['doubled, when they are more than the bytes that are left', 102, { doubled: 3 }, /^$/],
  ])('that a sink has sent before it was stopped are %s', async (_, sizeBytes, expected, note) => {
    const known = OFFSETS.slice(0, -3);
    const entries = [account('in', known), account('indexed', known)];
    const ledger = entries.map((entry, i) => ({
      ...entry,
      consumer: 'documents.search',
      reason: i === 0 ? '' : INDEX,
      stream: 'access',
    }));
    const source = { stream: 'access', source: entries[0]!.source, sink: 'search', path: '/a.log', state: 'reading' };
    const place = {
      identity: '',
      origin: 0,
      position: 100,
      gapEnd: null,
      possibleLossBytes: 0,
      possibleDoubleBytes: 0,
      agentSum: null,
    };
    const notes: string[] = [];
    const documents = await auditDocuments({
      tables: { ...NO_TABLES, documentSources: [{ ...source, ...place }], ledger },
      files: { count: () => Promise.resolve({ sum: sumOf(known), sizeBytes }) },
      store: storeOf(OFFSETS),
      stream: 'access',
      differences: [],
      notes,
    });
    expect(documents).toMatchObject({ lost: 0, ...expected });
    expect(notes.join('')).toMatch(note);
  });

  test.each([
    ['expired, though a late line has made their index again', true, 5, 0],
    ['lost, where the index is not too old', false, 0, 5],
  ])('that are gone are %s', async (_, isExpired, expired, lost) => {
    const differences: string[] = [];
    const documents = await auditDocuments({
      tables: {
        ...NO_TABLES,
        ledger: [ofDocuments('in'), ofDocuments('indexed', INDEX)].map((entry) => ({ ...entry, stream: 'access' })),
      },
      files: { count: () => Promise.resolve(undefined) },
      store: storeOf(OFFSETS.slice(0, 1), isExpired),
      stream: 'access',
      differences,
      notes: [],
    });
    expect(documents).toMatchObject({ indexed: 1, expired, lost });
    expect(differences.length).toBe(lost > 0 ? 1 : 0);
  });
});
