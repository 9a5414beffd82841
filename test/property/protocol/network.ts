import type { Message, OutgoingMessage } from '../../../src/broker/broker.ts';
import type { Random } from '../../support/random.ts';
import type { MemoryStore } from '../../support/memory-log.ts';

/** An append on its way. */
export interface Request {
  readonly from: string;
  readonly topic: string;
  readonly messages: readonly OutgoingMessage[];
  /** Told the first offset, or undefined for a rejection, which says nothing of what happened; or told nothing for ever. */
  readonly done: ((offset: number | undefined) => void) | undefined;
}

/**
 * The way of appends into the log: they arrive in any order, late, twice or never, and their acknowledgements may be lost.
 * Whoever sent one may be dead when it arrives.
 */
export class Network {
  readonly #store: MemoryStore;
  readonly #random: Random;
  readonly #note: (event: string) => void;
  readonly #requests: Request[] = [];
  /** Every raw message by offset as readers find it, those that were trimmed included. */
  readonly rawArchive: Message[] = [];
  readonly #rawTopic: string;
  isFaithful = false;

  constructor(parts: { store: MemoryStore; random: Random; rawTopic: string; note: (event: string) => void }) {
    this.#store = parts.store;
    this.#random = parts.random;
    this.#rawTopic = parts.rawTopic;
    this.#note = parts.note;
  }

  get waiting(): readonly Request[] {
    return this.#requests;
  }

  send(request: Request): void {
    this.#requests.push(request);
  }

  /** Something happens to one request. */
  step(): void {
    if (this.#requests.length === 0) return;
    if (this.isFaithful) {
      const request = this.#requests.shift()!;
      const offset = this.#write(request);
      request.done?.(offset);
      return;
    }
    const request = this.#requests.splice(this.#random.below(this.#requests.length), 1)[0]!;
    const fate = this.#random.next();
    if (fate < 0.06) {
      this.#note(`drop ${request.from}`);
      if (fate < 0.04) request.done?.(undefined);
      return;
    }
    const offset = this.#write(request);
    // A client that tries again by itself: the same bytes arrive once more, at any later time.
    if (this.#random.chance(0.08)) this.#requests.push({ ...request, done: undefined });
    if (fate < 0.84) request.done?.(offset);
    else if (fate < 0.94) request.done?.(undefined);
  }

  /** A sender was killed in the middle of its work: some of what it was sending goes with it. */
  cut(from: string): void {
    for (const request of this.#requests.filter((waiting) => waiting.from === from)) {
      if (this.#random.chance(0.7)) this.#requests.splice(this.#requests.indexOf(request), 1);
    }
  }

  /** What is still under way from one agent arrives now, or never will. */
  settle(agent: string): void {
    for (const request of this.#requests.filter((waiting) => waiting.from.startsWith(agent))) {
      this.#requests.splice(this.#requests.indexOf(request), 1);
      if (this.#random.chance(0.6)) this.#write(request);
    }
  }

  /** Forgets what the archive holds beyond the end of raw. */
  rawLost(end: number): void {
    this.rawArchive.length = Math.min(this.rawArchive.length, end);
  }

  rawDamaged(offset: number): void {
    const empty = new Uint8Array(0);
    this.rawArchive[offset] = { ...this.rawArchive[offset]!, header: empty, value: empty, damaged: 'damaged' };
  }

  archive(): void {
    const { messages, end } = this.#store.partition(this.#rawTopic, 0);
    const missing = end - this.rawArchive.length;
    if (missing > 0) this.rawArchive.push(...messages.slice(-missing));
  }

  #write(request: Request): number {
    const { end } = this.#store.partition(request.topic, 0);
    void this.#store.append(request.topic, 0, request.messages);
    this.#note(`write ${request.from} ${request.topic} ${end}+${request.messages.length}`);
    if (request.topic === this.#rawTopic) this.archive();
    return end;
  }
}
