import { expect, test } from '@jest/globals';
import { Batch, type StringColumn } from '../../src/record/batch.ts';

test('a batch has a column a field, of its kind', () => {
  const batch = new Batch(['keyword', 'ip', 'long', 'double', 'boolean', 'date'], 4);
  expect(batch.columns.map((column) => column.kind)).toEqual([
    'string',
    'string',
    'number',
    'number',
    'number',
    'number',
  ]);
});

test('reset empties, and makes room for as many lines as a block has', () => {
  const batch = new Batch(['keyword', 'long'], 4);
  batch.length = 4;
  const bytes = new Uint8Array(8);
  batch.reset(bytes, 5);
  const [text, number] = batch.columns as [StringColumn, { values: Float64Array }];
  expect([batch.length, batch.scratchLength, batch.bytes]).toEqual([0, 0, bytes]);
  const arrays = [
    batch.lineStart,
    batch.lineEnd,
    batch.lineOffset,
    batch.eventTimeMs,
    batch.verdict,
    text.start,
    text.length,
    number.values,
  ];
  expect(arrays.map((array) => array.length >= 5)).toEqual(arrays.map(() => true));
  const before = batch.lineStart;
  batch.reset(bytes, 3);
  expect(batch.lineStart).toBe(before);
});

test('a text lies in the block, in the scratch, or is NULL', () => {
  const batch = new Batch(['keyword'], 4);
  batch.reset(Buffer.from('xyz'), 4);
  batch.scratch = Buffer.from('abc');
  const column = batch.columns[0] as StringColumn;
  column.start.set([1, -1, -3, 0]);
  column.length.set([2, 2, 1, -1]);
  const texts = [0, 1, 2, 3].map((row) => batch.stringBytes(column, row));
  expect(texts.map((text) => text && Buffer.from(text).toString())).toEqual(['yz', 'ab', 'c', undefined]);
});

test('a line that is not there is a bug', () => {
  const batch = new Batch([], 4);
  batch.reset(Buffer.from('xyz'), 1);
  batch.length = 1;
  batch.lineEnd[0] = 3;
  expect(Buffer.from(batch.lineBytes(0)).toString()).toBe('xyz');
  expect(() => batch.lineBytes(1)).toThrow('BUG');
});
