import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  DamagedBatch,
  RecordCursor,
  isAbortMarker,
  readBatch,
} from '../../../../src/broker/kafka/wire/record-batch.ts';
import { type SampleBatch, type SampleRecord, encodeBatch, encodeMarker } from '../../../support/record-batches.ts';

/** Everything a cursor says of the records of a batch. */
function readAll(bytes: Buffer): SampleRecord[] {
  const batch = readBatch(bytes, 0)!;
  const cursor = new RecordCursor();
  cursor.open(batch);
  const records: SampleRecord[] = [];
  const text = (start: number, length: number): string | null =>
    length < 0 ? null : cursor.bytes.subarray(start, start + length).toString('latin1');
  while (cursor.next()) {
    const headers: [string, string | null][] = [];
    cursor.eachHeader((nameStart, nameLength, valueStart, valueLength) => {
      headers.push([text(nameStart, nameLength)!, text(valueStart, valueLength)]);
    });
    const key = text(cursor.keyStart, cursor.keyLength);
    const value = text(cursor.valueStart, cursor.valueLength);
    records.push({ offset: cursor.offset, timestampMs: cursor.timestampMs, key, value, headers });
  }
  return records;
}

const ascii = fc.string({ unit: 'binary-ascii', maxLength: 300 });
const nullable = fc.option(ascii);
const batches: fc.Arbitrary<SampleBatch> = fc.record({
  codec: fc.constantFrom('none', 'gzip', 'zstd'),
  records: fc
    .array(
      fc.record({
        offset: fc.integer({ min: 0, max: 1000 }),
        timestampMs: fc.integer({ min: 0, max: 2 ** 42 }),
        key: nullable,
        value: nullable,
        headers: fc.array(fc.tuple(ascii, nullable), { maxLength: 3 }),
      }),
      { minLength: 1, maxLength: 20 },
    )
    .map((records) => records.map((record, i) => ({ ...record, offset: 2 ** 40 + i * 3 }))),
});

test('what a producer wrote is read: keys, values, headers, times, offsets beyond 32 bits', () => {
  fc.assert(
    fc.property(batches, (batch) => expect(readAll(encodeBatch(batch))).toEqual(batch.records)),
    { numRuns: 100 },
  );
});

test('a batch that is cut off anywhere is none', () => {
  const bytes = encodeBatch({ records: [{ offset: 5, value: 'one' }] });
  for (let length = 0; length < bytes.length; length++) expect(readBatch(bytes.subarray(0, length), 0)).toBeUndefined();
});

test('a flipped bit is found, and where reading can go on is known', () => {
  const bytes = encodeBatch({
    records: [
      { offset: 5, value: 'one' },
      { offset: 9, value: 'two' },
    ],
  });
  for (let at = 17; at < bytes.length; at++) {
    const bad = Buffer.from(bytes);
    bad[at]! ^= 4;
    expect(() => readBatch(bad, 0)).toThrow(DamagedBatch);
  }
  const bad = Buffer.from(bytes);
  bad[bytes.length - 1]! ^= 1;
  expect(() => readBatch(bad, 0)).toThrow(
    expect.objectContaining({ baseOffset: 5, nextOffset: 10, sizeBytes: bytes.length }),
  );
});

test("the broker's clock counts where the topic says so", () => {
  const records = [{ offset: 0, value: 'x', timestampMs: 7 }];
  expect(readAll(encodeBatch({ records }))[0]!.timestampMs).toBe(7);
  expect(readAll(encodeBatch({ records, appendedAtMs: 99 }))[0]!.timestampMs).toBe(99);
});

test('markers say how a transaction ended', () => {
  expect(isAbortMarker(readBatch(encodeMarker(3, 17, true), 0)!)).toBe(true);
  expect(isAbortMarker(readBatch(encodeMarker(3, 17, false), 0)!)).toBe(false);
  expect(readBatch(encodeMarker(3, 17, false), 0)).toMatchObject({ isControl: true, producerId: 17, nextOffset: 4 });
});
