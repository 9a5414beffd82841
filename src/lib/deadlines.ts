import { TimerHeap } from './timer-heap.ts';

/**
 * Things that wait for a moment, each for one: a heap of the moments, and per moment those that wait for it. Adding, moving and taking what is
 * due cost the logarithm of the number of different moments; what is not due is never looked at.
 */
export class Deadlines<T> {
  readonly #waiting = new Map<number, Set<T>>();
  readonly #atMs = new Map<T, number>();
  /** The moments with somebody waiting, and some that nobody waits for any more: the least first. */
  readonly #heap = new TimerHeap();

  /** The least moment that somebody waits for, Infinity if nobody waits. */
  get nextMs(): number {
    while (this.#heap.nextMs < Infinity && !this.#waiting.has(this.#heap.nextMs)) this.#heap.pop();
    return this.#heap.nextMs;
  }

  /** It waits for `atMs` from now on, whatever it waited for before. */
  set(item: T, atMs: number): void {
    const beforeMs = this.#atMs.get(item);
    if (beforeMs === atMs) return;
    if (beforeMs !== undefined) this.delete(item);
    this.#atMs.set(item, atMs);
    const waiting = this.#waiting.get(atMs);
    if (waiting !== undefined) {
      waiting.add(item);
      return;
    }
    this.#waiting.set(atMs, new Set([item]));
    this.#heap.set(0, 0, atMs);
  }

  delete(item: T): void {
    const atMs = this.#atMs.get(item);
    if (atMs === undefined) return;
    this.#atMs.delete(item);
    const waiting = this.#waiting.get(atMs)!;
    waiting.delete(item);
    if (waiting.size === 0) this.#waiting.delete(atMs);
  }

  /** Takes out what waits for a moment up to `nowMs`, in the order of the moments. */
  takeDue(nowMs: number): T[] {
    const due: T[] = [];
    while (this.nextMs <= nowMs) {
      const atMs = this.#heap.nextMs;
      this.#heap.pop();
      for (const item of this.#waiting.get(atMs)!) {
        this.#atMs.delete(item);
        due.push(item);
      }
      this.#waiting.delete(atMs);
    }
    return due;
  }
}
