import { hash } from 'node:crypto';

/** The finalizer of MurmurHash3 for 32 bits (Austin Appleby, public domain): every input bit reaches every output bit. */
export function fmix32(value: number): number {
  let h = value;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return h >>> 0;
}

/** Kafka's default partitioner hash (MurmurHash2, seed 0x9747b28c, 32 bits, signed): org.apache.kafka.common.utils.Utils.murmur2. */
export function murmur2(bytes: Uint8Array): number {
  const m = 0x5bd1e995;
  let h = 0x9747b28c ^ bytes.length;
  const whole = bytes.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    let k = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    h = Math.imul(h, m) ^ Math.imul(k, m);
  }
  const rest = bytes.length - whole;
  if (rest >= 3) h ^= bytes[whole + 2]! << 16;
  if (rest >= 2) h ^= bytes[whole + 1]! << 8;
  if (rest >= 1) h = Math.imul(h ^ bytes[whole]!, m);
  h ^= h >>> 13;
  h = Math.imul(h, m);
  return h ^ (h >>> 15);
}

/** The first 16 hex digits of SHA-256: 64 bits, for identities and fingerprints, once per block or rarer. */
export function hash64(bytes: Uint8Array | string): string {
  return hash('sha256', bytes, 'hex').slice(0, 16);
}
