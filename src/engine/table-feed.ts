import { deadlineMs } from '../epoch/finality.ts';
import type { RowSchema, RowSet } from '../epoch/table.ts';
import { assert } from '../lib/assert.ts';
import { isMutant } from '../lib/mutant.ts';
import type { Aggregates } from '../aggregates/aggregate.ts';
import type { AdmittedBatch, Operator, OperatorOutput } from '../operators/operator.ts';
import { RowBatch } from '../operators/row-batch.ts';
import type { WantedField } from '../expressions/made-columns.ts';
import { type Batch, LINE_VERDICTS } from '../record/batch.ts';
import { type LineSum, addSum, emptySum } from '../record/line-id.ts';
import type { Ledger } from './ledger.ts';
import type { LostValues } from './lost-values.ts';
import type { OtherLines } from './other-lines.ts';

export interface TableFeedOptions {
  /** The table that is read. */
  readonly schema: RowSchema;
  /** The operator whose table it is. */
  readonly input: Operator;
  readonly readers: readonly Operator[];
  /** What the readers use of its rows: the columns of the batch. */
  readonly fields: readonly WantedField[];
  readonly aggregates: Aggregates;
}

/** A move of the partition's clock. */
export interface ClockMove {
  /** The watermark just before each line that moved it, or before the beat: never falls, and has at least one. */
  readonly beforeMs: Float64Array;
  readonly watermarkMs: number;
}

/**
 * Gives the final rows of a table to the operators that read it, as lines. The clock of a reader is that of its input, less the allowed lateness
 * of the table it reads. A row comes at the step of the clock that makes it final, and what the clock was before that step is what its reader's
 * timers and lateness go by: so it makes no difference how many rows come at once. No row is ever late: its last millisecond lies above
 * the watermark before that step.
 */
export class TableFeed implements AdmittedBatch {
  readonly source: string;
  readonly path = '';
  readonly readAtMs = 0;
  readonly verdicts = LINE_VERDICTS;
  watermarkBeforeMs = new Float64Array(0);
  readonly readers: readonly Operator[];
  /** By how much the readers' clock is behind that of the partition. */
  readonly latenessMs: number;
  readonly #closing: RowBatch;
  readonly #takeFinal: () => RowSet | undefined;

  constructor({ schema, input, readers, fields, aggregates }: TableFeedOptions) {
    this.source = schema.table;
    this.readers = readers;
    this.latenessMs = schema.allowedLatenessMs;
    this.#closing = new RowBatch(schema, fields, aggregates);
    assert(input.takeFinal !== undefined, `the operator of ${schema.table} gives its final rows`);
    this.#takeFinal = input.takeFinal.bind(input);
  }

  get batch(): Batch {
    return this.#closing.batch;
  }

  get clockBeforeMs(): Float64Array {
    return this.watermarkBeforeMs;
  }

  get hashA(): Uint32Array {
    return this.#closing.hashA;
  }

  get hashB(): Uint32Array {
    return this.#closing.hashB;
  }

  detailOf(): string {
    return '';
  }

  /** Gives the readers what became final, then moves their clock. True if a timer of theirs fired. */
  advance(move: ClockMove, ledger: Ledger, otherLines: OtherLines, lostValues: LostValues): boolean {
    const rows = this.#takeFinal();
    if (rows !== undefined) {
      this.#closing.load(rows);
      this.#setClock(move);
      const out = this.#outputTo(ledger, otherLines);
      const all = this.#sum();
      for (const reader of this.readers) {
        ledger.add(this.source, reader.name, 'in', '', all);
        reader.process(this, out);
      }
      lostValues.add(ledger, this.source, this.readers, this.#closing.lostValues);
    }
    let hasFired = false;
    for (const reader of this.readers) if (reader.onWatermark(move.watermarkMs - this.latenessMs)) hasFired = true;
    return hasFired;
  }

  /** Rows that a checkpoint has already told the readers of. */
  discard(): void {
    this.#takeFinal();
  }

  #setClock({ beforeMs }: ClockMove): void {
    const { eventTimeMs, length } = this.batch;
    const clock = new Float64Array(length);
    let step = 0;
    for (let i = 0; i < length; i++) {
      const dueMs = deadlineMs(eventTimeMs[i]! + 1, this.latenessMs);
      assert(beforeMs[0]! < dueMs, `a row of ${this.source} became final before`);
      while (step + 1 < beforeMs.length && beforeMs[step + 1]! < dueMs) step++;
      clock[i] = beforeMs[isMutant('chain.rows_before_timers') ? 0 : step]! - this.latenessMs;
    }
    this.watermarkBeforeMs = clock;
  }

  #sum(): LineSum {
    const sum = emptySum();
    for (let i = 0; i < this.batch.length; i++) addSum(sum, { lines: 1, a: this.hashA[i]!, b: this.hashB[i]! });
    return sum;
  }

  #outputTo(ledger: Ledger, otherLines: OtherLines): OperatorOutput {
    return {
      late: ({ rollup }) => assert(false, `a row of ${this.source} was late for ${rollup}`),
      fate: (consumer, fate, reason, lines, a, b) => ledger.add(this.source, consumer, fate, reason, { lines, a, b }),
      // Who reads a table with such a row was told of that table's.
      others: (consumer, rows, first) => otherLines.add(consumer, rows, this.#closing.hasOthers ? undefined : first),
    };
  }
}
