/** What queries may cost the process that answers them. */
export interface WatchLimits {
  /** After so long a query is interrupted. */
  readonly timeoutMs: number;
  /** And one that ran when a process died, which nothing else may run beside. */
  readonly suspectTimeoutMs: number;
  /** An interrupt that has no effect for so long has none. */
  readonly graceMs: number;
  /** Resident memory of the whole process from which on queries are interrupted. */
  readonly rssBytesHigh: number;
  /** And from which on the process ends: an interrupt comes too late for what takes a gigabyte a second. */
  readonly rssBytesMax: number;
  /**
   * A writer that catches up, or has very many open rows, may itself need what is left: of a process that had more before the queries came, they
   * may add so much until they are interrupted, and until it ends.
   */
  readonly addedBytesHigh: number;
  readonly addedBytesMax: number;
}

/** Ends a process at once, with nothing run and nothing closed: `process.exit` would wait for the query. No core, unlike SIGABRT. */
export const QUERY_SIGNAL = 'SIGALRM';

export type Verdict =
  | { readonly kind: 'fine' }
  /** Too much memory: this one is to be interrupted. */
  | { readonly kind: 'interrupt'; readonly id: number }
  /** The process is to end, at once: for these queries, or for memory that any of them may have taken. */
  | { readonly kind: 'end'; readonly reason: string; readonly ids: readonly number[] | 'any' };

interface Watched {
  readonly timeoutMs: number;
  timeoutAtMs: number;
  /** This program's own: it takes what it must, and is not interrupted for what others take. */
  readonly isOwn: boolean;
  interruptedMs: number | undefined;
}

const MB = 1_000_000;
/** The oldest has most likely taken the memory; when it has not given it back after so long, the next one is interrupted, too. */
const NEXT_MS = 100;

/** Says from time and memory alone when queries have gone too far: which words they are made of does not matter. */
export class Watchdog {
  readonly #limits: WatchLimits;
  /** The oldest first. */
  readonly #running = new Map<number, Watched>();
  #memoryMs = -Infinity;
  /** What the process has without the queries, as far as it is known. */
  #baseBytes = 0;
  /** What queries had added when the last of them ended: it may not have been given back. */
  #leftBytes = 0;

  constructor(limits: WatchLimits) {
    this.#limits = limits;
  }

  get isIdle(): boolean {
    return this.#running.size === 0;
  }

  /** `rssBytes` is the process's resident memory at that moment. */
  began(
    id: number,
    nowMs: number,
    {
      isSuspect = false,
      isOwn = false,
      rssBytes = 0,
    }: { isSuspect?: boolean; isOwn?: boolean; rssBytes?: number } = {},
  ): void {
    const { timeoutMs, suspectTimeoutMs } = this.#limits;
    const itsTimeoutMs = isSuspect ? suspectTimeoutMs : timeoutMs;
    // Only what grew while no query ran is the writer's: queries that leave memory behind do not earn the next ones more.
    if (this.isIdle) this.#baseBytes = Math.max(this.#baseBytes, rssBytes - this.#leftBytes);
    this.#running.set(id, {
      timeoutMs: itsTimeoutMs,
      timeoutAtMs: nowMs + itsTimeoutMs,
      isOwn,
      interruptedMs: undefined,
    });
  }

  /** It has handed over a part of its answer. */
  progressed(id: number, nowMs: number): void {
    const query = this.#running.get(id);
    if (query !== undefined) query.timeoutAtMs = nowMs + query.timeoutMs;
  }

  interrupted(id: number, nowMs: number): void {
    const query = this.#running.get(id);
    if (query !== undefined) query.interruptedMs ??= nowMs;
  }

  ended(id: number): void {
    this.#running.delete(id);
  }

  judge(nowMs: number, rssBytes: number): Verdict {
    const { graceMs } = this.#limits;
    if (this.isIdle) return { kind: 'fine' };
    this.#leftBytes = Math.max(0, rssBytes - this.#baseBytes);
    const isOfPeople = [...this.#running.values()].some(({ isOwn }) => !isOwn);
    const rssBytesHigh = Math.max(this.#limits.rssBytesHigh, this.#baseBytes + this.#limits.addedBytesHigh);
    const rssBytesMax = Math.max(this.#limits.rssBytesMax, this.#baseBytes + this.#limits.addedBytesMax);
    if (isOfPeople && rssBytes > rssBytesMax) {
      const reason = `the process had ${Math.round(rssBytes / MB)} MB of memory, and may have ${Math.round(rssBytesMax / MB)} MB`;
      return { kind: 'end', ids: 'any', reason };
    }
    const stuck = [...this.#running].filter(([, query]) => nowMs >= this.#mustEndMs(query)).map(([id]) => id);
    if (stuck.length > 0)
      return { kind: 'end', ids: stuck, reason: `it went on for ${graceMs / 1000} s after it was interrupted` };
    if (!isOfPeople || rssBytes <= rssBytesHigh || nowMs - this.#memoryMs < NEXT_MS) return { kind: 'fine' };
    const id = [...this.#running].find(([, query]) => !query.isOwn && query.interruptedMs === undefined)?.[0];
    if (id === undefined) return { kind: 'fine' };
    this.#memoryMs = nowMs;
    this.interrupted(id, nowMs);
    return { kind: 'interrupt', id };
  }

  /** Also where nobody has interrupted it in time: then the thread that should have is held, too. */
  #mustEndMs({ timeoutAtMs, interruptedMs }: Watched): number {
    return Math.min(interruptedMs ?? Infinity, timeoutAtMs) + this.#limits.graceMs;
  }
}
