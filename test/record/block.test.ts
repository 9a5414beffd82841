import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type BlockHeader, decodeBlockHeader, encodeBlockHeader } from '../../src/record/block.ts';
import { decodedOrDamage, expectNoPrefixReads, refusedFlips } from '../support/damage.ts';
import { BLOCK_V1, formatFixture } from '../support/format-samples.ts';

const position = fc.oneof(fc.nat(), fc.nat({ max: 2 ** 50 }));

const headers: fc.Arbitrary<BlockHeader> = fc
  .record({
    source: fc.tuple(fc.uuid(), fc.nat()).map(([agent, number]) => `${agent}/${number}`),
    origin: position,
    prev: position,
    start: position,
    steps: fc.array(fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 2 ** 40 })), { maxLength: 30 }),
    readAtMs: fc.oneof(
      fc.nat({ max: 2 ** 41 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((ms) => ms + 0),
    ),
    hasOffsets: fc.boolean(),
    hasLengths: fc.boolean(),
    cut: fc.option(fc.array(fc.nat({ max: 30 })), { nil: undefined }),
  })
  .map(({ steps, hasOffsets, hasLengths, cut, ...plain }) => {
    let offset = plain.start;
    const offsets = steps.map((step) => (offset += step));
    return {
      ...plain,
      identity: '0123456789abcdef',
      tail: 'aaaaaaaaaaaaaaaa',
      endTail: 'bbbbbbbbbbbbbbbb',
      end: offset,
      lines: steps.length,
      ...(hasOffsets ? { offsets } : {}),
      ...(hasLengths ? { lengths: steps } : {}),
      ...(cut === undefined ? {} : { cut }),
    };
  });

describe('a block header', () => {
  test('comes back as it was written', () => {
    fc.assert(
      fc.property(headers, (header) => {
        expect(decodeBlockHeader(encodeBlockHeader(header))).toEqual(header);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test('of the first version is read for ever', () => {
    expect(decodeBlockHeader(formatFixture('block-v1.bin'))).toEqual(BLOCK_V1);
  });

  test('of a newer version is one clear error', () => {
    const newer = Uint8Array.from(encodeBlockHeader(BLOCK_V1));
    newer[1] = 2;
    expect(() => decodeBlockHeader(newer)).toThrow(expect.objectContaining({ code: 'FORMAT_NEWER' }));
  });

  test('that is cut short or has a bit turned is refused, or has fields of the right kinds', () => {
    const bytes = encodeBlockHeader(BLOCK_V1);
    expectNoPrefixReads(decodeBlockHeader, bytes);
    const isWhole = (header: BlockHeader): boolean =>
      [header.origin, header.prev, header.start, header.end, header.lines].every(Number.isSafeInteger) &&
      header.start <= header.end &&
      [header.identity, header.tail, header.endTail].every((text) => typeof text === 'string') &&
      /\/\d+$/.test(header.source);
    expect(refusedFlips(decodeBlockHeader, bytes, isWhole)).toBeGreaterThan(500);
  });

  test.each([
    ['a head that is no object', 'null'],
    ['a head that is a list', '[]'],
    ['no fields', '{}'],
    ['a source without a number', JSON.stringify({ ...BLOCK_V1, source: 'agent' })],
    ['a position that is no integer', JSON.stringify({ ...BLOCK_V1, prev: 0.5 })],
    ['an end before its start', JSON.stringify({ ...BLOCK_V1, start: BLOCK_V1.end + 1 })],
    ['more lines than any memory holds', JSON.stringify({ ...BLOCK_V1, lines: 2 ** 52, hasLengths: true })],
    ['more offsets than it lists', JSON.stringify({ ...BLOCK_V1, lines: 2 ** 31, hasOffsets: true })],
  ])('with %s is damaged', (_what, json) => {
    const text = Buffer.from(json);
    const head = [0x42, 1, (text.length & 0x7f) | 0x80, text.length >> 7];
    expect(decodedOrDamage(decodeBlockHeader, Uint8Array.from([...head, ...text]))).toBeInstanceOf(RangeError);
  });
});
