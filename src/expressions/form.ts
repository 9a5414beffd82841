import type { Tree, Value, ValueType } from './tree.ts';
import { call } from './tree.ts';

/**
 * An operator or a function of expressions: everything that is true of it alone, in one place. Its meaning is DuckDB's, with one rule of our own:
 * **what DuckDB refuses for its value, and every double that is not finite, is NULL**, and counted. No line ends because of an expression.
 */
export interface Form {
  /** In trees, and in messages. */
  readonly name: string;
  /** What DuckDB's parser calls it: `lower`, `lcase`, `~~`. */
  readonly calls: readonly string[];
  /** What people read in the reference. */
  readonly summary: string;
  /** SQL with constants, and the value. */
  readonly examples: readonly { readonly sql: string; readonly value: string | number | boolean | null }[];
  /** Types the arguments, with casts where there must be some; or says what is wrong. `called` is one of `calls`. */
  resolve(args: readonly Tree[], called: string): Resolved | FormProblem;
  /** The plain meaning, and the oracle of generated code. Called once an expression: what constants say may be made ready here. */
  evaluator(args: readonly Tree[], notes: Notes): Evaluate;
  /** The same in DuckDB's SQL, with the rule above, of arguments in SQL that are free to stand anywhere. */
  sql(args: readonly string[], tree: readonly Tree[]): string;
}

export interface Resolved {
  readonly type: ValueType;
  readonly args: readonly Tree[];
}

export interface FormProblem {
  /** What is wrong, in one line without a full stop. */
  readonly message: string;
  readonly hint?: string;
  /** The argument that is meant; without it, the whole. */
  readonly arg?: number;
}

/** Where an evaluator says that a value was lost. */
export interface Notes {
  /** A value beyond its type, or one that cannot be cast: counted once a line. Returns NULL. */
  lost(): null;
}

export type Lazy = () => Value;

/**
 * `strict`: called with values none of which is NULL; with one that is, the result is NULL. `lazy`: of what it does not ask for nothing is
 * evaluated, and nothing is lost.
 */
export type Evaluate =
  | { readonly kind: 'strict'; readonly evaluate: (args: readonly never[]) => Value }
  | { readonly kind: 'lazy'; readonly evaluate: (args: readonly Lazy[]) => Value };

/** An evaluator that is not asked where an argument is NULL. The arguments are what `resolve` made of them. */
export function strict(evaluate: (args: any) => Value): Evaluate {
  return { kind: 'strict', evaluate };
}

export function lazy(evaluate: (args: readonly Lazy[]) => Value): Evaluate {
  return { kind: 'lazy', evaluate };
}

export function isFormProblem(result: Resolved | FormProblem): result is FormProblem {
  return 'message' in result;
}

/** What people call a type. */
export const TYPE_WORDS: Readonly<Record<ValueType, string>> = {
  boolean: 'a condition',
  long: 'a whole number',
  double: 'a number',
  text: 'text',
  time: 'a time',
  null: 'NULL',
};

/** An argument as `type`, where nothing is lost by it: NULL is of every type, a `long` is a `double` too. Undefined where it is another. */
export function as(type: ValueType, arg: Tree): Tree | undefined {
  if (arg.type === type) return arg;
  if (arg.type === 'null') return { kind: 'constant', type, value: null };
  return type === 'double' && arg.type === 'long' ? call('to_double', 'double', [arg]) : undefined;
}

/** The one type that all arguments have, or can be had as; undefined where there is none. */
export function commonType(args: readonly Tree[]): ValueType | undefined {
  const types = new Set(args.map(({ type }) => type).filter((type) => type !== 'null'));
  if (types.size === 0) return 'null';
  if (types.size === 1) return [...types][0];
  return types.size === 2 && types.has('long') && types.has('double') ? 'double' : undefined;
}

/** A function of arguments of fixed types; the last `optional` of them may be left out. */
export function fixed(
  name: string,
  types: readonly ValueType[],
  result: ValueType,
  optional = 0,
): (args: readonly Tree[]) => Resolved | FormProblem {
  return (args) => {
    const least = types.length - optional;
    if (args.length < least || args.length > types.length) {
      const takes = optional === 0 ? `${least}` : `${least} to ${types.length}`;
      return { message: `${name} takes ${takes} argument${takes === '1' ? '' : 's'}, not ${args.length}` };
    }
    const typed: Tree[] = [];
    for (const [i, arg] of args.entries()) {
      const cast = as(types[i]!, arg);
      if (cast === undefined) return { ...needs(name, types[i]!, arg), arg: i };
      typed.push(cast);
    }
    return { type: result, args: typed };
  };
}

/** Says that an argument is of another type, and how to write it. */
export function needs(name: string, type: ValueType, arg: Tree): FormProblem {
  const message = `${name} needs ${TYPE_WORDS[type]}, and this is ${TYPE_WORDS[arg.type]}`;
  const hint = CAST_HINTS[type];
  return hint === undefined ? { message } : { message, hint };
}

const CAST_HINTS: Readonly<Partial<Record<ValueType, string>>> = {
  boolean: 'compare it with something',
  long: 'write try_cast(… as bigint)',
  double: 'write try_cast(… as double)',
  text: 'write cast(… as varchar)',
};

/** SQL that names each of some values as often as it likes, and has it once: in DuckDB a lambda of one struct. */
export function onceSql(
  values: Readonly<Record<string, string>>,
  sql: (of: (name: string) => string) => string,
): string {
  const fields = Object.entries(values).map(([name, value]) => `'${name}': ${value}`);
  return `list_transform([{ ${fields.join(', ')} }], lambda ".p": ${sql((name) => `(".p").${name}`)})[1]`;
}
