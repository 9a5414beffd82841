import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { addLine, addSum, emptySum, laneA, laneB, sumsEqual } from '../../src/record/line-id.ts';
import { lineHashSeeds } from '../../src/record/source.ts';

const offsets = fc.oneof(fc.nat(), fc.nat({ max: Number.MAX_SAFE_INTEGER }));
const MASK = 0xffffffffn;

/** The formulas of line-id.ts in numbers without a width. */
function fmix32(value: bigint): bigint {
  let h = value & MASK;
  h ^= h >> 16n;
  h = (h * 0x85ebca6bn) & MASK;
  h ^= h >> 13n;
  h = (h * 0xc2b2ae35n) & MASK;
  return h ^ (h >> 16n);
}

test('the lanes are what their formulas say, up to the largest offset', () => {
  fc.assert(
    fc.property(offsets, fc.nat({ max: 2 ** 32 - 1 }), (offset, seed) => {
      const [low, high, wideSeed] = [BigInt(offset) & MASK, BigInt(offset) >> 32n, BigInt(seed)];
      expect(BigInt(laneA(seed, offset))).toBe(fmix32(low ^ wideSeed ^ ((high * 0x9e3779b1n) & MASK)));
      expect(BigInt(laneB(seed, offset))).toBe(fmix32(low + wideSeed + high * 0x85ebca77n));
    }),
    { seed: 2, numRuns: 1000 },
  );
});

test('a name once given is for ever: seeds and lanes of a known line', () => {
  const [seedA, seedB] = lineHashSeeds('6f1c2d3e-0000-4000-8000-000000000001/12');
  expect([seedA, seedB, laneA(seedA, 0), laneB(seedB, 0), laneA(seedA, 2 ** 40 + 7), laneB(seedB, 2 ** 40 + 7)])
    .toMatchInlineSnapshot(`
[
  875968440,
  1659784583,
  1256733270,
  3581892857,
  852658184,
  4109695553,
]
`);
});

test('sums do not depend on order, and see a line that is missing, twice or another', () => {
  const sumOf = (lines: readonly number[]): ReturnType<typeof emptySum> => {
    const sum = emptySum();
    for (const offset of lines) addLine(sum, 'a/1', offset);
    return sum;
  };
  fc.assert(
    fc.property(fc.uniqueArray(offsets, { minLength: 2, maxLength: 20 }), ([first, ...rest]) => {
      const whole = sumOf([first!, ...rest]);
      expect(sumOf([...rest, first!].reverse())).toEqual(whole);
      const parts = sumOf(rest);
      expect(sumsEqual(parts, whole)).toBe(false);
      addSum(parts, sumOf([first!]));
      expect(sumsEqual(parts, whole)).toBe(true);
      expect(sumsEqual(sumOf([rest[0]!, ...rest]), whole)).toBe(false);
    }),
    { seed: 3, numRuns: 200 },
  );
});

test('the same offset of another source is another line', () => {
  const [one, other] = ['a/1', 'a/2'].map((source) => {
    const sum = emptySum();
    addLine(sum, source, 4096);
    return sum;
  });
  expect(one!.a).not.toBe(other!.a);
  expect(one!.b).not.toBe(other!.b);
});
