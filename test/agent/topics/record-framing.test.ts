import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type FramingOptions, RecordFraming } from '../../../src/agent/topics/record-framing.ts';
import { batchAt } from '../../../src/broker/kafka/record-batch.ts';
import { RecordCursor } from '../../../src/broker/kafka/record-cursor.ts';
import { type SampleRecord, encodeBatch } from '../../support/record-batches.ts';

const OPTIONS: FramingOptions = { envelope: 'none', isJson: false, topic: 'orders', partition: 3, lineBytesMax: 1000 };

/** Lines of some records, each with what was said of it. */
function linesOf(
  records: readonly SampleRecord[],
  options: Partial<FramingOptions> = {},
): { line: string; isCut: boolean; hasNewline: boolean }[] {
  const framing = new RecordFraming({ ...OPTIONS, ...options });
  const cursor = new RecordCursor();
  cursor.open(batchAt(encodeBatch({ records }), 0)!);
  const into = Buffer.alloc(100_000);
  const lines = [];
  for (let at = 0; cursor.next();) {
    const length = framing.write(cursor, into, at, into.length);
    expect(into[at + length]).toBe(10);
    lines.push({
      line: into.toString('latin1', at, at + length),
      isCut: framing.isCut,
      hasNewline: framing.hasNewline,
    });
    at += length + 1;
  }
  return lines;
}

const wrapped = (record: SampleRecord, options: Partial<FramingOptions> = {}): Record<string, unknown> =>
  JSON.parse(Buffer.from(linesOf([record], { ...options, envelope: 'json' })[0]!.line, 'latin1').toString()) as Record<
    string,
    unknown
  >;

test('a value is a line; what is too long is cut and said to be', () => {
  expect(
    linesOf([
      { offset: 0, value: 'one' },
      { offset: 1, value: '' },
      { offset: 2, value: null },
      { offset: 3, value: 'x'.repeat(1001) },
    ]),
  ).toEqual([
    { line: 'one', isCut: false, hasNewline: false },
    { line: '', isCut: false, hasNewline: false },
    { line: '', isCut: false, hasNewline: false },
    { line: 'x'.repeat(1000), isCut: true, hasNewline: false },
  ]);
});

test('a newline within a value is found, and only there', () => {
  const records = ['a', 'b\nc', 'd', '\n', 'e'.repeat(10), 'f\n'].map((value, offset) => ({
    offset,
    value,
    key: 'k\n',
  }));
  expect(linesOf(records).map(({ hasNewline }) => hasNewline)).toEqual([false, true, false, true, false, true]);
});

test('in a stream of JSON newlines between tokens become blanks', () => {
  const value = JSON.stringify({ a: 1, b: ['x', null] }, null, 2);
  const { line, hasNewline } = linesOf([{ offset: 0, value }], { isJson: true })[0]!;
  expect(hasNewline).toBe(false);
  expect(line).not.toContain('\n');
  expect(JSON.parse(line)).toEqual({ a: 1, b: ['x', null] });
});

test('an envelope holds all there is of a record', () => {
  const timestampMs = Date.UTC(2026, 10, 26, 12);
  const headers = [
    ['trace', 'abc'],
    ['none', null],
    ['trace', 'last "one"'],
  ] as const;
  expect(wrapped({ offset: 7, key: 'k1', headers, timestampMs, value: '{"total":\n 5}' })).toEqual({
    key: 'k1',
    headers: { trace: 'last "one"', none: null },
    topic: 'orders',
    partition: 3,
    offset: 7,
    timestamp: '2026-11-26T12:00:00.000Z',
    timestamp_ms: timestampMs,
    value: { total: 5 },
  });
  expect(wrapped({ offset: 8, value: null, timestampMs: -1 })).toMatchObject({
    key: null,
    value: null,
    timestamp: null,
  });
  expect(wrapped({ offset: 9, value: 'plain "text"\t\\' })).toMatchObject({ value: 'plain "text"\t\\' });
});

test('whatever a value is, the envelope is JSON, and says the value again', () => {
  const values = fc.oneof(
    fc.json().map((text) => ({ text, means: JSON.parse(text) as unknown })),
    fc
      .string({ unit: 'binary' })
      .filter((text) => !isJson(text))
      .map((text) => ({ text, means: text })),
  );
  fc.assert(
    fc.property(values, fc.option(fc.string({ unit: 'binary' })), ({ text, means }, key) => {
      const found = wrapped({ offset: 0, key, value: text }, { lineBytesMax: 50_000 });
      expect(found['value']).toEqual(means);
      expect(found['key']).toEqual(key);
    }),
    { numRuns: 150 },
  );
});

test('an envelope beyond the limit is cut, whichever part of it is too long', () => {
  for (const record of [
    { offset: 0, value: 'y'.repeat(5000) },
    { offset: 0, key: '\u0001'.repeat(5000), value: 'v' },
    { offset: 0, headers: [['h'.repeat(900), 'w'.repeat(900)]] as const, value: '{}' },
  ]) {
    const [found] = linesOf([record], { envelope: 'json' });
    expect(found).toMatchObject({ isCut: true });
    expect(found!.line).toHaveLength(1000);
  }
});

test('where there is no room nothing is written', () => {
  const framing = new RecordFraming(OPTIONS);
  const cursor = new RecordCursor();
  cursor.open(batchAt(encodeBatch({ records: [{ offset: 0, value: 'four' }] }), 0)!);
  cursor.next();
  const into = Buffer.alloc(5);
  expect(framing.write(cursor, into, 1, 5)).toBe(-1);
  expect(framing.write(cursor, into, 0, 5)).toBe(4);
});

/** What the codec takes for JSON: the scanner is a little more generous than JSON.parse, never less. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text.trim());
    return true;
  } catch {
    return false;
  }
}
