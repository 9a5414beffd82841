import type { Fate } from '../epoch/epoch.ts';
import { textOf } from '../lib/text.ts';
import type { Batch } from '../record/batch.ts';
import { numberCell } from './key-cells.ts';
import type { KeyedSpec, RolledUp } from './keyed-loop.ts';
import type { AdmittedBatch, OperatorOutput, OtherKey } from './operator.ts';

/** Counts what becomes of a batch's lines in an operator with keys, and says it once a batch. */
export class KeyedFates {
  readonly #name: string;
  readonly #keys: KeyedSpec['keys'];
  readonly #rowsMax: number;
  /** Lines for which the condition is not true. */
  readonly dropped: RolledUp = { lines: 0, a: 0, b: 0 };
  readonly #late: RolledUp = { lines: 0, a: 0, b: 0 };
  readonly #before: RolledUp = { lines: 0, a: 0, b: 0 };
  #otherLines = 0;
  #firstOther: OtherKey | undefined;
  #out: OperatorOutput | undefined;

  constructor(name: string, keys: KeyedSpec['keys'], rowsMax: number) {
    this.#name = name;
    this.#keys = keys;
    this.#rowsMax = rowsMax;
  }

  begin(out: OperatorOutput): void {
    this.#out = out;
  }

  /** `placed`: each line as often as rows have taken it. Default: once. */
  end(rolledUp: RolledUp, placed: Readonly<RolledUp> = { ...rolledUp }): void {
    const out = this.#out!;
    this.#report(out, 'rolled_up', '', rolledUp);
    this.#report(out, 'placed', '', { ...placed });
    this.#report(out, 'late', '', this.#late);
    this.#report(out, 'filtered', 'where', this.dropped);
    this.#report(out, 'filtered', 'before_rollup', this.#before);
    if (this.#firstOther !== undefined) out.others(this.#name, this.#otherLines, this.#firstOther);
    this.#otherLines = 0;
    this.#firstOther = undefined;
    this.#out = undefined;
  }

  /**
   * The line came when its windows, or what would be its own session, were over: the first begins and the last ends there. Where it is only a
   * part of them, it is listed, and no late line.
   */
  late(admitted: AdmittedBatch, line: number, windowStartMs: number, windowEndMs: number, isPart = false): void {
    const { batch } = admitted;
    if (!isPart) countLine(this.#late, admitted, line);
    this.#out!.late({
      source: admitted.source,
      offset: batch.lineOffset[line]!,
      eventTimeMs: batch.eventTimeMs[line]!,
      rollup: this.#name,
      windowStartMs,
      windowEndMs,
      watermarkMs: admitted.watermarkBeforeMs[line]!,
      key: this.#keyText(batch, line),
      ...(isPart ? { isPart } : {}),
    });
  }

  /** The rollup was added later, and begins behind the line. */
  beforeRollup(admitted: AdmittedBatch, line: number): void {
    countLine(this.#before, admitted, line);
  }

  /** The line's key has no row of its own. */
  other({ batch }: AdmittedBatch, line: number, windowStartMs: number): void {
    this.#otherLines++;
    this.#firstOther ??= {
      windowStartMs,
      key: this.#keyText(batch, line),
      rowsMax: this.#rowsMax,
      isFull: !this.#keys.some(({ column }) => {
        const cells = batch.columns[column]!;
        return cells.kind === 'number' && Math.abs(cells.values[line]!) === Infinity;
      }),
    };
  }

  #keyText(batch: Batch, line: number): (string | null)[] {
    return this.#keys.map(({ column }) => {
      const cells = batch.columns[column]!;
      if (cells.kind === 'number') {
        const number = numberCell(cells, line);
        return Number.isNaN(number) ? null : String(number === 0 ? 0 : number);
      }
      const bytes = batch.stringBytes(cells, line);
      return bytes === undefined ? null : textOf(bytes);
    });
  }

  #report(out: OperatorOutput, fate: Exclude<Fate, 'in'>, reason: string, counts: RolledUp): void {
    if (counts.lines > 0) out.fate(this.#name, fate, reason, counts.lines, counts.a, counts.b);
    counts.lines = counts.a = counts.b = 0;
  }
}

function countLine(counts: RolledUp, admitted: AdmittedBatch, line: number): void {
  counts.lines += 1;
  counts.a = (counts.a + admitted.hashA[line]!) >>> 0;
  counts.b = (counts.b + admitted.hashB[line]!) >>> 0;
}
