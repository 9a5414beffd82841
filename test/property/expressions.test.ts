import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FORMS } from '../../src/expressions/forms.ts';
import { type GeneratedType, expressions } from '../support/expressions/grammar.ts';
import { ROWS, SqlOracle, disagreements } from '../support/expressions/oracle.ts';
import { RULES } from '../support/expressions/rules.ts';

const RESULTS: readonly GeneratedType[] = ['boolean', 'boolean', 'long', 'double', 'text', 'time'];
/** Pairs of an expression and a row: 40 × 50 a run. */
const RUNS = process.env['TAILRACE_SOAK'] === undefined ? 70 : 5_500;
const EXPRESSIONS = 40;
const ROWS_A_RUN = 50;
/** Another one each day would find more, and fail where nobody can see why. */
const SEED = 20_261_130;

const oneOf = fc.constantFrom(...RESULTS).chain((type) => expressions(RULES, type).map((pair) => ({ ...pair, type })));

/** Of fields and literals alone: where nothing else is in the way, a form shows what is wrong with it. */
const oneForm = fc
  .constantFrom(...RULES)
  .chain((rule) => rule.make((type) => expressions(RULES, type, 0)).map((pair) => ({ ...pair, type: rule.type })));

describe('expressions', () => {
  let oracle: SqlOracle;
  beforeAll(async () => {
    oracle = await SqlOracle.open();
  });
  afterAll(() => oracle.close());

  it('mean what DuckDB means, node by node, as generated code and printed as SQL', async () => {
    const seed = Number(process.env['TAILRACE_SEED'] ?? SEED);
    for (let run = 0; run < RUNS; run++) {
      const pairs = fc.sample(run % 2 === 0 ? oneOf : oneForm, { numRuns: EXPRESSIONS, seed: seed + run });
      const rows = fc.sample(ROWS, { numRuns: ROWS_A_RUN, seed: seed + run });
      const wrong = await disagreements(oracle, pairs, rows);
      expect({ seed: seed + run, wrong: wrong.slice(0, 3) }).toEqual({ seed: seed + run, wrong: [] });
    }
  }, 36_000_000);

  it('are generated of every form that there is', () => {
    const generated = new Set(RULES.map(({ form }) => form));
    const missing = FORMS.filter(({ name, calls }) => calls.length > 0 && !generated.has(name)).map(({ name }) => name);
    expect(missing).toEqual([]);
  });
});
