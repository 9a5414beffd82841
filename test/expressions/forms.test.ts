import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FORMS } from '../../src/expressions/forms.ts';
import { type GeneratedType, type Pair, SQL_TYPES } from '../support/expressions/grammar.ts';
import { ROWS, SqlOracle, disagreements, literal, treesOf } from '../support/expressions/oracle.ts';
import fc from 'fast-check';

const EXAMPLES = FORMS.flatMap(({ examples }) => examples);

describe('forms', () => {
  let oracle: SqlOracle;
  let types: GeneratedType[];
  beforeAll(async () => {
    oracle = await SqlOracle.open();
    const trees = await treesOf(EXAMPLES.map(({ sql }) => sql));
    types = trees.map(({ type }) => (type === 'null' ? 'text' : type));
  });
  afterAll(() => oracle.close());

  /** What the interpreter, generated code and the tree as SQL say of the examples, where that is not what `sqlOf` gives in DuckDB. */
  async function wrong(sqlOf: (example: (typeof EXAMPLES)[number], type: GeneratedType) => string): Promise<unknown[]> {
    const pairs = EXAMPLES.map((example, i) => {
      const pair: Pair = { text: example.sql, sql: sqlOf(example, types[i]!) };
      return { ...pair, type: types[i]! };
    });
    return disagreements(oracle, pairs, fc.sample(ROWS, { numRuns: 1, seed: 1 }));
  }

  it('have examples that are true', async () => {
    expect(await wrong(({ value }, type) => literal(value, type))).toEqual([]);
  });

  it('have examples that DuckDB agrees with, as people write them', async () => {
    const written = (sql: string, type: GeneratedType): string =>
      type === 'double' ? `finite(TRY(${sql})::DOUBLE)` : `TRY(${sql})::${SQL_TYPES[type]}`;
    expect(await wrong(({ sql }, type) => written(sql, type))).toEqual([]);
  });

  it.each(FORMS.filter(({ calls }) => calls.length > 0).map((form) => [form.name, form] as const))(
    '%s says what it does, with an example',
    (_, { summary, examples }) => {
      expect(summary).toMatch(/^\S.*\.$/);
      expect(examples.length).toBeGreaterThan(0);
    },
  );

  it('have names of their own', () => {
    for (const names of [FORMS.map(({ name }) => name), FORMS.flatMap(({ calls }) => calls)])
      expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });
});
