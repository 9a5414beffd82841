/** What an agent's registry says of a source. */
export interface SavedSource {
  readonly number: number;
  /** Index of the file. */
  readonly file: number;
  readonly origin: number;
  readonly position: number;
  readonly isClosed: boolean;
  readonly quietSinceMs: number;
  readonly isRewound: boolean;
}

export interface SavedRegistry {
  readonly nextNumber: number;
  /** From this raw offset on the log may know more. */
  readonly offset: number;
  readonly sources: ReadonlyMap<number, SavedSource>;
}

/** The registry of one agent id on its disk, with its older copies. Processes that share it overwrite each other's positions. */
export class SharedRegistry {
  current: SavedRegistry | undefined;
  readonly #older: SavedRegistry[] = [];
  readonly #isShared: boolean;

  constructor(isShared: boolean) {
    this.#isShared = isShared;
  }

  save(registry: SavedRegistry): void {
    const before = this.#isShared ? this.current : undefined;
    // What two processes must not undo for each other: numbers given, and sources known.
    const sources = new Map([...(before?.sources ?? []), ...registry.sources]);
    this.current = {
      nextNumber: Math.max(before?.nextNumber ?? 1, registry.nextNumber),
      offset: Math.min(before?.offset ?? Infinity, registry.offset),
      sources,
    };
    this.#older.push(this.current);
  }

  /** The source is gone for good: no later save brings it back. */
  forget(number: number): void {
    if (this.current === undefined) return;
    const sources = new Map(this.current.sources);
    sources.delete(number);
    this.current = { ...this.current, sources };
  }

  lose(): void {
    this.current = undefined;
  }

  rollBack(pick: (count: number) => number): void {
    if (this.#older.length > 0) this.current = this.#older[pick(this.#older.length)];
  }
}
