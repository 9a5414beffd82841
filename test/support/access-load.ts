import { appendFileSync, existsSync, renameSync, statSync } from 'node:fs';
import { Random } from './random.ts';

export interface LoadOptions {
  readonly seed: number;
  /** Event time of the first line. */
  readonly startMs?: number;
  /** Event time between two lines. */
  readonly stepMs?: number;
  /** A line lies at most this far behind the newest before it. */
  readonly disorderMs?: number;
  /** Every so many lines one lies `lateMs` behind: 0 for never. */
  readonly lateEvery?: number;
  readonly lateMs?: number;
  /** Every request has a target of its own, so that rows are as many as lines. */
  readonly distinctTargets?: boolean;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const PATHS = [
  '/',
  '/index.html',
  '/search',
  '/api/v1/items',
  '/caf\u00e9/men\u00fc',
  String.raw`/a\"b`,
  '/%7euser/x.css',
];
const STATUSES = ['200', '200', '200', '200', '206', '301', '304', '404', '500', '-'];
const ODD_REQUESTS = ['-', '', 'GET /', String.raw`\x16\x03\x01`, 'OPTIONS * HTTP/1.0', 'GET /a b HTTP/1.1'];
const DEAD = [
  'no line at all',
  '192.0.2.9 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200',
  '192.0.2.9 - - [31/Feb/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "-"',
  '"',
  ' ',
];

/**
 * Lines in the combined format from a seed: one event clock for all files that are fed from it, disorder up to a bound, keys that are
 * NULL or not ASCII, numbers that are missing, and now and then a line that is none.
 */
export class AccessLoad {
  readonly #random: Random;
  readonly #options: Required<LoadOptions>;
  #count = 0;

  constructor(options: LoadOptions) {
    this.#random = new Random(options.seed);
    this.#options = {
      startMs: Date.UTC(2015, 4, 17, 10),
      stepMs: 20,
      disorderMs: 30_000,
      lateEvery: 0,
      lateMs: 0,
      distinctTargets: false,
      ...options,
    };
  }

  /** Lines made so far. */
  get count(): number {
    return this.#count;
  }

  lines(count: number): Buffer {
    let text = '';
    for (let i = 0; i < count; i++) text += `${this.#line()}\n`;
    return Buffer.from(text, 'utf8');
  }

  #line(): string {
    const random = this.#random;
    const { startMs, stepMs, disorderMs, lateEvery, lateMs, distinctTargets } = this.#options;
    const number = this.#count++;
    if (random.below(500) === 0) return random.pick(DEAD);
    const isLate = lateEvery > 0 && number % lateEvery === lateEvery - 1;
    const behindMs = isLate ? lateMs : random.below(disorderMs + 1);
    const time = clfTime(startMs + number * stepMs - behindMs);
    const hasQuery = distinctTargets || random.below(3) === 0;
    const request =
      random.below(50) === 0
        ? random.pick(ODD_REQUESTS)
        : `${random.pick(['GET', 'POST', 'HEAD'])} ${random.pick(PATHS)}${hasQuery ? `?q=${number}` : ''} HTTP/1.1`;
    const bytes = random.below(12) === 0 ? '-' : String(random.below(100_000));
    const user = random.below(9) === 0 ? 'alice' : '-';
    return `${address(random)} - ${user} [${time}] "${request}" ${random.pick(STATUSES)} ${bytes} "-" "agent/${random.below(20)}"`;
  }
}

function address(random: Random): string {
  const host = random.below(300);
  if (host % 50 === 0) return `host-${host}.example.net`;
  return host % 7 === 0 ? `2001:db8::${host.toString(16)}` : `192.0.2.${host % 256}`;
}

function clfTime(timeMs: number): string {
  const iso = new Date(timeMs).toISOString();
  return `${iso.slice(8, 10)}/${MONTHS[Number(iso.slice(5, 7)) - 1]}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`;
}

/** Grows files with the lines of a load, as busy servers do: in pieces that end anywhere, and renamed when they are large. */
export class LoadWriter {
  readonly #load: AccessLoad;
  readonly #paths: readonly string[];
  readonly #random: Random;
  readonly #rotateBytes: number;
  readonly #rest = new Map<string, Buffer>();
  readonly #rotations = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  /** Bytes written. */
  bytes = 0;

  constructor(load: AccessLoad, paths: readonly string[], options: { seed: number; rotateBytes?: number }) {
    this.#load = load;
    this.#paths = paths;
    this.#random = new Random(options.seed);
    this.#rotateBytes = options.rotateBytes ?? Infinity;
  }

  /** Writes `lines` lines over all files; the end of a piece may lie within a line. */
  write(lines: number): void {
    const each = Math.ceil(lines / this.#paths.length);
    for (const path of this.#paths) {
      const bytes = Buffer.concat([this.#rest.get(path) ?? Buffer.alloc(0), this.#load.lines(each)]);
      const isLarge = existsSync(path) && statSync(path).size > this.#rotateBytes;
      const cut = isLarge ? bytes.length : Math.max(0, bytes.length - this.#random.below(200));
      this.#append(path, bytes.subarray(0, cut));
      this.#rest.set(path, bytes.subarray(cut));
      if (isLarge) this.#rotate(path);
    }
  }

  /** Keeps writing about `linesPerSecond` until `stop`. */
  start(linesPerSecond: number): void {
    const PACE_MS = 20;
    this.#timer = setInterval(() => this.write((linesPerSecond * PACE_MS) / 1000), PACE_MS);
  }

  /** Ends the load; every line is whole then. */
  stop(): void {
    clearInterval(this.#timer);
    for (const [path, rest] of this.#rest) this.#append(path, rest);
    this.#rest.clear();
  }

  #append(path: string, bytes: Uint8Array): void {
    appendFileSync(path, bytes);
    this.bytes += bytes.length;
  }

  /** A server that renames writes its line to the end before, and on under the old name at once. */
  #rotate(path: string): void {
    const number = (this.#rotations.get(path) ?? 0) + 1;
    this.#rotations.set(path, number);
    renameSync(path, `${path}.${number}`);
  }
}
