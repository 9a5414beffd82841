import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isIP } from 'node:net';
import { isIpAddress } from '../../src/codecs/ip.ts';

const isAddress = (text: string) => isIpAddress(Buffer.from(`x${text}x`, 'latin1'), 1, 1 + text.length);
const expected = (text: string) => isIP(text) !== 0 && !text.includes('%');

const edited = (address: fc.Arbitrary<string>) =>
  fc
    .tuple(address, fc.nat(45), fc.constantFrom('', ':', '.', '0', 'f', 'g', '256', '%'))
    .map(([text, at, put]) => text.slice(0, at) + put + text.slice(at + 1));

test('agrees with Node on addresses, edited addresses and look-alikes', () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  const lookalike = fc.string({ unit: fc.constantFrom('0', '1', 'f', ':', '::', '.', '25'), maxLength: 20 });
  fc.assert(
    fc.property(fc.oneof(address, edited(address), lookalike), (text) => expect(isAddress(text)).toBe(expected(text))),
    { seed: 7, numRuns: 5_000 },
  );
});

test.each(['', '1', '1.2.3', '01.2.3.4', '1.2.3.4.', ':::', '1::2::3', '1:2:3:4:5:6:7::', '::1.2.3.4', 'ffff::%1'])(
  '%j',
  (text) => expect(isAddress(text)).toBe(expected(text)),
);
