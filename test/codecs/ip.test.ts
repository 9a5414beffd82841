import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { plainAddress } from '../../src/codecs/address-interpreter.ts';
import { readAddress } from '../../src/codecs/ip.ts';

/** The address as it stands in a line, with bytes around it that must not be read. */
function read(text: string, around = ':'): { host: string; isIp: boolean; port: number | null } {
  const bytes = Buffer.from(around + text + around, 'latin1');
  const { start, end, isIp, canonical, port } = readAddress(bytes, 1, 1 + text.length);
  const host = Buffer.from(canonical ?? bytes.subarray(start, end)).toString('latin1');
  return { host, isIp, port: Number.isNaN(port) ? null : port };
}

const edited = (address: fc.Arbitrary<string>) =>
  fc
    .tuple(address, fc.nat(45), fc.constantFrom('', ':', '.', '0', 'f', 'g', '256', '%', '[', ']', ','))
    .map(([text, at, put]) => text.slice(0, at) + put + text.slice(at + 1));

test('agrees with the plain reading on addresses, edited addresses and look-alikes', () => {
  const v6 = fc.oneof(
    fc.ipV6(),
    fc.ipV6().map((text) => text.toUpperCase()),
    fc.array(fc.constantFrom('0', '00', '0001', 'aB'), { minLength: 8, maxLength: 8 }).map((parts) => parts.join(':')),
    fc.ipV4().map((text) => `::ffff:${text}`),
  );
  const dressed = fc
    .tuple(v6, fc.constantFrom('', '%eth0', '%'), fc.constantFrom('', ':443', ':0', ':123456', ':'))
    .map(([ip, zone, port]) => `[${ip}${zone}]${port}`);
  const named = fc
    .tuple(fc.oneof(fc.ipV4(), fc.domain()), fc.constantFrom('', ':80', ':x', ', 1.2.3.4', ',1.2.3.4'))
    .map((parts) => parts.join(''));
  const lookalike = fc.string({
    unit: fc.constantFrom('0', '1', 'f', ':', '::', '.', '25', '[', ']', ',', '%'),
    maxLength: 20,
  });
  const address = fc.oneof(fc.ipV4(), v6, dressed, named);
  fc.assert(
    fc.property(
      fc.oneof(address, edited(address), lookalike),
      fc.constantFrom(':', '1', '.', ']', ' ', ','),
      (text, around) => expect(read(text, around)).toEqual(plainAddress(text)),
    ),
    { seed: 7, numRuns: 10_000 },
  );
});

test.each([
  ['192.0.2.7', '192.0.2.7', null],
  ['192.0.2.7:51111', '192.0.2.7', 51111],
  ['192.0.2.7, 10.0.0.1', '192.0.2.7', null],
  ['2001:DB8:0:0:0:0:0:7', '2001:db8::7', null],
  ['2001:0db8::0007', '2001:db8::7', null],
  ['[2001:db8::7]', '2001:db8::7', null],
  ['[2001:db8::7]:443', '2001:db8::7', 443],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1', null],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1', null],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1', null],
  ['::', '::', null],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0', null],
  ['0:0:0:0:0:0:0:1', '::1', null],
  ['1:0:0:0:0:0:0:0', '1::', null],
  ['::ffff:192.0.2.7', '192.0.2.7', null],
  ['::FFFF:c000:207', '192.0.2.7', null],
  ['[::ffff:192.0.2.7]:80', '192.0.2.7', 80],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221', null],
  ['fe80::1%eth0', 'fe80::1', null],
  ['[fe80::1%25eth0]:80', 'fe80::1', 80],
])('%s is the client %s', (text, host, port) => {
  expect(read(text)).toEqual({ host, isIp: true, port });
});

test.each([
  ['www.example.org', 'www.example.org', null],
  ['www.example.org:8080', 'www.example.org', 8080],
  ['192.0.2.256', '192.0.2.256', null],
  ['192.0.2.07', '192.0.2.07', null],
  ['', '', null],
  ['[', '[', null],
])('%j is no IP address', (text, host, port) => {
  expect(read(text)).toEqual({ host, isIp: false, port });
});
