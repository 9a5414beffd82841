import { expect } from '@jest/globals';
import { OperatingError } from '../../src/lib/errors.ts';

/** What a decoder answers to bytes: the value, or the error, which must be one of those that say that the bytes are at fault. */
export function decodedOrDamage<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): T | Error {
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError || error instanceof OperatingError) return error;
    throw error;
  }
}

/** Every shorter piece of the bytes is refused. */
export function expectNoPrefixReads(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  for (let length = 0; length < bytes.length; length++) {
    expect(decodedOrDamage(decode, bytes.subarray(0, length))).toBeInstanceOf(Error);
  }
}

/** Bytes with one bit turned. */
export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

/** No turned bit makes a decoder fail in a way of its own, nor return what `isWhole` would not take. Returns how many were refused. */
export function refusedFlips<T>(
  decode: (bytes: Uint8Array) => T,
  bytes: Uint8Array,
  isWhole: (value: T) => boolean,
): number {
  let refused = 0;
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const answer = decodedOrDamage(decode, flipped(bytes, bit));
    if (answer instanceof Error) refused++;
    else expect(isWhole(answer)).toBe(true);
  }
  return refused;
}
