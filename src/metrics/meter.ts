import { type Family, MetricSet } from './metric-set.ts';

/**
 * What one process measures of itself. Whoever works counts, a batch or an epoch at a time; what costs something to find out is looked up
 * only when somebody reads.
 */
export class Meter extends MetricSet {
  readonly #looks = new Set<() => void>();

  /** `look` is called before each reading. Returns how to end that. */
  onRead(look: () => void): () => void {
    this.#looks.add(look);
    return () => void this.#looks.delete(look);
  }

  async read(): Promise<Family[]> {
    for (const look of this.#looks) look();
    return this.families();
  }
}
