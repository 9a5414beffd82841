import { isMutant } from '../../lib/mutant.ts';
import { type Evaluate, type Form, type FormProblem, type Notes, type Resolved, as, needs, strict } from '../form.ts';
import type { Tree, Value, ValueType } from '../tree.ts';

/** A result of 64 bits; beyond them it is lost. */
export function longOr(notes: Notes, value: bigint): Value {
  return BigInt.asIntN(64, value) === value ? value : notes.lost();
}

/** A finite result; any other is lost. */
export function doubleOr(notes: Notes, value: number): Value {
  return Number.isFinite(value) ? value : notes.lost();
}

/** SQL for a double that is NULL where it is not finite, with `value` in it once: nested expressions would grow as 2^depth. */
export function finiteSql(value: string): string {
  return `list_transform([${value}], lambda ".x": CASE WHEN isfinite(".x") THEN ".x" END)[1]`;
}

/** Numbers of one type: whole where all are, or `double` where that is asked for. */
export function numeric(
  name: string,
  args: readonly Tree[],
  least: 'long' | 'double' = 'long',
): Resolved | FormProblem {
  const wrong = args.findIndex(({ type }) => type !== 'long' && type !== 'double' && type !== 'null');
  if (wrong >= 0) return { ...needs(name, 'double', args[wrong]!), arg: wrong };
  const type: ValueType = args.some((arg) => arg.type === 'double') ? 'double' : least;
  return { type, args: args.map((arg) => as(type, arg)!) };
}

function twoNumbers(name: string, args: readonly Tree[], least?: 'long' | 'double'): Resolved | FormProblem {
  if (args.length !== 2) return { message: `${name} takes 2 arguments, not ${args.length}` };
  return isAboutTime(args) ? timeProblem(args) : numeric(name, args, least);
}

function isAboutTime(args: readonly Tree[]): boolean {
  return args.some(({ type }) => type === 'time');
}

function timeProblem(args: readonly Tree[]): FormProblem {
  if (args.every(({ type }) => type === 'time'))
    return {
      message: 'arithmetic on times is not supported',
      hint: 'write epoch_ms(…) - epoch_ms(…), in milliseconds',
    };
  return { message: 'a time and a number cannot be combined', hint: "write … + interval '5 minutes'" };
}

interface Operator {
  readonly name: '+' | '-' | '*';
  readonly summary: string;
  readonly examples: Form['examples'];
  readonly ofLongs: (left: bigint, right: bigint) => bigint;
  readonly ofDoubles: (left: number, right: number) => number;
}

const OPERATORS: readonly Operator[] = [
  {
    name: '+',
    summary: "The sum; of a time and a constant interval a later time: `seen + interval '5 minutes'`.",
    examples: [
      { sql: '1 + 2', value: 3 },
      { sql: '9223372036854775807 + 1', value: null },
    ],
    ofLongs: (left, right) => left + right,
    ofDoubles: (left, right) => left + right,
  },
  {
    name: '-',
    summary: 'The difference, or the opposite; of a time and a constant interval an earlier time.',
    examples: [
      { sql: '1 - 2.5', value: -1.5 },
      { sql: '-(1 + 2)', value: -3 },
    ],
    ofLongs: (left, right) => left - right,
    ofDoubles: (left, right) => left - right,
  },
  {
    name: '*',
    summary: 'The product.',
    examples: [{ sql: '1e200 * 1e200', value: null }],
    ofLongs: (left, right) => left * right,
    ofDoubles: (left, right) => left * right,
  },
];

function ofTwo({ name, summary, examples, ofLongs, ofDoubles }: Operator): Form {
  const isSign = name !== '*';
  return {
    name,
    calls: [name],
    summary,
    examples,
    resolve: (args) =>
      isSign && args.length === 1 && !isAboutTime(args) ? numeric(name, args) : twoNumbers(name, args),
    evaluator(args, notes) {
      const isLong = args[0]!.type === 'long';
      if (args.length === 1)
        return strict(([value]) => (isLong ? longOr(notes, ofLongs(0n, value)) : name === '-' ? -value : value));
      return isLong
        ? strict(([left, right]) => longOr(notes, ofLongs(left, right)))
        : strict(([left, right]) => doubleOr(notes, ofDoubles(left, right)));
    },
    sql(args, [first]) {
      const written = args.length === 1 ? `(${name}${args[0]})` : `(${args.join(` ${name} `)})`;
      if (first!.type === 'long') return `TRY(${written})`;
      return args.length === 1 ? written : finiteSql(written);
    },
  };
}

/** What is divided by 0 is not known, and that is no loss. */
function quotient(notes: Notes): Evaluate {
  return strict(([left, right]) => (right === 0 ? null : doubleOr(notes, left / right)));
}

const divide: Form = {
  name: '/',
  calls: ['/'],
  summary: 'The quotient, with its fraction; NULL for a division by 0.',
  examples: [
    { sql: '1 / 2', value: 0.5 },
    { sql: '1 / 0', value: null },
  ],
  resolve: (args) => twoNumbers('/', args, 'double'),
  evaluator: (_, notes) => quotient(notes),
  sql: (args) => finiteSql(`(${args.join(' / ')})`),
};

const divideWhole: Form = {
  name: '//',
  calls: ['//'],
  summary: 'The quotient of whole numbers without its fraction; NULL for a division by 0.',
  examples: [
    { sql: '7 // 2', value: 3 },
    { sql: '-7 // 2', value: -3 },
  ],
  resolve(args) {
    const resolved = twoNumbers('//', args);
    if ('message' in resolved || resolved.type === 'long') return resolved;
    return { message: '// needs whole numbers', hint: 'write trunc(… / …)' };
  },
  evaluator: (_, notes) =>
    strict(([left, right]: readonly bigint[]) => {
      if (right === 0n) return null;
      if (isMutant('expression.floor_division') && left! < 0n !== right! < 0n && left! % right! !== 0n)
        return left! / right! - 1n;
      return longOr(notes, left! / right!);
    }),
  sql: (args) => `TRY(${args.join(' // ')})`,
};

const remainder: Form = {
  name: '%',
  calls: ['%', 'mod'],
  summary: 'The remainder of a division, with the sign of the first; NULL for a division by 0.',
  examples: [
    { sql: '-7 % 2', value: -1 },
    { sql: 'mod(7.5, 2)', value: 1.5 },
  ],
  resolve: (args, called) => twoNumbers(called, args),
  evaluator([left], notes) {
    if (left!.type === 'double') return strict(([a, b]) => (b === 0 ? null : a % b));
    return strict(([a, b]) => {
      if (b === 0n) return null;
      // DuckDB divides for it, and that is beyond 64 bits.
      return b === -1n && a === -(2n ** 63n) ? notes.lost() : a % b;
    });
  },
  sql: (args, [left]) => {
    const written = `(${args.join(' % ')})`;
    return left!.type === 'long' ? `TRY(${written})` : finiteSql(written);
  },
};

export const arithmetic: readonly Form[] = [...OPERATORS.map(ofTwo), divide, divideWhole, remainder];
