import { z } from 'zod';
import type { NumberColumn } from '../../src/record/batch.ts';
import type { TransformDefinition } from '../../src/transforms/transform.ts';

const options = z.strictObject({ field: z.string(), least: z.number(), most: z.number() });

/** The simplest transform that looks at lines: those with less in a field are filtered, those with more are dead letters. */
export const sieve: TransformDefinition<z.output<typeof options>> = {
  type: 'sieve',
  summary: 'For tests: lets lines pass whose number lies between two others.',
  options,
  named: ({ field }) => [{ path: ['field'], part: 'value', field }],
  shape: ({ field }, before) => ({
    after: Object.fromEntries(Object.entries(before).map(([from, type]) => [from, { type, from }])),
    reads: [field],
  }),
  compile({ field, least, most }, columnOf) {
    const index = columnOf(field);
    return {
      verdicts: [
        { fate: 'filtered', reason: 'too_small' },
        { fate: 'dead_letter', reason: 'too_large' },
      ],
      run(batch, first) {
        const { values } = batch.columns[index] as NumberColumn;
        for (let line = 0; line < batch.length; line++) {
          if (batch.verdict[line] !== 0) continue;
          if (values[line]! < least) batch.verdict[line] = first;
          else if (values[line]! > most) batch.verdict[line] = first + 1;
        }
      },
    };
  },
  examples: [],
};
