import { expect, test } from '@jest/globals';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { decompress } from '../../../../src/broker/kafka/wire/compression.ts';
import { decompressLz4 } from '../../../../src/broker/kafka/wire/lz4.ts';
import { decompressSnappy } from '../../../../src/broker/kafka/wire/snappy.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const GZIP = 1;
const SNAPPY = 2;
const LZ4 = 3;
const ZSTD = 4;

test('every codec number of a batch has its codec', () => {
  const text = Buffer.from('line\n'.repeat(1000));
  expect(decompress(0, text)).toBe(text);
  expect(decompress(GZIP, gzipSync(text))).toEqual(text);
  expect(decompress(ZSTD, zstdCompressSync(text))).toEqual(text);
  expect(() => decompress(5, text)).toThrow('codec 5');
});

test('snappy: literals, copies that overlap, and the framing of Java', () => {
  // Length 11; a literal of three bytes; a copy of eight from three back.
  const block = hex('0b 08 616263 11 03');
  expect(decompress(SNAPPY, block).toString()).toBe('abcabcabcab');
  // The same as a copy with an offset of two bytes.
  expect(decompressSnappy(hex('0b 08 616263 1e 0300'), 64).toString()).toBe('abcabcabcab');
  const framed = Buffer.concat([
    hex('82534e41505059 00 00000001 00000001'),
    hex('00000007'),
    block,
    hex('00000007'),
    block,
  ]);
  expect(decompressSnappy(framed, 64).toString()).toBe('abcabcabcababcabcabcab');
  expect(() => decompressSnappy(framed, 16)).toThrow(RangeError);
});

test('lz4: a frame with literals, a copy that overlaps, and a block that is plain', () => {
  // Magic, flags (version 1, independent blocks), 64 KiB, checksum; one packed block, one plain, the end.
  const packed = hex('34 616263 0300 10 64');
  const frame = hex(`04224d18 60 40 82 08000000 ${packed.toString('hex')} 02000080 7879 00000000`);
  expect(decompress(LZ4, frame).toString()).toBe('abcabcabcabdxy');
});

test.each([
  ['snappy', (bytes: Buffer): Buffer => decompressSnappy(bytes, 1 << 20), hex('0b 08 616263 11 03')],
  [
    'lz4',
    (bytes: Buffer): Buffer => decompressLz4(bytes, 1 << 20),
    hex('04224d18 60 40 82 08000000 34616263 0300 1064 02000080 7879 00000000'),
  ],
])('%s: damaged bytes are an error or other bytes, never a crash or a read beyond them', (_name, unpack, good) => {
  for (let at = 0; at < good.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const bad = Buffer.from(good);
      bad[at]! ^= 1 << bit;
      const outcome = attempt(() => unpack(bad));
      expect(Buffer.isBuffer(outcome) || outcome === 'RangeError').toBe(true);
    }
    expect(attempt(() => unpack(good.subarray(0, at)))).toBe('RangeError');
  }
});

function attempt(use: () => Buffer): unknown {
  try {
    return use();
  } catch (error) {
    return (error as Error).name;
  }
}
