import { EMPTY, WindowTable, type WindowTableOptions } from './window-table.ts';

type PaneOptions = Pick<WindowTableOptions, 'startMs' | 'endMs' | 'keyKinds' | 'initial' | 'sketches' | 'expectedRows'>;

/** The rows of one pane. Each row knows its key's place among all keys, and what comes behind it in its block (sliding-totals.ts). */
export class PaneTable extends WindowTable {
  readonly #width: number;

  constructor({ initial, ...options }: PaneOptions) {
    // How many keys there may be is judged over all panes.
    const most = { rowsMax: Infinity, keyBytesMax: Infinity, sketchBytesMax: Infinity };
    super({ ...options, ...most, initial: [...initial, ...initial, EMPTY] });
    this.#width = initial.length;
  }

  /** What the row's own lines come to. */
  get own(): readonly Float64Array[] {
    return this.accumulators.slice(0, this.#width);
  }

  /** What the rows of its key in the later panes of its block come to. */
  get behind(): readonly Float64Array[] {
    return this.accumulators.slice(this.#width, 2 * this.#width);
  }

  /** Place of the row's key among all keys. */
  get key(): Float64Array {
    return this.accumulators[2 * this.#width]!;
  }

  /** The row of a key, by its place among all keys and its hash, or EMPTY. */
  rowOf(key: number, hash: number): number {
    const { slots, key: keys } = this;
    const mask = slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const row = slots[slot]!;
      if (row === EMPTY || keys[row] === key) return row;
    }
  }
}
