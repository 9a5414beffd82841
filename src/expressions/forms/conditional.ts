import {
  type Form,
  type FormProblem,
  type Resolved,
  TYPE_WORDS,
  as,
  commonType,
  lazy,
  needs,
  onceSql,
} from '../form.ts';
import type { Tree, Value } from '../tree.ts';
import { comparable, compare } from './comparison.ts';

/** Makes the arguments at `places` one type, that of the result; the others stay as they are. */
function oneType(name: string, args: readonly Tree[], places: readonly number[]): Resolved | FormProblem {
  const of = places.map((i) => args[i]!);
  const type = commonType(of);
  if (type === undefined) return differ(name, of, places);
  return { type, args: args.map((arg, i) => (places.includes(i) ? as(type, arg)! : arg)) };
}

function differ(name: string, of: readonly Tree[], places: readonly number[]): FormProblem {
  const first = of.find(({ type }) => type !== 'null')!;
  const other = of.findIndex((arg) => commonType([first, arg]) === undefined);
  const [left, right] = [TYPE_WORDS[first.type], TYPE_WORDS[of[other]!.type]];
  return {
    message: `${name} gives values of one type, and these are ${left} and ${right}`,
    hint: 'cast one of them: try_cast(… as bigint), cast(… as varchar)',
    arg: places[other]!,
  };
}

export const caseWhen: Form = {
  name: 'case',
  calls: ['case'],
  summary: 'The value behind the first condition that is true; without one that behind `else`, or NULL.',
  examples: [
    { sql: "case when 1 > 2 then 'a' when null then 'b' else 'c' end", value: 'c' },
    { sql: 'case 2 when 1 then 10 when 2 then 20 end', value: 20 },
    { sql: 'if(1 < 2, 10, 20)', value: 10 },
  ],
  resolve(args) {
    const conditions = args.map((arg, i) => (i % 2 === 0 && i < args.length - 1 ? as('boolean', arg) : arg));
    const wrong = conditions.indexOf(undefined);
    if (wrong >= 0) return { ...needs('when', 'boolean', args[wrong]!), arg: wrong };
    const places = args.map((_, i) => i).filter((i) => i % 2 === 1 || i === args.length - 1);
    return oneType('case', conditions as Tree[], places);
  },
  evaluator: () =>
    lazy((args) => {
      for (let i = 0; i + 1 < args.length; i += 2) if (args[i]!() === true) return args[i + 1]!();
      return args.at(-1)!();
    }),
  sql(args) {
    const whens: string[] = [];
    for (let i = 0; i + 1 < args.length; i += 2) whens.push(`WHEN ${args[i]} THEN ${args[i + 1]}`);
    return `(CASE ${whens.join(' ')} ELSE ${args.at(-1)} END)`;
  },
};

export const coalesce: Form = {
  name: 'coalesce',
  calls: ['coalesce', 'ifnull'],
  summary: 'The first value that is not NULL.',
  examples: [
    { sql: 'coalesce(null, 2, 3)', value: 2 },
    { sql: 'ifnull(null, 1.5)', value: 1.5 },
  ],
  resolve: (args) => oneType('coalesce', args, [...args.keys()]),
  evaluator: () =>
    lazy((args) => {
      for (const arg of args) {
        const value = arg();
        if (value !== null) return value;
      }
      return null;
    }),
  sql: (args) => `COALESCE(${args.join(', ')})`,
};

export const nullif: Form = {
  name: 'nullif',
  calls: ['nullif'],
  summary: 'NULL where both are the same, else the first.',
  examples: [
    { sql: "nullif('-', '-')", value: null },
    { sql: "nullif('a', '-')", value: 'a' },
  ],
  resolve(args) {
    if (args.length !== 2) return { message: `nullif takes 2 arguments, not ${args.length}` };
    const compared = comparable(args);
    if ('message' in compared) return compared;
    // Both are compared as one type; the result is of the first's own.
    const [first, second] = args;
    return { type: first!.type, args: [first!, as(first!.type, second!) ?? second!] };
  },
  evaluator: ([first, second]) => {
    const isMixed = first!.type !== second!.type;
    const isSame = (a: NonNullable<Value>, b: NonNullable<Value>): boolean =>
      isMixed ? Number(a) === Number(b) : compare(a, b) === 0;
    return lazy((args) => {
      const [value, other] = [args[0]!(), args[1]!()];
      return value === null || other === null || !isSame(value, other) ? value : null;
    });
  },
  // A macro of DuckDB, which writes the first twice.
  sql: ([value, other]) => onceSql({ a: value!, b: other! }, (of) => `NULLIF(${of('a')}, ${of('b')})`),
};

function extreme(name: 'greatest' | 'least', summary: string, sign: 1 | -1, example: Form['examples'][number]): Form {
  return {
    name,
    calls: [name],
    summary,
    examples: [example, { sql: `${name}(null, null)`, value: null }],
    resolve: (args) =>
      args.length === 0 ? { message: `${name} takes one argument or more` } : oneType(name, args, [...args.keys()]),
    evaluator: () =>
      lazy((args) => {
        let found: Value = null;
        for (const arg of args) {
          const value = arg();
          if (value !== null && (found === null || compare(value, found) * sign > 0)) found = value;
        }
        return found;
      }),
    sql: (args) => `${name.toUpperCase()}(${args.join(', ')})`,
  };
}

export const conditionals: readonly Form[] = [
  caseWhen,
  coalesce,
  nullif,
  extreme('greatest', 'The greatest of all that are not NULL.', 1, { sql: 'greatest(1, null, 3)', value: 3 }),
  extreme('least', 'The least of all that are not NULL.', -1, { sql: 'least(1, null, 3)', value: 1 }),
];
