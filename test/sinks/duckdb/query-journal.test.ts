import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { QueryJournal, readRunning, writeRunning } from '../../../src/sinks/duckdb/query-journal.ts';

let folder: string;
let path: string;
let nowMs: number;
const open = (): QueryJournal => new QueryJournal(path, { nowMs: () => nowMs });
/** A process that dies while these run. */
const dieIn = (...queries: readonly string[]): void => {
  const journal = open();
  for (const sql of queries) journal.began(sql);
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-journal-'));
  path = join(folder, 'w.duckdb');
  nowMs = 1e12;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('one that ran alone when its process died is blamed, and the second time refused, whoever asks next', () => {
  dieIn('select 1');
  expect(readRunning(path)).toMatchObject([{ sql: 'select 1' }]);
  const second = open();
  expect(second.died).toMatchObject([{ sql: 'select 1' }]);
  expect([second.judge('select 1'), second.judge('select 2')]).toEqual(['blamed', 'fine']);
  second.began('select 1');
  expect(open().judge('select 1')).toBe('refused');
  expect([open().judge('select 1'), open().died]).toEqual(['refused', []]);
});

test('of several that ran each is only a suspect, and forgiven when it ends', () => {
  dieIn('select 1', 'select 2');
  const next = open();
  expect([next.judge('select 1'), next.judge('select 2')]).toEqual(['alone', 'alone']);
  next.ended(next.began('select 1').id);
  expect([next.judge('select 1'), next.judge('select 2')]).toEqual(['fine', 'alone']);
  expect(open().judge('select 1')).toBe('fine');
});

test('what ended before the death is not blamed', () => {
  const journal = open();
  const { id } = journal.began('select 1');
  journal.began('select 2');
  journal.ended(id);
  expect(open().died.map(({ sql }) => sql)).toEqual(['select 2']);
});

test('who ends the process may name the one', () => {
  const journal = open();
  const { query } = journal.began('select 1');
  journal.began('select 2');
  writeRunning(journal.runningPath, [{ ...query, reason: 'why' }]);
  expect(open().died).toMatchObject([{ sql: 'select 1', reason: 'why' }]);
  expect([open().judge('select 1'), open().judge('select 2')]).toEqual(['blamed', 'fine']);
});

test('a day later it may try again, and one more death then is its first', () => {
  dieIn('select 1');
  dieIn('select 1');
  expect(open().judge('select 1')).toBe('refused');
  nowMs += 24 * 3600 * 1000 + 1;
  expect(open().judge('select 1')).toBe('fine');
  dieIn('select 1');
  expect(open().judge('select 1')).toBe('blamed');
});

test('256 are remembered, the newest; of a long one its beginning', () => {
  for (let i = 0; i < 300; i++) dieIn(`select ${i} ${'x'.repeat(10_000)}`);
  const journal = open();
  const judged = (i: number): string => journal.judge(`select ${i} ${'x'.repeat(10_000)}`);
  expect([judged(0), judged(43), judged(44), judged(299)]).toEqual(['fine', 'fine', 'blamed', 'blamed']);
  expect(readFileSync(`${path}.refused.json`).length).toBeLessThan(256 * 400);
});

test('damaged files remember nothing, and a disk that takes nothing stops nobody', () => {
  for (const text of ['', '{', 'null', '[1]', '[null]']) {
    writeFileSync(`${path}.running.json`, text);
    writeFileSync(`${path}.refused.json`, text);
    expect([open().died, open().judge('select 1')]).toEqual([[], 'fine']);
  }
  path = join(folder, 'none', 'w.duckdb');
  const journal = open();
  journal.ended(journal.began('select 1').id);
  expect(journal.judge('select 1')).toBe('fine');
});
