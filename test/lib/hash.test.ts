import { expect, test } from '@jest/globals';
import { fmix32, hash64, murmur2 } from '../../src/lib/hash.ts';

// org.apache.kafka.common.utils.UtilsTest, testMurmur2.
test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])("murmur2 of '%s' is Kafka's", (text, hash) => {
  expect(murmur2(Buffer.from(text))).toBe(hash);
});

// The verification values of MurmurHash3's finalizer for its first inputs.
test.each([
  [0, 0],
  [1, 0x514e28b7],
  [2, 0x30f4c306],
  [0xffffffff, 0x81f16f39],
])('fmix32 of %i', (value, hash) => {
  expect(fmix32(value)).toBe(hash);
});

test('hash64 is the head of SHA-256', () => {
  expect(hash64('abc')).toBe('ba7816bf8f01cfea');
});
