import type { Batch, Column } from '../record/batch.ts';
import type { KeyCell } from './key-cells.ts';
import { type KeyedSpec, initialOf, sketchesOf } from './keyed-loop.ts';
import type { PaneTable } from './pane-table.ts';
import { EMPTY, WindowTable } from './window-table.ts';

/** Rows of all panes together, for each key that may have one: beyond that no further key gets a place. A row takes 165 bytes and its text. */
const PANE_ROWS_OF_KEY = 16;

type Columns = readonly Float64Array[];

/**
 * What the window that slides holds of each key, in the place of the key. Time is cut into blocks as long as the window, so that a window is the end
 * of one block and the beginning of the next: `front` is what the panes up to the block's end come to, `back` what those behind it do. A pane that
 * comes is merged into `back`; one that goes leaves `front` as its row has kept it. So a key costs two merges a window, whatever the panes,
 * nothing is ever subtracted but counts of lines and sums of hashes, and what a row says depends on its panes alone, in their order: it is the same
 * after a restart. A key whose panes have changed, and every key when a block begins, is made anew from its panes.
 */
export class SlidingTotals {
  /** A row is here as long as a pane has one of its key. Its lines, sums and first accumulators are those of the window. */
  readonly keys: WindowTable;
  /** With room for two states. */
  readonly #measures: readonly (KeyedSpec['measures'][number] & {
    readonly state: number[];
    readonly other: number[];
  })[];
  readonly #initial: readonly number[];
  readonly #sizeMs: number;
  /** No key gets a place that has none. */
  readonly #isFull: () => boolean;
  readonly #paneRowsMax: number;
  /** Rows of all panes. */
  #paneRows = 0;
  /** Panes that begin before are in the window, as far as they are there. */
  #mergedMs = -Infinity;

  constructor(keyed: KeyedSpec, sizeMs: number, rowsMax: number, isFull: () => boolean) {
    const initial = initialOf(keyed);
    this.#measures = keyed.measures.flatMap((measure) => {
      const state = measure.aggregate.accumulators(measure.fieldType).map((accumulator) => accumulator.initial);
      return state.length === 0 ? [] : [{ ...measure, state, other: [...state] }];
    });
    this.#initial = initial;
    this.#sizeMs = sizeMs;
    this.#isFull = isFull;
    this.#paneRowsMax = rowsMax * PANE_ROWS_OF_KEY;
    this.keys = new WindowTable({
      startMs: Number.NaN,
      endMs: Number.NaN,
      keyKinds: keyed.keys.map(({ kind }) => kind),
      initial: [...initial, ...initial, ...initial, 0, Number.NaN],
      sketches: sketchesOf(keyed),
      rowsMax,
    });
  }

  get #width(): number {
    return this.#initial.length;
  }

  #columns(at: 0 | 1 | 2): Columns {
    return this.keys.accumulators.slice(at * this.#width, (at + 1) * this.#width);
  }

  /** How many panes have a row of the key. */
  get #panes(): Float64Array {
    return this.keys.accumulators[3 * this.#width]!;
  }

  /** Number of the block that `front` and `back` are of; NaN where they are of none. */
  get #block(): Float64Array {
    return this.keys.accumulators[3 * this.#width + 1]!;
  }

  /** Place of a line's key: that of all others where there is no room for one more. */
  keyOf(batch: Batch, columns: readonly Column[], line: number, hash: number): number {
    const known = this.keys.lookup(batch, columns, line, hash);
    if (known !== EMPTY) return known;
    return this.#paneRows >= this.#paneRowsMax || this.#isFull()
      ? this.keys.other()
      : this.keys.insert(batch, columns, line, hash);
  }

  /** Place of a key that had one. */
  restored(cells: readonly KeyCell[] | null): number {
    return cells === null ? this.keys.other() : this.keys.upsert(cells);
  }

  isOther(key: number): boolean {
    return key === this.keys.otherRow;
  }

  /** A new row of a pane is of this key. */
  link(pane: PaneTable, row: number, key: number): void {
    pane.key[row] = key;
    this.#panes[key]! += 1;
    this.#paneRows++;
  }

  touch(pane: PaneTable, row: number): void {
    this.#block[pane.key[row]!] = Number.NaN;
  }

  /**
   * Slides to the window that starts there, over the panes that are there, in order; `each` is called for every key with lines in it. Behind it, the
   * panes that are in no later window are to leave.
   */
  slide(panes: readonly PaneTable[], startMs: number, each: (key: number) => void): void {
    const endMs = startMs + this.#sizeMs;
    const [result, front, back] = [this.#columns(0), this.#columns(1), this.#columns(2)];
    const block = Math.floor(startMs / this.#sizeMs);
    const inside = panes
      .filter((pane) => pane.startMs >= startMs && pane.startMs < endMs)
      .map((pane) => ({ pane, own: pane.own, behind: pane.behind }));
    const slide: Slide = { inside, front, back, block, blockEndMs: (block + 1) * this.#sizeMs };
    for (const one of inside) if (one.pane.startMs >= this.#mergedMs) this.#enter(one, slide);
    this.#mergedMs = endMs;
    const { lines, size, sketches } = this.keys;
    const [count, blocks] = [this.#panes, this.#block];
    for (let key = 0; key < size; key++) {
      if (count[key] === 0) continue;
      if (blocks[key] !== block) this.#make(key, slide);
      if (lines[key] === 0) continue;
      this.#merge(result, key, { columns: front, row: key }, { columns: back, row: key });
      for (const [s, sketch] of sketches.entries()) {
        for (const { pane } of inside) {
          const row = this.#rowIn(pane, key);
          if (row !== EMPTY) sketch.merge(key, pane.sketches[s]!.encode(row));
        }
      }
      each(key);
      // Sketches are large: none is kept but those of the panes.
      for (const sketch of sketches) sketch.clear(key);
    }
  }

  /** The pane is in no window any more. */
  leave(pane: PaneTable): void {
    const { keys } = this;
    const front = this.#columns(1);
    const count = this.#panes;
    const { behind, key: keyOf, size } = pane;
    const isInside = pane.startMs < this.#mergedMs;
    this.#paneRows -= size;
    for (let row = 0; row < size; row++) {
      const key = keyOf[row]!;
      if ((count[key]! -= 1) === 0) {
        keys.remove(key, EMPTY);
      } else if (isInside) {
        keys.lines[key]! -= pane.lines[row]!;
        keys.sumA[key]! -= pane.sumA[row]!;
        keys.sumB[key]! -= pane.sumB[row]!;
        for (let i = 0; i < front.length; i++) front[i]![key] = behind[i]![row]!;
      }
    }
    // Nobody lists what changed: their places are free at once.
    keys.clearChanged();
  }

  #enter({ pane, own }: Inside, { back, block }: Slide): void {
    const { key: keyOf, size } = pane;
    const blocks = this.#block;
    for (let row = 0; row < size; row++) {
      const key = keyOf[row]!;
      if (blocks[key] !== block) continue;
      this.#count(key, pane, row);
      this.#merge(back, key, { columns: back, row: key }, { columns: own, row });
    }
  }

  #make(key: number, { inside, front, back, block, blockEndMs }: Slide): void {
    const { keys } = this;
    keys.lines[key] = keys.sumA[key] = keys.sumB[key] = 0;
    this.#initial.forEach((value, i) => (front[i]![key] = back[i]![key] = value));
    for (let at = inside.length - 1; at >= 0; at--) {
      const { pane, own, behind } = inside[at]!;
      if (pane.startMs >= blockEndMs) continue;
      const row = this.#rowIn(pane, key);
      if (row === EMPTY) continue;
      for (let i = 0; i < behind.length; i++) behind[i]![row] = front[i]![key]!;
      this.#count(key, pane, row);
      this.#merge(front, key, { columns: own, row }, { columns: front, row: key });
    }
    for (const { pane, own } of inside) {
      if (pane.startMs < blockEndMs) continue;
      const row = this.#rowIn(pane, key);
      if (row === EMPTY) continue;
      this.#count(key, pane, row);
      this.#merge(back, key, { columns: back, row: key }, { columns: own, row });
    }
    this.#block[key] = block;
  }

  #rowIn(pane: PaneTable, key: number): number {
    return this.isOther(key) ? pane.otherRow : pane.rowOf(key, this.keys.hashes[key]!);
  }

  #count(key: number, pane: PaneTable, row: number): void {
    const { keys } = this;
    keys.lines[key]! += pane.lines[row]!;
    keys.sumA[key]! += pane.sumA[row]!;
    keys.sumB[key]! += pane.sumB[row]!;
  }

  /** `into` becomes what `first` and then `second` come to. */
  #merge(into: Columns, key: number, first: StateAt, second: StateAt): void {
    let at = 0;
    for (const { aggregate, fieldType, state, other } of this.#measures) {
      for (let i = 0; i < state.length; i++) {
        state[i] = first.columns[at + i]![first.row]!;
        other[i] = second.columns[at + i]![second.row]!;
      }
      aggregate.merge(state, other, fieldType);
      for (let i = 0; i < state.length; i++) into[at + i]![key] = state[i]!;
      at += state.length;
    }
  }
}

interface Inside {
  readonly pane: PaneTable;
  readonly own: Columns;
  readonly behind: Columns;
}

/** A window, with the columns of its panes and keys. */
interface Slide {
  readonly inside: readonly Inside[];
  readonly front: Columns;
  readonly back: Columns;
  readonly block: number;
  readonly blockEndMs: number;
}

interface StateAt {
  readonly columns: Columns;
  readonly row: number;
}
