/**
 * Timers of rows: a heap by time, in arrays without an object an entry. A timer may be early, where a row that goes on does not move it; it is
 * never late.
 */
export class TimerHeap {
  readonly #atMs: number[] = [];
  readonly #rows: number[] = [];
  readonly #born: number[] = [];

  /** No timer is due before. */
  get nextMs(): number {
    return this.#atMs[0] ?? Infinity;
  }

  /** `born` tells the row from a later one in the same place. */
  set(row: number, born: number, atMs: number): void {
    let at = this.#atMs.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#atMs[parent]! <= atMs) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#put(at, row, born, atMs);
  }

  /** Takes out the timers up to a moment, in order; gives the rows of those for which `isThere` still holds. */
  due(nowMs: number, isThere: (row: number, born: number) => boolean): number[] {
    const rows: number[] = [];
    while (this.nextMs <= nowMs) {
      const row = this.#rows[0]!;
      if (isThere(row, this.#born[0]!)) rows.push(row);
      this.pop();
    }
    return rows;
  }

  /** Takes out the first; there is one. */
  pop(): void {
    const atMs = this.#atMs.pop()!;
    const row = this.#rows.pop()!;
    const born = this.#born.pop()!;
    const { length } = this.#atMs;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && this.#atMs[child + 1]! < this.#atMs[child]!) child++;
      if (this.#atMs[child]! >= atMs) break;
      this.#move(child, at);
      at = child;
    }
    this.#put(at, row, born, atMs);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#rows[from]!, this.#born[from]!, this.#atMs[from]!);
  }

  #put(at: number, row: number, born: number, atMs: number): void {
    this.#rows[at] = row;
    this.#born[at] = born;
    this.#atMs[at] = atMs;
  }
}
