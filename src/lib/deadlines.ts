/**
 * Things that wait for a moment, each for one: a heap of the moments, and per moment those that wait for it. Adding, moving and taking what is
 * due cost the logarithm of the number of different moments; what is not due is never looked at.
 */
export class Deadlines<T> {
  readonly #waiting = new Map<number, Set<T>>();
  readonly #atMs = new Map<T, number>();
  /** The moments with somebody waiting, and some that nobody waits for any more: the least first. */
  readonly #heap: number[] = [];

  /** The least moment that somebody waits for, Infinity if nobody waits. */
  get nextMs(): number {
    while (this.#heap.length > 0 && !this.#waiting.has(this.#heap[0]!)) this.#pop();
    return this.#heap[0] ?? Infinity;
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
    this.#push(atMs);
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
      const atMs = this.#pop();
      for (const item of this.#waiting.get(atMs)!) {
        this.#atMs.delete(item);
        due.push(item);
      }
      this.#waiting.delete(atMs);
    }
    return due;
  }

  #push(atMs: number): void {
    const heap = this.#heap;
    let at = heap.push(atMs) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]! <= atMs) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = atMs;
  }

  #pop(): number {
    const heap = this.#heap;
    const least = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return least;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= last) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return least;
  }
}
