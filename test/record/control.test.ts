import { describe, expect, test } from '@jest/globals';
import { decodeControl, decodeGenesis, encodeControl, encodeGenesis } from '../../src/record/control.ts';
import { decodedOrDamage, expectNoPrefixReads, refusedFlips } from '../support/damage.ts';
import { CONTROL_V1, GENESIS_V1, formatFixture } from '../support/format-samples.ts';

describe.each([
  {
    what: 'a declared loss',
    sample: CONTROL_V1,
    encode: () => encodeControl(CONTROL_V1),
    decode: decodeControl,
    file: 'control-v1.bin',
  },
  {
    what: 'a genesis',
    sample: GENESIS_V1,
    encode: () => encodeGenesis(GENESIS_V1),
    decode: decodeGenesis,
    file: 'genesis-v1.bin',
  },
])('$what', ({ sample, encode, decode, file }) => {
  test('comes back as it was written', () => {
    expect(decode(encode())).toEqual(sample);
  });

  test('of the first version is read for ever', () => {
    expect(decode(formatFixture(file))).toEqual(sample);
  });

  test('of a newer version is one clear error', () => {
    const newer = Uint8Array.from(encode());
    newer[1] = 2;
    expect(() => decode(newer)).toThrow(expect.objectContaining({ code: 'FORMAT_NEWER' }));
  });

  test('cut short or with a bit turned is refused, or has its fields', () => {
    expectNoPrefixReads(decode, encode());
    const isWhole = (value: object): boolean =>
      Object.entries(sample).every(([name, field]) => typeof (value as Record<string, unknown>)[name] === typeof field);
    expect(refusedFlips<object>(decode, encode(), isWhole)).toBeGreaterThan(50);
  });
});

test('a control message of an unknown type is damaged, not ignored', () => {
  const unknown = encodeControl({ ...CONTROL_V1, type: 'declared_gain' as 'declared_loss' });
  expect(decodedOrDamage(decodeControl, unknown)).toBeInstanceOf(RangeError);
});

test('one format is not taken for another', () => {
  expect(decodedOrDamage(decodeGenesis, encodeControl(CONTROL_V1))).toBeInstanceOf(RangeError);
});
