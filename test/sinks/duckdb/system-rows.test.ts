import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { documentTopic } from '../../../src/broker/broker.ts';
import type { DuckDBConnection } from '@duckdb/node-api';
import { openDatabase } from '../../../src/sinks/duckdb/database.ts';
import { SystemRows } from '../../../src/sinks/duckdb/system-rows.ts';
import type { EpochBody, LedgerEntry, SourceMark } from '../../../src/epoch/epoch.ts';
import { WarehouseHarness } from '../../support/warehouse-harness.ts';

const OF = { stream: 'access', topic: documentTopic('p', 'web', 'search', 'access'), partition: 0 };

let harness: WarehouseHarness;
let connection: DuckDBConnection;
let rows: SystemRows;
let close: () => void;

beforeEach(async () => {
  harness = new WarehouseHarness();
  const instance = await openDatabase({ path: harness.path, memoryLimit: '160MB', threads: 1 });
  connection = await instance.connect();
  rows = new SystemRows(connection);
  close = () => {
    connection.closeSync();
    instance.closeSync();
  };
});
afterEach(() => {
  close();
  harness.remove();
});

const entry = (consumer: string, lines: number, reason = ''): LedgerEntry => ({
  source: 'a/1',
  consumer,
  fate: reason === '' ? 'rolled_up' : 'indexed',
  reason,
  sum: { lines, a: lines, b: lines },
});

const mark = (position: number, state: SourceMark['state'] = 'reading'): SourceMark => ({
  source: 'a/1',
  identity: 'i',
  path: '/x',
  origin: 0,
  position,
  tail: '',
  state,
  eventTimeMsMax: null,
  quietSinceMs: 0,
  gapEnd: null,
  agentSum: null,
  possibleLossBytes: 0,
  possibleDoubleBytes: 0,
});

function bodyOf(
  ledger: readonly LedgerEntry[],
  sources: readonly SourceMark[],
  more: Partial<EpochBody> = {},
): EpochBody {
  return { ledger, sources, deadLetters: [], ...more } as unknown as EpochBody;
}

async function ask(sql: string): Promise<unknown[][]> {
  return (await connection.runAndReadAll(sql)).getRowsJson() as unknown[][];
}

const LEDGER = 'SELECT consumer, reason, lines FROM tailrace.ledger ORDER BY ALL';

test('a snapshot of the engine leaves the documents of every sink, and the other way round', async () => {
  await rows.documents(OF, 'search', bodyOf([entry('documents.search', 5, 'i-1')], [mark(50)]), true);
  await rows.documents(OF, 'other', bodyOf([entry('documents.other', 4, 'i-1')], [mark(40)]), true);
  await rows.ledger(OF, [entry('traffic', 7)], true);
  await rows.ledger(OF, [entry('traffic', 8)], true);
  await rows.documents(OF, 'search', bodyOf([entry('documents.search', 6, 'i-2')], [mark(60)]), true);
  expect(await ask(LEDGER)).toEqual([
    ['documents.other', 'i-1', '4'],
    ['documents.search', 'i-2', '6'],
    ['traffic', '', '8'],
  ]);
  expect(await ask('SELECT sink, position FROM tailrace.document_sources ORDER BY ALL')).toEqual([
    ['other', '40'],
    ['search', '60'],
  ]);
  expect(await ask('SELECT count(*) FROM tailrace.sources')).toEqual([['0']]);
});

test('what an epoch does not name stays, a forgotten source leaves, and what a store rejected is listed under its name', async () => {
  await rows.documents(OF, 'search', bodyOf([entry('documents.search', 5, 'i-1')], [mark(50)]), true);
  const letter = {
    source: 'a/1',
    offset: 7,
    reason: 'rejected' as const,
    path: '/log',
    detail: 'no such type',
    bytes: Buffer.from('x'),
    isCut: false,
    lengthBytes: 1,
  };
  const more = bodyOf([entry('documents.search', 1, 'i-2')], [mark(50, 'forgotten')], { deadLetters: [letter] });
  await rows.documents(OF, 'search', more, false);
  expect((await ask(LEDGER)).map(([, reason]) => reason)).toEqual(['i-1', 'i-2']);
  expect(await ask('SELECT count(*) FROM tailrace.document_sources')).toEqual([['0']]);
  expect(await ask('SELECT path, reason, detail, line FROM tailrace.dead_letters')).toEqual([
    ['/log', 'rejected by search', 'no such type', 'x'],
  ]);
});

test('a file of the first version gets the table it lacks', async () => {
  await connection.run('DROP TABLE tailrace.document_sources');
  close();
  const instance = await openDatabase({ path: harness.path, memoryLimit: '160MB', threads: 1 });
  connection = await instance.connect();
  close = () => {
    connection.closeSync();
    instance.closeSync();
  };
  expect(await ask('SELECT count(*) FROM tailrace.document_sources')).toEqual([['0']]);
});
