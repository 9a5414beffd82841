import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { crc32c } from '../../../src/broker/kafka/crc32c.ts';
import { type KafkaRecord, batchesOf, decodeBatch, encodeBatch } from '../../../src/broker/kafka/record-batch.ts';

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
        expect([batch!.firstOffset, batch!.lastOffset]).toEqual([0, records.length - 1]);
        const decoded = await decodeBatch(batch!);
        expect(decoded.damaged).toBeUndefined();
        expect(decoded.records!.map(plain)).toEqual(records.map(plain));
        expect(decoded.records!.map(({ offset }) => offset)).toEqual(records.map((_, i) => i));
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
      expect((await decodeBatch(batch!)).damaged).toBe('the checksum does not match');
    }
  });
});
