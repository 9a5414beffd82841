import { describe, expect, test } from '@jest/globals';
import { type WindowTableOptions, EMPTY, WindowTable } from '../../src/operators/window-table.ts';
import { admittedBatch } from '../support/operator-runs.ts';

const FIELDS = [{ type: 'keyword' }] as const;

function insertAll(texts: readonly (string | Uint8Array)[], options: Partial<WindowTableOptions>): WindowTable {
  const table = new WindowTable({
    startMs: 0,
    endMs: 1,
    keyKinds: ['string'],
    initial: [],
    rowsMax: 1000,
    ...options,
  });
  const lines = texts.map((text) => ({ timeMs: 0, cells: [text], watermarkMs: -Infinity }));
  const { batch } = admittedBatch(lines, FIELDS);
  for (let line = 0; line < texts.length; line++) table.insert(batch, batch.columns, line, line);
  return table;
}

const textsOf = (table: WindowTable): (string | undefined)[] => {
  const [key] = table.keys;
  if (key?.kind !== 'string') return [];
  return Array.from({ length: table.size }, (_, row) => table.text(key, row)).map(
    (text) => text && String(Buffer.from(text)),
  );
};

describe('a window table', () => {
  test('bounds the text of its keys: a key that does not fit has no row, a shorter one may', () => {
    const table = insertAll(['aaaa', 'bbbbbbb', 'cc', 'ddddd'], { keyBytesMax: 10 });
    expect([textsOf(table), table.otherRow]).toEqual([['aaaa', undefined, 'cc'], 1]);
    expect(table.arenaLength).toBe(6);
  });

  test('has room again for a row and for its text where one was removed', () => {
    const options = { startMs: 0, endMs: 1, keyKinds: ['string'], initial: [], rowsMax: 2, keyBytesMax: 10 } as const;
    const table = new WindowTable(options);
    const [first] = [table.upsert([Buffer.from('aaaa')]), table.upsert([Buffer.from('bbbbb')])];
    const lines = [{ timeMs: 0, cells: ['dddd'], watermarkMs: -Infinity }];
    const { batch } = admittedBatch(lines, FIELDS);
    expect(table.lookup(batch, batch.columns, 0)).toBe(EMPTY);
    table.remove(first, EMPTY);
    const row = table.insert(batch, batch.columns, 0, 0);
    expect([row === table.otherRow, textsOf(table)[row]]).toEqual([false, 'dddd']);
  });

  test('with all its rows still knows a key by the text that its bytes are shown as', () => {
    const table = insertAll([String.raw`a\xff`, Uint8Array.of(0x61, 0xff), Uint8Array.of(0x62, 0xff)], { rowsMax: 1 });
    expect([textsOf(table), table.otherRow]).toEqual([[String.raw`a\xff`, undefined], 1]);
  });

  test('takes back what had a row, also where the row of all others came first, and grows past it', () => {
    const table = new WindowTable({ startMs: 0, endMs: 1, keyKinds: ['string'], initial: [], rowsMax: 200 });
    expect(table.other()).toBe(0);
    const keys = Array.from({ length: 200 }, (_, i) => [Buffer.from(`/${i}`)]);
    const rows = keys.map((key) => table.upsert(key));
    expect(rows).toEqual(keys.map((_, i) => i + 1));
    expect(keys.map((key) => table.upsert(key))).toEqual(rows);
    expect([table.other(), table.size]).toEqual([0, 201]);
    // NULL is a key like any other, and not that of the others' row.
    expect(table.upsert([null])).toBe(201);
    expect(insertAll([], {}).otherRow).toBe(EMPTY);
  });
});
