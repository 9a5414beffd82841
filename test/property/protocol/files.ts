import { hash64 } from '../../../src/lib/hash.ts';
import { tailHash } from '../../../src/record/source.ts';
import type { Random } from '../../support/random.ts';

export interface SimulatedLine {
  readonly offset: number;
  readonly end: number;
}

const encoder = new TextEncoder();

/** A file that grows by whole lines, is rotated away, goes on, and is deleted in the end. */
export class SimulatedFile {
  readonly index: number;
  /** The machine it is on. */
  readonly host: string;
  readonly lines: SimulatedLine[] = [];
  /** No process writes to it now. */
  isEnded = false;
  isDeleted = false;
  isUnreadable = false;
  /** Everything below was sent: what is below may be deleted. */
  acknowledged = 0;
  #bytes = new Uint8Array(256);
  readonly #identities = new Map<number, string>();
  length = 0;

  constructor(index: number, host: string) {
    this.index = index;
    this.host = host;
  }

  append(text: string): void {
    const line = encoder.encode(`${text}\n`);
    if (this.length + line.length > this.#bytes.length) {
      const wider = new Uint8Array(this.#bytes.length * 2);
      wider.set(this.#bytes);
      this.#bytes = wider;
    }
    this.#bytes.set(line, this.length);
    this.lines.push({ offset: this.length, end: this.length + line.length });
    this.length += line.length;
  }

  bytes(start: number, end: number): Uint8Array {
    return this.#bytes.slice(start, end);
  }

  tail(position: number): string {
    return tailHash(this.#bytes.subarray(0, position));
  }

  /** Identity of a source that begins at `origin` of this file. */
  identity(origin: number): string {
    let identity = this.#identities.get(origin);
    if (identity === undefined)
      this.#identities.set(origin, (identity = hash64(`${this.host}/${this.index}@${origin}`)));
    return identity;
  }

  /** Every identity a source of this file may have: it may begin at any line. */
  identities(): Set<string> {
    return new Set([0, ...this.lines.map((line) => line.end)].map((origin) => this.identity(origin)));
  }

  /** Lines in [start, end). */
  linesIn(start: number, end: number): SimulatedLine[] {
    return this.lines.filter((line) => line.offset >= start && line.end <= end);
  }
}

const KEYS = ['a', 'b', 'c', 'ä', '-'];

/** A line written at `nowMs`: mostly of now, some of long ago or far ahead, some no record at all. */
export function randomLine(random: Random, nowMs: number): string {
  const dice = random.next();
  if (dice < 0.02) return 'no record';
  if (dice < 0.03) return 'noon a 1';
  const offsetMs = dice < 0.1 ? -random.below(800) : dice < 0.12 ? 500 + random.below(5_000) : -random.below(60);
  return `${nowMs + offsetMs} ${random.pick(KEYS)} ${random.below(100)}`;
}
