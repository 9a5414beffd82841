/** A source of random numbers. Whoever needs chance takes one as a parameter, so that a seed repeats everything. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** An integer in [0, n), n up to 2^32. */
  int(n: number): number;
}

/** The generator xoshiro128** (Blackman, Vigna 2018, public domain), its state filled by splitmix32 from the seed. Not for secrets. */
export function seededRandom(seed: number): Random {
  let mixed = seed | 0;
  const mix = (): number => {
    mixed = (mixed + 0x9e3779b9) | 0;
    let z = mixed;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  };
  let a = mix();
  let b = mix();
  let c = mix();
  let d = mix();
  const next = (): number => {
    const x = Math.imul(b, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return result / 0x1_0000_0000;
  };
  return { next, int: (n) => Math.floor(next() * n) };
}
