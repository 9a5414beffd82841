import { EMPTY, WindowTable, type WindowTableOptions } from './window-table.ts';

/** What a session keeps beside its measures, as further accumulators of its row: and its neighbours among those of its key. */
const OWN = ['first', 'last', 'born', 'idA', 'idB', 'next', 'previous'] as const;
type Own = (typeof OWN)[number];

/** Taken again after every row that is added. */
export type SessionArrays = Readonly<Record<Own, Float64Array>>;

/**
 * The open sessions, by key. A key leads to the first of its sessions, and that to the others, of which there is rarely one. `first` and `last`
 * are event times, `born` the number of the line that began it, `idA` and `idB` the hash of that line's id.
 */
export class SessionTable extends WindowTable {
  /** Which accumulator each of them is. */
  readonly at: Readonly<Record<Own, number>>;

  constructor({ initial, ...options }: Pick<WindowTableOptions, 'keyKinds' | 'initial' | 'sketches' | 'rowsMax'>) {
    super({ startMs: Number.NaN, endMs: Number.NaN, ...options, initial: [...initial, ...OWN.map(() => EMPTY)] });
    this.at = Object.fromEntries(OWN.map((own, i) => [own, initial.length + i])) as Record<Own, number>;
  }

  get arrays(): SessionArrays {
    const of = (own: Own): Float64Array => this.accumulators[this.at[own]]!;
    const [first, last, born] = [of('first'), of('last'), of('born')];
    return { first, last, born, idA: of('idA'), idB: of('idB'), next: of('next'), previous: of('previous') };
  }

  /** One more session with the key of another. */
  override addBeside(head: number): number {
    const row = super.addBeside(head);
    const { next, previous } = this.arrays;
    const behind = next[head]!;
    next[row] = behind;
    previous[row] = head;
    if (behind >= 0) previous[behind] = row;
    next[head] = row;
    return row;
  }

  /** The session is over, or has been joined to another one. */
  end(row: number): void {
    const { next, previous } = this.arrays;
    const [before, behind] = [previous[row]!, next[row]!];
    if (behind >= 0) previous[behind] = before;
    if (before >= 0) next[before] = behind;
    this.remove(row, before >= 0 ? EMPTY : behind);
  }

  /** Whether it is of the keys that have no row of their own. */
  isOther(row: number): boolean {
    const { previous } = this.arrays;
    let head = row;
    while (previous[head]! >= 0) head = previous[head]!;
    return head === this.otherRow;
  }

  /** Of the sessions of a key the one that the line with this hash began, or EMPTY. */
  withId(head: number, a: number, b: number): number {
    const { idA, idB, next } = this.arrays;
    let row = head;
    while (row >= 0 && (idA[row] !== a || idB[row] !== b)) row = next[row]!;
    return row;
  }
}
