import type { Random } from '../../lib/random.ts';
import { TAILS, clientNames, pathNames, weightedSampler, zipfSampler } from './generator-words.ts';

/** Statuses of generated lines, most frequent first; the last two are what an error burst is made of. */
export const STATUSES = [200, 304, 404, 301, 206, 403, 500, 503] as const;
const STATUS_SHARES = [0.86, 0.05, 0.03, 0.025, 0.02, 0.01, 0.003, 0.002];
/** Share of lines that fail in an error burst. */
const BURST_SHARE = 0.6;

/** Room for one line: longer ones are not made. */
const LINE_BYTES_MAX = 512;
const CHUNK_BYTES = 1024 * 1024;
const TIME_BYTES = 26;
/** Seconds whose text is kept: more than late lines reach back as a rule, and a power of two. */
const SECONDS_KEPT = 256;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

export interface GeneratorOptions {
  readonly format: 'combined' | 'common';
  /** Event time of the first line, milliseconds. */
  readonly startMs: number;
  /** Event time from one line to the next; it may be a fraction. */
  readonly stepMs: number;
  readonly paths: number;
  readonly clients: number;
  /** Share of lines that are stamped up to `lateMs` behind their place. */
  readonly lateShare: number;
  readonly lateMs: number;
  /** Share of lines that repeat the line before, byte for byte. */
  readonly dupShare: number;
  /** From `afterMs` of event time on, for `forMs`, most requests fail. */
  readonly burst?: { readonly afterMs: number; readonly forMs: number };
}

/** Learns of every line as it is made: the oracle of what comes out at the other end. */
export interface LineObserver {
  /** `bodyBytes` is NaN where the line has `-`. */
  line(eventTimeMs: number, path: number, status: number, bodyBytes: number): void;
}

/**
 * Makes access log lines, the same for the same options and random source: a Zipf mix of paths, statuses, clients of the
 * ranges kept for documentation (RFC 5737, RFC 3849), and stamps that grow evenly.
 */
export class LineGenerator {
  readonly paths: readonly string[];
  readonly #options: GeneratorOptions;
  readonly #random: Random;
  readonly #observer: LineObserver | undefined;
  readonly #clients: readonly Buffer[];
  readonly #requests: readonly Buffer[];
  readonly #tails: readonly Buffer[];
  readonly #pathOf: () => number;
  readonly #statusOf: () => number;
  readonly #out = Buffer.alloc(CHUNK_BYTES);
  readonly #seconds = new Float64Array(SECONDS_KEPT).fill(Number.NaN);
  readonly #secondTexts = Buffer.alloc(SECONDS_KEPT * TIME_BYTES);
  /** The last line, for its repetition; it outlives the chunk. */
  readonly #lastText = Buffer.alloc(LINE_BYTES_MAX);
  #lastLength = 0;
  #eventTimeMs = 0;
  #path = 0;
  #status = 0;
  #bodyBytes = 0;
  #made = 0;

  constructor(options: GeneratorOptions, random: Random, observer?: LineObserver) {
    const paths = pathNames(options.paths);
    this.paths = paths.map(({ path }) => path);
    this.#options = options;
    this.#random = random;
    this.#observer = observer;
    this.#clients = clientNames(options.clients).map((name) => Buffer.from(`${name} - - [`));
    this.#requests = paths.map(({ method, target }) => Buffer.from(`] "${method} ${target} HTTP/1.1" `));
    this.#tails = options.format === 'combined' ? TAILS.map((tail) => Buffer.from(` ${tail}\n`)) : [Buffer.from('\n')];
    this.#pathOf = zipfSampler(options.paths, random);
    this.#statusOf = weightedSampler(STATUS_SHARES, random);
  }

  /** Lines made so far. */
  get made(): number {
    return this.#made;
  }

  /** The next lines, at most `linesMax` of them and a mebibyte: a view that is valid until the next call. */
  next(linesMax: number): Buffer {
    const { dupShare } = this.#options;
    const out = this.#out;
    let at = 0;
    for (let lines = 0; lines < linesMax && at + LINE_BYTES_MAX <= CHUNK_BYTES; lines++) {
      const isRepeated = dupShare > 0 && this.#random.next() < dupShare && this.#lastLength > 0;
      const end = isRepeated ? append(out, at, this.#lastText, 0, this.#lastLength) : this.#makeLine(at);
      if (dupShare > 0 && !isRepeated) this.#lastLength = out.copy(this.#lastText, 0, at, end);
      this.#observer?.line(this.#eventTimeMs, this.#path, this.#status, this.#bodyBytes);
      this.#made++;
      at = end;
    }
    return out.subarray(0, at);
  }

  /** Writes a new line at `from` and gives its end. */
  #makeLine(from: number): number {
    const { startMs, stepMs, lateShare, lateMs, burst } = this.#options;
    const random = this.#random;
    const sinceStartMs = Math.floor(this.#made * stepMs);
    const isLate = lateShare > 0 && random.next() < lateShare;
    const stampMs = startMs + sinceStartMs - (isLate ? 1 + random.int(lateMs) : 0);
    const second = Math.floor(stampMs / 1000);
    const isBurst = burst !== undefined && sinceStartMs >= burst.afterMs && sinceStartMs < burst.afterMs + burst.forMs;
    const isFailed = isBurst && random.next() < BURST_SHARE;
    this.#status = isFailed ? STATUSES.length - 1 - random.int(2) : this.#statusOf();
    this.#path = this.#pathOf();
    this.#eventTimeMs = second * 1000;
    const hasBody = STATUSES[this.#status] !== 304;
    // Sizes spread over the powers of two from 128 bytes to 64 KiB.
    const base = 128 << random.int(9);
    this.#bodyBytes = hasBody ? base + random.int(base) : Number.NaN;

    const out = this.#out;
    const client = this.#clients[random.int(this.#clients.length)]!;
    let at = append(out, from, client, 0, client.length);
    at = append(out, at, this.#secondTexts, this.#textOf(second), TIME_BYTES);
    const request = this.#requests[this.#path]!;
    at = append(out, at, request, 0, request.length);
    at = appendNumber(out, at, STATUSES[this.#status]!);
    out[at++] = 0x20;
    if (hasBody) at = appendNumber(out, at, this.#bodyBytes);
    else out[at++] = 0x2d;
    const tail = this.#tails[random.int(this.#tails.length)]!;
    return append(out, at, tail, 0, tail.length);
  }

  /** Where the text of a second stands in `secondTexts`. */
  #textOf(second: number): number {
    const slot = ((second % SECONDS_KEPT) + SECONDS_KEPT) % SECONDS_KEPT;
    if (this.#seconds[slot] !== second) {
      const iso = new Date(second * 1000).toISOString();
      const month = MONTHS[Number(iso.slice(5, 7)) - 1]!;
      this.#secondTexts.write(
        `${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`,
        slot * TIME_BYTES,
      );
      this.#seconds[slot] = second;
    }
    return slot * TIME_BYTES;
  }
}

/** Copies `length` bytes and gives the end. For runs this short a plain loop beats the call into the runtime. */
function append(out: Buffer, at: number, from: Buffer, start: number, length: number): number {
  for (let i = 0; i < length; i++) out[at + i] = from[start + i]!;
  return at + length;
}

function appendNumber(out: Buffer, at: number, value: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  for (let i = at + digits - 1, rest = value; i >= at; i--, rest = Math.floor(rest / 10)) out[i] = 0x30 + (rest % 10);
  return at + digits;
}
