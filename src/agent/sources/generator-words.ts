import type { Random } from '../../lib/random.ts';

const SECTIONS = ['products', 'blog', 'docs', 'static/img', 'static/js', 'api/v1/orders', 'api/v1/users', 'download'];
const NAMES = ['overview', 'getting-started', 'release-notes', 'checkout', 'gallery', 'search', 'pricing', 'changelog'];
const ENDINGS = ['', '.html', '/', '.png', '.js', ''];

export interface PathName {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly target: string;
}

/** `count` different paths, each always asked for with the same method and query. The first is `/`. */
export function pathNames(count: number): PathName[] {
  return Array.from({ length: count }, (_, i) => {
    if (i === 0) return { method: 'GET', path: '/', target: '/' };
    const name = NAMES[Math.floor(i / SECTIONS.length) % NAMES.length]!;
    const path = `/${SECTIONS[i % SECTIONS.length]!}/${name}-${i}${ENDINGS[i % ENDINGS.length]!}`;
    const method = i % 11 === 5 ? 'POST' : 'GET';
    return { method, path, target: i % 7 === 3 ? `${path}?page=${i % 10}&sort=new` : path };
  });
}

/** `count` different addresses: those of TEST-NET-1 to 3 (RFC 5737) first, then of 2001:db8::/32 (RFC 3849). */
export function clientNames(count: number): string[] {
  const nets = ['192.0.2', '198.51.100', '203.0.113'];
  return Array.from({ length: count }, (_, i) =>
    i < nets.length * 254
      ? `${nets[i % nets.length]!}.${1 + Math.floor(i / nets.length)}`
      : `2001:db8::${i.toString(16)}`,
  );
}

/** Referrer and user agent as they stand at the end of a combined line. */
export const TAILS = [
  '"-" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"',
  '"https://www.example.org/" "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0.0.0 Safari/537.36"',
  '"https://shop.example.com/products/" "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Safari/604.1"',
  '"-" "Mozilla/5.0 (compatible; ExampleBot/2.1; +https://bot.example.net/about)"',
  '"https://search.example.net/?q=log+analytics" "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15) Version/17.5"',
  '"-" "curl/8.5.0"',
  '"https://www.example.org/docs/" "Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/126.0.0.0 Mobile Safari/537.36"',
];

/** Draws i in [0, weights.length) with probability weights[i] / sum, two numbers a draw (Walker's alias method, Vose 1991). */
export function weightedSampler(weights: readonly number[], random: Random): () => number {
  const count = weights.length;
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const scaled = weights.map((weight) => (weight * count) / total);
  const threshold = new Float64Array(count).fill(1);
  const alias = Int32Array.from({ length: count }, (_, i) => i);
  const small: number[] = [];
  const large: number[] = [];
  for (const [i, share] of scaled.entries()) (share < 1 ? small : large).push(i);
  while (small.length > 0 && large.length > 0) {
    const low = small.pop()!;
    const high = large.at(-1)!;
    threshold[low] = scaled[low]!;
    alias[low] = high;
    scaled[high] = scaled[high]! + scaled[low]! - 1;
    if (scaled[high]! < 1) small.push(large.pop()!);
  }
  return () => {
    const i = random.int(count);
    return random.next() < threshold[i]! ? i : alias[i]!;
  };
}

/** Zipf's law with exponent 1: the i-th is drawn 1/(i + 1) as often as the first, as web paths are. */
export function zipfSampler(count: number, random: Random): () => number {
  return weightedSampler(
    Array.from({ length: count }, (_, i) => 1 / (i + 1)),
    random,
  );
}
