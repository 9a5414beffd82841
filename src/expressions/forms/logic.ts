import { isMutant } from '../../lib/mutant.ts';
import { type Form, type FormProblem, type Resolved, as, fixed, lazy, needs, strict } from '../form.ts';
import type { Tree, Value } from '../tree.ts';

function conditions(name: string): (args: readonly Tree[]) => Resolved | FormProblem {
  return (args) => {
    const typed: Tree[] = [];
    for (const [i, arg] of args.entries()) {
      const condition = as('boolean', arg);
      if (condition === undefined) return { ...needs(name, 'boolean', arg), arg: i };
      typed.push(condition);
    }
    return { type: 'boolean', args: typed };
  };
}

/** `and`, `or`: with three values, of which NULL is "not known". The first argument that decides ends it. */
function connective(name: 'and' | 'or', summary: string, examples: Form['examples']): Form {
  const decides = name === 'or';
  return {
    name,
    calls: [name],
    summary,
    examples,
    resolve: conditions(name),
    evaluator: () =>
      lazy((args) => {
        let result: Value = !decides;
        for (const arg of args) {
          const value = arg();
          if (value === decides) return decides;
          if (value === null && !isMutant('expression.null_as_false')) result = null;
        }
        return result;
      }),
    sql: (args) => `(${args.join(` ${name.toUpperCase()} `)})`,
  };
}

export const and = connective('and', 'True where all are; not known where one is not known and none is false.', [
  { sql: 'null and false', value: false },
  { sql: 'null and true', value: null },
]);

export const or = connective('or', 'True where one is; not known where one is not known and none is true.', [
  { sql: 'null or true', value: true },
  { sql: 'null or false', value: null },
]);

export const not: Form = {
  name: 'not',
  calls: ['not'],
  summary: 'The opposite; not known of what is not known.',
  examples: [
    { sql: 'not true', value: false },
    { sql: 'not null', value: null },
  ],
  resolve: fixed('not', ['boolean'], 'boolean'),
  evaluator: () => strict(([value]) => !(value as boolean)),
  sql: ([value]) => `(NOT ${value})`,
};

function nullTest(name: 'is_null' | 'is_not_null', words: string, isNull: boolean): Form {
  return {
    name,
    calls: [name],
    summary: isNull ? 'True if the value is missing.' : 'True if there is a value.',
    examples: [{ sql: `null ${words}`, value: isNull }],
    resolve: (args) => ({ type: 'boolean', args }),
    evaluator: () => lazy(([value]) => (value!() === null) === isNull),
    sql: ([value]) => `(${value} ${words.toUpperCase()})`,
  };
}

export const isNull = nullTest('is_null', 'is null', true);
export const isNotNull = nullTest('is_not_null', 'is not null', false);
