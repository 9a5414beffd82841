import { type Form, type FormProblem, type Resolved, TYPE_WORDS, as, commonType, lazy, strict } from '../form.ts';
import { cutText } from '../../lib/text.ts';
import type { Tree, Value, ValueType } from '../tree.ts';

/**
 * The comparisons that there are, by their sign in SQL: what each says of an order (below 0, 0, above 0), and what Elasticsearch calls that part of
 * the order. One table for expressions and for search, where a field that is not there is NULL, too: no comparison is true of it.
 */
export const COMPARISONS = {
  '=': { holds: (order: number) => order === 0, range: undefined },
  '<>': { holds: (order: number) => order !== 0, range: undefined },
  '<': { holds: (order: number) => order < 0, range: 'lt' },
  '<=': { holds: (order: number) => order <= 0, range: 'lte' },
  '>': { holds: (order: number) => order > 0, range: 'gt' },
  '>=': { holds: (order: number) => order >= 0, range: 'gte' },
} as const;

export type ComparisonSign = keyof typeof COMPARISONS;

/** The order of two values of one type: texts by their bytes in UTF-8, false before true. */
export function compare(left: NonNullable<Value>, right: NonNullable<Value>): number {
  if (typeof left === 'string') return Buffer.compare(Buffer.from(left), Buffer.from(right as string));
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** Types both sides, or says why they cannot be compared. */
export function comparable(args: readonly Tree[]): Resolved | FormProblem {
  const type = commonType(args);
  if (type === undefined) return incomparable(args);
  const of = type === 'null' ? 'text' : type;
  return { type: 'boolean', args: args.map((arg) => as(of, arg)!) };
}

/** The same where NULL itself is never meant: a comparison with it is never true. One with a type was written on purpose, by a cast. */
function comparableValues(args: readonly Tree[]): Resolved | FormProblem {
  const bare = args.findIndex(({ kind, type }) => kind === 'constant' && type === 'null');
  if (bare < 0) return comparable(args);
  return { message: 'a comparison with NULL is never true', hint: 'write is null, or is not null', arg: bare };
}

function incomparable(args: readonly Tree[]): FormProblem {
  const first = args.findIndex(({ type }) => type !== 'null');
  const other = args.findIndex((arg) => commonType([args[first]!, arg]) === undefined);
  const [left, right] = [args[first]!, args[other]!];
  const message = `${TYPE_WORDS[left.type]} cannot be compared with ${TYPE_WORDS[right.type]}`;
  const [written, type, at] = right.kind === 'constant' ? [right, left.type, other] : [left, right.type, first];
  return { message, arg: at, ...hintOf(written, type) };
}

/** How to write a constant so that it is of the other side's type. */
function hintOf(tree: Tree, type: ValueType): { readonly hint?: string } {
  if (tree.kind !== 'constant') return { hint: 'cast one of them: try_cast(… as bigint), cast(… as varchar)' };
  const written = String(tree.value);
  if (type === 'text') return { hint: `write '${cutText(written.replaceAll("'", "''"))}'` };
  if ((type === 'long' || type === 'double') && written.trim() !== '' && Number.isFinite(Number(written)))
    return { hint: `write ${cutText(written.trim())}` };
  if (type === 'boolean') return { hint: 'write true or false' };
  return type === 'time' ? { hint: "write timestamp '2026-01-31 00:00:00'" } : {};
}

function comparison(name: ComparisonSign, summary: string, value: boolean): Form {
  const { holds } = COMPARISONS[name];
  return {
    name,
    calls: [name],
    summary,
    examples: [
      { sql: `1 ${name} 2`, value },
      { sql: `1 ${name} cast(null as bigint)`, value: null },
    ],
    resolve: comparableValues,
    evaluator: () => strict(([left, right]) => holds(compare(left, right))),
    sql: ([left, right]) => `(${left} ${name} ${right})`,
  };
}

function distinction(name: string, words: string, isDistinct: boolean): Form {
  return {
    name,
    calls: [name],
    summary: `Whether both are ${isDistinct ? 'not ' : ''}the same; NULL is the same as NULL.`,
    examples: [{ sql: `null ${words} null`, value: !isDistinct }],
    resolve: comparable,
    evaluator: () =>
      lazy((args) => {
        const [left, right] = args.map((arg) => arg());
        const isSame = left === null || right === null ? left === right : compare(left!, right!) === 0;
        return isSame !== isDistinct;
      }),
    sql: ([left, right]) => `(${left} ${words.toUpperCase()} ${right})`,
  };
}

export const between: Form = {
  name: 'between',
  calls: ['between'],
  summary: 'From the second to the third, both included.',
  examples: [
    { sql: '2 between 1 and 2', value: true },
    { sql: '3 between null and 2', value: false },
  ],
  resolve: comparable,
  evaluator: () =>
    lazy((args) => {
      const [value, least, most] = args.map((arg) => arg());
      const isAbove = value === null || least === null ? null : compare(value!, least!) >= 0;
      const isBelow = value === null || most === null ? null : compare(value!, most!) <= 0;
      return isAbove === false || isBelow === false ? false : isAbove === null || isBelow === null ? null : true;
    }),
  sql: ([value, least, most]) => `(${value} BETWEEN ${least} AND ${most})`,
};

export const inList: Form = {
  name: 'in',
  calls: ['in'],
  summary: 'Whether it is one of a list; not known where it is none of them and one of them is NULL.',
  examples: [
    { sql: '1 in (1, 2)', value: true },
    { sql: '3 in (1, cast(null as bigint))', value: null },
  ],
  resolve: comparableValues,
  evaluator: () =>
    lazy(([first, ...rest]) => {
      const value = first!();
      if (value === null) return null;
      let result: Value = false;
      for (const one of rest) {
        const other = one();
        if (other === null) result = null;
        else if (compare(value, other) === 0) return true;
      }
      return result;
    }),
  sql: ([value, ...rest]) => `(${value} IN (${rest.join(', ')}))`,
};

export const comparisons: readonly Form[] = [
  comparison('=', 'Whether both are the same.', false),
  comparison('<>', 'Whether they differ.', true),
  comparison('<', 'Whether the first is less; texts by their bytes.', true),
  comparison('<=', 'Whether the first is not more.', true),
  comparison('>', 'Whether the first is more.', false),
  comparison('>=', 'Whether the first is not less.', false),
  distinction('is_distinct_from', 'is distinct from', true),
  distinction('is_not_distinct_from', 'is not distinct from', false),
  between,
  inList,
];
