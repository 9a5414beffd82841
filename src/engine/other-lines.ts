import type { EpochEnvelope } from '../epoch/epoch.ts';
import type { OtherKey } from '../operators/operator.ts';

/** Counts lines that went into rows of other keys, and remembers what somebody should be told of such keys. */
export class OtherLines {
  readonly #byTable: Map<string, number>;
  /** What was said since this process began: each reason once a table. */
  readonly #said = new Set<string>();
  #unsaid: [table: string, first: OtherKey][] = [];

  constructor(tables: readonly string[]) {
    this.#byTable = new Map(tables.map((table) => [table, 0]));
  }

  /** Without a `first` nobody needs to be told. */
  add(table: string, lines: number, first: OtherKey | undefined): void {
    this.#byTable.set(table, this.#byTable.get(table)! + lines);
    if (first === undefined) return;
    const why = `${table} ${first.isFull}`;
    if (this.#said.has(why)) return;
    this.#said.add(why);
    this.#unsaid.push([table, first]);
  }

  /** The tables that have a key without a row of its own for the first time, with that key. */
  takeUnsaid(): readonly (readonly [table: string, first: OtherKey])[] {
    return this.#unsaid.splice(0);
  }

  get byTable(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#byTable);
  }

  restore({ otherLines }: Pick<EpochEnvelope, 'otherLines'>): void {
    for (const table of this.#byTable.keys())
      this.#byTable.set(table, Object.hasOwn(otherLines, table) ? otherLines[table]! : 0);
  }
}
