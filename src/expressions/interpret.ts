import { assert } from '../lib/assert.ts';
import type { Lazy, Notes } from './form.ts';
import { formNamed } from './forms.ts';
import { type Tree, type Value, constantValue } from './tree.ts';

/** The value of an expression over the fields that `valueOf` knows. */
export type Interpreter = (valueOf: (field: string) => Value) => Value;

/** The plain meaning of a tree, node by node: the oracle of generated code, and what that falls back on for values that are rare. */
export function interpreter(tree: Tree, notes: Notes): Interpreter {
  if (tree.kind === 'constant') {
    const value = constantValue(tree);
    return () => value;
  }
  if (tree.kind === 'field') {
    const { name } = tree;
    return (valueOf) => valueOf(name);
  }
  const args = tree.args.map((arg) => interpreter(arg, notes));
  const evaluator = formNamed(tree.form).evaluator(tree.args, notes);
  if (evaluator.kind === 'lazy') {
    return (valueOf) =>
      evaluator.evaluate(
        args.map(
          (arg): Lazy =>
            () =>
              arg(valueOf),
        ),
      );
  }
  return (valueOf) => {
    const values: NonNullable<Value>[] = [];
    let hasNull = false;
    for (const arg of args) {
      const value = arg(valueOf);
      if (value === null) hasNull = true;
      else values.push(value);
    }
    return hasNull ? null : evaluator.evaluate(values as never[]);
  };
}

/** Of an expression without fields. */
export function constantOf(tree: Tree): { readonly value: Value; readonly isLost: boolean } {
  let isLost = false;
  const lost = (): null => {
    isLost = true;
    return null;
  };
  const value = interpreter(tree, { lost })((name) => {
    assert(false, `${name} is a field`);
    return null;
  });
  return { value, isLost };
}
