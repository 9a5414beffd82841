import { expect, test } from '@jest/globals';
import { type ColumnProgram, interpretedColumn, setCell } from '../../src/expressions/column.ts';
import { compileColumn } from '../../src/expressions/compile.ts';
import { Batch, SCRATCH_BYTES_MAX, type StringColumn } from '../../src/record/batch.ts';
import { treesOf } from '../support/expressions/oracle.ts';

const LINES = 4_600;
/** A thousand times that is just below the longest text that an expression makes. */
const WORD = 'w'.repeat(60);

test.each(['repeat(word, 1000)', 'repeat(word, 500) || repeat(word, 500)'])(
  'texts of %s that have no room in a batch are NULL, and counted: no place passes 32 bits',
  async (text) => {
    const [tree] = await treesOf([text]);
    const fit = Math.floor(SCRATCH_BYTES_MAX / 60_000);
    for (const programOf of [interpretedColumn, compileColumn]) {
      const batch = new Batch(['keyword', 'keyword'], LINES);
      batch.reset(Buffer.from(WORD), LINES);
      batch.length = LINES;
      batch.verdict.fill(0, 0, LINES);
      const [from, into] = batch.columns as [StringColumn, StringColumn];
      // Each another one: what is remembered of a text takes its room once.
      for (let row = 0; row < LINES; row++) setCell(batch, from, row, `${row}`.padStart(60, 'w'));
      const program: ColumnProgram = programOf(tree!, () => 0);
      const lost = program.run(batch, into);
      const made = into.length.subarray(0, LINES).filter((length) => length >= 0);
      expect([made.length + lost, new Set(made)]).toEqual([LINES, new Set([60_000])]);
      // What is made on the way takes room, too.
      expect(made.length).toBeLessThanOrEqual(fit);
      expect(made.length).toBeGreaterThan(fit / 3);
    }
  },
);
