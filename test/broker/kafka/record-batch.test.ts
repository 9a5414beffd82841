import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { crc32c } from '../../../src/broker/kafka/crc32c.ts';
import { encodeBatch } from '../../../src/broker/kafka/batch-encoder.ts';
import {
  DamagedBatch,
  type KafkaRecord,
  type RecordBatch,
  type StoredRecord,
  batchAt,
  batchesOf,
  checkBatch,
} from '../../../src/broker/kafka/record-batch.ts';
import { RecordCursor, isAbortMarker, recordsOf } from '../../../src/broker/kafka/record-cursor.ts';
import {
  type SampleBatch,
  type SampleRecord,
  encodeMarker,
  encodeBatch as sampleBatch,
} from '../../support/record-batches.ts';

const bytes = (maxLength = 40): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });
const maybeBytes = fc.option(bytes(), { nil: null });
const record: fc.Arbitrary<KafkaRecord> = fc.record({
  key: maybeBytes,
  value: fc.option(bytes(3000), { nil: null }),
  headers: fc.array(fc.tuple(fc.string({ maxLength: 10, unit: 'binary' }), maybeBytes), { maxLength: 4 }),
});
const plain = ({ key, value, headers }: KafkaRecord): unknown => [
  key && [...key],
  value && [...value],
  headers.map(([name, header]) => [name, header && [...header]]),
];

describe('record batches', () => {
  test('the checksum is the one of RFC 3720, of any length', () => {
    expect(crc32c(Buffer.alloc(32)).toString(16)).toBe('8a9136aa');
    expect(crc32c(Buffer.from('123456789')).toString(16)).toBe('e3069283');
    expect(crc32c(Buffer.from(Array.from({ length: 32 }, (_, i) => i))).toString(16)).toBe('46dd794e');
  });

  test('what is written is read back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 8 }), fc.boolean(), async (records, isGzip) => {
        const codec = isGzip ? 'gzip' : 'zstd';
        const [batch, ...rest] = batchesOf(await encodeBatch(records, 1_700_000_000_000, codec));
        expect(rest).toEqual([]);
        expect([batch!.baseOffset, batch!.nextOffset]).toEqual([0, records.length]);
        const found = (await recordsOf(batch!)) as readonly StoredRecord[];
        expect(found.map(plain)).toEqual(records.map(plain));
        expect(found.map(({ offset }) => offset)).toEqual(records.map((_, i) => i));
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test('a cut set gives its whole batches, every turned bit behind the checksum is found', async () => {
    const records = [
      { key: null, value: Buffer.from('a line of a log'), headers: [['tailrace.block', null]] as const },
    ];
    const one = await encodeBatch(records, 1);
    const set = Buffer.concat([one, one]);
    for (let cut = 0; cut < set.length; cut++) {
      expect([...batchesOf(set.subarray(0, cut))]).toHaveLength(Math.floor(cut / one.length));
    }
    const CHECKED_FROM = 17;
    for (let bit = CHECKED_FROM * 8; bit < one.length * 8; bit++) {
      const turned = Buffer.from(one);
      turned[bit >> 3]! ^= 1 << (bit & 7);
      const [batch] = batchesOf(turned);
      const damaged = { reason: 'its bytes do not match their checksum' };
      expect(await recordsOf(batch!)).toMatchObject(damaged);
    }
  });
});

/** The batch at the begin of some bytes, checked; undefined where it is cut off. */
function checked(bytes: Buffer, at: number): RecordBatch | undefined {
  const batch = batchAt(bytes, at);
  if (batch !== undefined) checkBatch(batch);
  return batch;
}

/** Everything a cursor says of the records of a batch. */
function readAll(bytes: Buffer): SampleRecord[] {
  const batch = checked(bytes, 0)!;
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
    fc.property(batches, (batch) => expect(readAll(sampleBatch(batch))).toEqual(batch.records)),
    { numRuns: 100 },
  );
});

test('a batch that is cut off anywhere is none', () => {
  const bytes = sampleBatch({ records: [{ offset: 5, value: 'one' }] });
  for (let length = 0; length < bytes.length; length++) expect(checked(bytes.subarray(0, length), 0)).toBeUndefined();
});

test('a flipped bit is found, and where reading can go on is known', () => {
  const bytes = sampleBatch({
    records: [
      { offset: 5, value: 'one' },
      { offset: 9, value: 'two' },
    ],
  });
  for (let at = 17; at < bytes.length; at++) {
    const bad = Buffer.from(bytes);
    bad[at]! ^= 4;
    expect(() => checked(bad, 0)).toThrow(DamagedBatch);
  }
  const bad = Buffer.from(bytes);
  bad[bytes.length - 1]! ^= 1;
  expect(() => checked(bad, 0)).toThrow(
    expect.objectContaining({ baseOffset: 5, nextOffset: 10, sizeBytes: bytes.length }),
  );
});

test("the broker's clock counts where the topic says so", () => {
  const records = [{ offset: 0, value: 'x', timestampMs: 7 }];
  expect(readAll(sampleBatch({ records }))[0]!.timestampMs).toBe(7);
  expect(readAll(sampleBatch({ records, appendedAtMs: 99 }))[0]!.timestampMs).toBe(99);
});

test('markers say how a transaction ended', () => {
  expect(isAbortMarker(checked(encodeMarker(3, 17, true), 0)!)).toBe(true);
  expect(isAbortMarker(checked(encodeMarker(3, 17, false), 0)!)).toBe(false);
  expect(checked(encodeMarker(3, 17, false), 0)).toMatchObject({ isControl: true, producerId: 17, nextOffset: 4 });
});

/** A batch of one record, changed, with the length and the checksum that it should have then. */
function changed(change: (bytes: Buffer) => Buffer): RecordBatch {
  const bytes = change(sampleBatch({ records: [{ offset: 5, value: 'one' }] }));
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return batchAt(bytes, 0)!;
}

const LENGTH_AT = 61;
const COUNT_AT = 57;
const longer = (bytes: Buffer): Buffer => {
  bytes[LENGTH_AT]! += 2;
  return Buffer.concat([bytes, Buffer.alloc(1)]);
};
const counting =
  (count: number) =>
  (bytes: Buffer): Buffer => {
    bytes.writeInt32BE(count, COUNT_AT);
    return bytes;
  };

test.each([
  ['that ends behind its last part', longer],
  ['that is missing', counting(2)],
  ['of fewer than none', counting(-1)],
])('a record %s is damage to whoever reads it', async (_, change) => {
  const batch = changed(change);
  expect(await recordsOf(batch)).toBeInstanceOf(DamagedBatch);
  const cursor = new RecordCursor();
  const read = (): void => {
    checkBatch(batch);
    cursor.open(batch);
    while (cursor.next());
  };
  expect(read).toThrow(DamagedBatch);
});

test('objects are made of 100,000 records at most', async () => {
  const reason = '100001 records in one batch';
  expect(await recordsOf(changed(counting(100_001)))).toMatchObject({ reason });
});
