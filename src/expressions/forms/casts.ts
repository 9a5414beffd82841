import {
  type Evaluate,
  type Form,
  type FormProblem,
  type Notes,
  type Resolved,
  TYPE_WORDS,
  as,
  fixed,
  strict,
} from '../form.ts';
import { cutText } from '../../lib/text.ts';
import type { Tree, Value, ValueType } from '../tree.ts';
import { doubleOr, finiteSql } from './arithmetic.ts';
import {
  TIME_PATTERN,
  booleanOfText,
  doubleOfText,
  longOfText,
  textOfDouble,
  textOfTime,
  timeOfText,
} from './cast-text.ts';

/** A whole number where a number is needed: never written by people, and nearest even where it is beyond 2^53. */
export const toDouble: Form = {
  name: 'to_double',
  calls: [],
  summary: 'A whole number as a number.',
  examples: [],
  resolve: fixed('to_double', ['long'], 'double'),
  evaluator: () => strict(([value]) => Number(value as bigint)),
  sql: ([value]) => `CAST(${value} AS DOUBLE)`,
};

/** By DuckDB's name; whole numbers with their bits, and whether they have a sign. */
const LONGS: Readonly<Record<string, readonly [least: bigint, most: bigint]>> = {
  TINYINT: [-(2n ** 7n), 2n ** 7n - 1n],
  SMALLINT: [-(2n ** 15n), 2n ** 15n - 1n],
  INTEGER: [-(2n ** 31n), 2n ** 31n - 1n],
  BIGINT: [-(2n ** 63n), 2n ** 63n - 1n],
  UTINYINT: [0n, 2n ** 8n - 1n],
  USMALLINT: [0n, 2n ** 16n - 1n],
  UINTEGER: [0n, 2n ** 32n - 1n],
};

const TYPES: ReadonlyMap<string, Exclude<ValueType, 'null'>> = new Map([
  ['BOOLEAN', 'boolean'],
  ...Object.keys(LONGS).map((name) => [name, 'long'] as const),
  ['DOUBLE', 'double'],
  ['VARCHAR', 'text'],
  ['TIMESTAMP', 'time'],
  ['TIMESTAMP WITH TIME ZONE', 'time'],
]);

/** What to write for a type that expressions do not have. */
const OTHERS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    FLOAT: 'write double',
    DECIMAL: 'write double, and round(…, 2) for its places',
    DATE: "write date_trunc('day', …)",
    TIME: "write date_part('hour', …) and the like",
    INTERVAL: "an interval is added to a time: … + interval '5 minutes'",
    HUGEINT: 'write bigint or double',
    UHUGEINT: 'write bigint or double',
    UBIGINT: 'write bigint or double',
  }),
);

/** Where one of the types has no meaning in the other. */
function problemOf(from: ValueType, to: ValueType): FormProblem | undefined {
  if (from === to || from === 'null' || from === 'text' || to === 'text') return undefined;
  if (from === 'time') return { message: `a time is not ${TYPE_WORDS[to]}`, hint: 'write epoch_ms(…)', arg: 0 };
  if (to !== 'time') return undefined;
  const hint = from === 'boolean' ? {} : { hint: 'write epoch_ms(…) of milliseconds, to_timestamp(…) of seconds' };
  return { message: `${TYPE_WORDS[from]} is not a time`, ...hint, arg: 0 };
}

function resolveCast(value: Tree, type: Tree): Resolved | FormProblem {
  const name = nameOf(type);
  const to = TYPES.get(name);
  if (to === undefined) {
    const hint = OTHERS.get(name) ?? 'write boolean, bigint, double, varchar or timestamptz';
    return { message: `expressions do not have the type ${cutText(name.toLowerCase())}`, hint };
  }
  const args = [value.type === 'null' ? as(to, value)! : value, type];
  return problemOf(value.type, to) ?? { type: to, args };
}

function nameOf(type: Tree): string {
  return type.kind === 'constant' ? String(type.value) : '';
}

/** The value as DuckDB casts it; undefined where it cannot be. */
type Cast = (value: never) => Value | undefined;

const CASTS: Readonly<Record<Exclude<ValueType, 'null'>, Partial<Record<ValueType, Cast>>>> = {
  boolean: {
    long: (value: bigint) => value !== 0n,
    double: (value: number) => value !== 0,
    text: booleanOfText,
  },
  long: {
    boolean: (value: boolean) => (value ? 1n : 0n),
    double: (value: number) => BigInt(halfEven(value)),
    text: longOfText,
  },
  double: {
    boolean: Number,
    long: Number,
    text: doubleOfText,
  },
  text: { boolean: String, long: String, double: textOfDouble, time: textOfTime },
  time: { text: timeOfText },
};

/** The nearest whole number, of two the even one. */
export function halfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

function evaluatorOf(from: ValueType, type: Tree, notes: Notes): Evaluate {
  const name = nameOf(type);
  const to = TYPES.get(name)!;
  const castTo = CASTS[to][from] as ((value: unknown) => Value | undefined) | undefined;
  const range = LONGS[name];
  return strict(([value]) => {
    const result = castTo === undefined ? (value as Value) : castTo(value);
    if (result === undefined) return notes.lost();
    if (typeof result === 'bigint') return range![0] <= result && result <= range![1] ? result : notes.lost();
    return typeof result === 'number' ? doubleOr(notes, result) : result;
  });
}

/** `cast` and `try_cast` alike. The last argument is DuckDB's name of the type. */
export const cast: Form = {
  name: 'cast',
  calls: ['cast'],
  summary:
    'The same as another type; NULL where it cannot be. Numbers are rounded to whole ones, halves to the even one of two, in texts away from 0. `timestamp` is `timestamptz`: without an offset a text is of UTC; it is read as `2026-01-31`, or with `10:00`, `10:00:00`, `10:00:00.5` and then `Z`, ` UTC`, `+02`, `+0200` or `+02:00` behind it.',
  examples: [
    { sql: "cast('true' as boolean)", value: true },
    { sql: "try_cast('12.5' as bigint)", value: 13 },
    { sql: 'cast(2.5e0 as bigint)', value: 2 },
    { sql: "coalesce(null, 'x')::bigint", value: null },
    { sql: 'cast(1.0 as varchar)', value: '1.0' },
    { sql: "timestamptz '2026-01-31 10:00:00+02'::varchar", value: '2026-01-31 08:00:00+00' },
  ],
  resolve: ([value, type]) => resolveCast(value!, type!),
  evaluator: ([value, type], notes) => evaluatorOf(value!.type, type!, notes),
  sql([value], [from, type]) {
    const name = nameOf(type!);
    const to = TYPES.get(name)!;
    if (to === from!.type && name !== 'BIGINT' && to !== 'long') return value!;
    if (to === 'time') {
      const text = `regexp_extract(${value}, '${TIME_PATTERN}')`;
      return `date_trunc('millisecond', TRY_CAST(${text} AS TIMESTAMP WITH TIME ZONE))`;
    }
    if (to === 'double') return finiteSql(`TRY_CAST(${value} AS DOUBLE)`);
    // Without the '', DuckDB 1.5 compares it as a time with what may not be one.
    if (from!.type === 'time') return `(CAST(${value} AS VARCHAR) || '')`;
    if (to !== 'long') return `TRY_CAST(${value} AS ${name})`;
    const long = from!.type === 'long' ? value! : `TRY_CAST(${value} AS BIGINT)`;
    if (name === 'BIGINT') return long;
    // DuckDB 1.5 loses sight of a TRY_CAST between whole numbers where it is compared with NULL by IS NOT DISTINCT FROM.
    const [least, most] = LONGS[name]!;
    return `list_transform([${long}], lambda ".x": CASE WHEN ".x" BETWEEN ${least} AND ${most} THEN ".x" END)[1]`;
  },
};
