/**
 * Counted epochs between the readers and the writer, bounded by bytes: a reader that finds it full waits, so that a slow disk
 * costs memory for one bound and not for the log. One item is always taken, however large.
 */
export class EpochQueue<T> {
  readonly #bytesMax: number;
  readonly #items: { readonly item: T; readonly sizeBytes: number }[] = [];
  #sizeBytes = 0;
  #error: unknown;
  #hasEnded = false;
  #wakeWriter: (() => void) | undefined;
  #wakeReaders: (() => void)[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  async put(item: T, sizeBytes: number): Promise<void> {
    while (this.#sizeBytes >= this.#bytesMax && !this.#hasEnded) {
      await new Promise<void>((resolve) => this.#wakeReaders.push(resolve));
    }
    this.#items.push({ item, sizeBytes });
    this.#sizeBytes += sizeBytes;
    this.#wakeWriter?.();
  }

  /** Waits until there is an item, and leaves it there; false at the end. Throws the error it ended with. */
  async wait(): Promise<boolean> {
    while (this.#items.length === 0 && !this.#hasEnded) {
      await new Promise<void>((resolve) => (this.#wakeWriter = resolve));
    }
    if (this.#error !== undefined) throw this.#error;
    return !this.#hasEnded;
  }

  peek(): T | undefined {
    return this.#items[0]?.item;
  }

  /** Takes the first item and returns it with its size. */
  take(): { readonly item: T; readonly sizeBytes: number } | undefined {
    const first = this.#items.shift();
    if (first === undefined) return undefined;
    this.#sizeBytes -= first.sizeBytes;
    const readers = this.#wakeReaders;
    this.#wakeReaders = [];
    for (const wake of readers) wake();
    return first;
  }

  /** Nothing is put or taken any more. */
  end(error?: unknown): void {
    if (!this.#hasEnded) this.#error = error;
    this.#hasEnded = true;
    this.#wakeWriter?.();
    for (const wake of this.#wakeReaders) wake();
  }
}
