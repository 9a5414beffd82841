import { z } from 'zod';
import type { TransformSpec } from '../epoch/pipeline.ts';
import { compileColumn } from '../expressions/compile.ts';
import { type WrittenExpression, fieldsOf } from '../expressions/tree.ts';
import type { NumberColumn } from '../record/batch.ts';
import { expressionText } from './expression-option.ts';
import type { TransformDefinition } from './transform.ts';

const options = z.strictObject({
  where: expressionText.describe('The condition of lines that stay. Where it is not known (NULL), a line does not.'),
});

interface FilterSpec {
  readonly where: WrittenExpression;
  /** In the ledger. Default: `filter`. */
  readonly reason?: string;
}

/** One that no list of transforms names: for those who read some of the lines of a stream. */
export function filterOf(where: WrittenExpression, reason: string): TransformSpec {
  return { type: filter.type, where, reason };
}

/** A line it takes away still moves the clock: at night only health checks may come. */
export const filter: TransformDefinition<z.output<typeof options>, FilterSpec> = {
  type: 'filter',
  summary:
    'Keeps the lines for which a condition is true. The others are counted as `filtered`, and are in no table and no document.',
  options,
  named: () => [],
  resolve({ where: text }, read) {
    const tree = read({ path: ['where'], part: 'value' }, text, 'boolean');
    return tree === undefined ? undefined : { where: { text, tree } };
  },
  shape: ({ where }, before) => ({
    after: Object.fromEntries(Object.entries(before).map(([from, type]) => [from, { type, from }])),
    reads: fieldsOf(where.tree).map(({ name }) => name),
    condition: where,
  }),
  compile({ where, reason = 'filter' }, columnOf) {
    const program = compileColumn(where.tree, columnOf);
    const result: NumberColumn = { kind: 'number', values: new Float64Array(0), rest: undefined };
    return {
      verdicts: [{ fate: 'filtered', reason }],
      run(batch, first) {
        if (result.values.length < batch.length) result.values = new Float64Array(batch.verdict.length);
        const lost = program.run(batch, result);
        const { verdict } = batch;
        const { values } = result;
        for (let i = 0; i < batch.length; i++) if (verdict[i] === 0 && values[i] !== 1) verdict[i] = first;
        return lost;
      },
    };
  },
  examples: [
    {
      title: 'no health checks',
      options: { where: "url.path <> '/health'" },
      before: { 'url.path': '/index.html', 'http.response.status_code': 200 },
      after: { 'url.path': '/index.html', 'http.response.status_code': 200 },
    },
    {
      title: 'errors only',
      options: { where: 'http.response.status_code >= 500' },
      before: { 'url.path': '/', 'http.response.status_code': 200 },
      after: null,
    },
  ],
};
