import { type Form, type FormProblem, type Resolved, fixed, strict } from '../form.ts';
import type { Tree } from '../tree.ts';
import { doubleOr, finiteSql, longOr, numeric } from './arithmetic.ts';

function oneNumber(name: string, args: readonly Tree[]): Resolved | FormProblem {
  return args.length === 1 ? numeric(name, args) : { message: `${name} takes 1 argument, not ${args.length}` };
}

const abs: Form = {
  name: 'abs',
  calls: ['abs', '@'],
  summary: 'The number without its sign.',
  examples: [
    { sql: 'abs(-5)', value: 5 },
    { sql: 'abs(-1.5)', value: 1.5 },
  ],
  resolve: (args) => oneNumber('abs', args),
  evaluator: ([value], notes) =>
    value!.type === 'double' ? strict(([x]) => Math.abs(x)) : strict(([x]) => longOr(notes, x < 0n ? -x : x)),
  sql: ([value]) => `TRY(abs(${value}))`,
};

const sign: Form = {
  name: 'sign',
  calls: ['sign'],
  summary: '-1, 0 or 1.',
  examples: [
    { sql: 'sign(-5)', value: -1 },
    { sql: 'sign(0.5)', value: 1 },
  ],
  resolve(args) {
    const resolved = oneNumber('sign', args);
    return 'message' in resolved ? resolved : { ...resolved, type: 'long' };
  },
  evaluator: () => strict(([x]) => (x > 0 ? 1n : x < 0 ? -1n : 0n)),
  sql: ([value]) => `CAST(sign(${value}) AS BIGINT)`,
};

/** The nearest whole number, of two the one that is further from 0. */
function halfAway(value: number): number {
  return value < 0 ? -Math.round(-value) : Math.round(value);
}

function roundDouble(value: number, places: number): number {
  const factor = Number(`1e${Math.abs(places)}`);
  if (places < 0) {
    const rounded = halfAway(value / factor) * factor;
    return Number.isFinite(rounded) ? rounded : 0;
  }
  const rounded = halfAway(value * factor) / factor;
  return Number.isFinite(rounded) ? rounded : value;
}

function roundLong(value: bigint, places: number): bigint {
  if (places >= 0) return value;
  const unit = 10n ** BigInt(Math.min(-places, 30));
  const half = value < 0n ? -(unit / 2n) : unit / 2n;
  return ((value + half) / unit) * unit;
}

/** More places than any number has. */
const PLACES_MAX = 400;

const round: Form = {
  name: 'round',
  calls: ['round'],
  summary: 'The nearest number with so many decimal places, or none; halves away from 0.',
  examples: [
    { sql: 'round(2.5)', value: 3 },
    { sql: 'round(1.234, 2)', value: 1.23 },
    { sql: 'round(1250, -2)', value: 1300 },
  ],
  resolve([number, places, ...others]) {
    if (number === undefined || others.length > 0) return { message: 'round takes 1 to 2 arguments' };
    const resolved = oneNumber('round', [number]);
    if ('message' in resolved || places === undefined) return resolved;
    const isWhole = places.kind === 'constant' && places.type === 'long' && places.value !== null;
    if (isWhole && Math.abs(Number(places.value)) <= PLACES_MAX)
      return { type: resolved.type, args: [...resolved.args, places] };
    return { message: 'round needs a constant number of places', hint: 'write round(…, 2)', arg: 1 };
  },
  evaluator([number, digits], notes) {
    const places = digits?.kind === 'constant' ? Number(digits.value) : 0;
    return number!.type === 'long'
      ? strict(([x]) => longOr(notes, roundLong(x, places)))
      : strict(([x]) => roundDouble(x, places));
  },
  sql: ([value, digits], [number, places]) => {
    if (places?.kind !== 'constant') return `round(${value})`;
    const to = `CAST(${digits} AS INTEGER)`;
    // DuckDB's own of 64 bits begins anew at the other end.
    return number!.type === 'double'
      ? `round(${value}, ${to})`
      : `TRY_CAST(round(CAST(${value} AS HUGEINT), ${to}) AS BIGINT)`;
  },
};

const trunc: Form = {
  name: 'trunc',
  calls: ['trunc'],
  summary: 'The number without its fraction.',
  examples: [{ sql: 'trunc(-2.5)', value: -2 }],
  resolve: (args) => oneNumber('trunc', args),
  evaluator: ([value]) => (value!.type === 'double' ? strict(([x]) => Math.trunc(x)) : strict(([x]) => x)),
  sql: ([value]) => `trunc(${value})`,
};

/** A function of numbers with a fraction. What DuckDB refuses gives NaN or an infinite number. */
function ofDoubles(
  name: string,
  calls: readonly string[],
  summary: string,
  example: Form['examples'][number],
  evaluate: (...args: number[]) => number,
  sql: (args: readonly string[]) => string = (args) => `TRY(${name}(${args.join(', ')}))`,
): Form {
  return {
    name,
    calls,
    summary,
    examples: [example],
    resolve: fixed(
      name,
      Array.from({ length: evaluate.length }, () => 'double' as const),
      'double',
    ),
    evaluator: (_, notes) => strict((args) => doubleOr(notes, evaluate(...args))),
    sql,
  };
}

const LAST_DIGIT = 'The last digit may be another than DuckDB’s.';

const log: Form = {
  name: 'log',
  calls: ['log', 'log10'],
  summary: `The logarithm to the base of 10, or to that of the first of two arguments. ${LAST_DIGIT}`,
  examples: [
    { sql: 'log10(1000)', value: 3 },
    { sql: 'log(2, 8)', value: 3 },
  ],
  resolve: (args, called) =>
    fixed(called, args.length === 2 && called === 'log' ? ['double', 'double'] : ['double'], 'double')(args),
  evaluator: (args, notes) =>
    strict(([first, second]) => {
      if (args.length === 1) return doubleOr(notes, Math.log10(first));
      // DuckDB refuses bases and numbers that have no logarithm, and the base of 1.
      return first <= 0 || second <= 0 ? notes.lost() : doubleOr(notes, Math.log10(second) / Math.log10(first));
    }),
  sql: (args) => `TRY(log(${args.join(', ')}))`,
};

export const math: readonly Form[] = [
  abs,
  sign,
  round,
  trunc,
  ofDoubles('floor', ['floor'], 'The greatest whole number that is not more.', { sql: 'floor(-2.5)', value: -3 }, (x) =>
    Math.floor(x),
  ),
  ofDoubles(
    'ceil',
    ['ceil', 'ceiling'],
    'The least whole number that is not less.',
    { sql: 'ceil(2.1)', value: 3 },
    (x) => Math.ceil(x),
  ),
  ofDoubles('sqrt', ['sqrt'], 'The square root; NULL below 0.', { sql: 'sqrt(9)', value: 3 }, (x) => Math.sqrt(x)),
  ofDoubles('ln', ['ln'], `The natural logarithm. ${LAST_DIGIT}`, { sql: 'ln(1)', value: 0 }, (x) => Math.log(x)),
  log,
  ofDoubles('log2', ['log2'], `The logarithm to the base of 2. ${LAST_DIGIT}`, { sql: 'log2(8)', value: 3 }, (x) =>
    Math.log2(x),
  ),
  ofDoubles(
    'exp',
    ['exp'],
    `e to that power. ${LAST_DIGIT}`,
    { sql: 'exp(0)', value: 1 },
    (x) => Math.exp(x),
    ([x]) => finiteSql(`exp(${x})`),
  ),
  ofDoubles(
    'pow',
    ['pow', 'power', '^', '**'],
    `The first to the power of the second. ${LAST_DIGIT}`,
    { sql: '2 ** 10', value: 1024 },
    (x, y) => x ** y,
    (args) => finiteSql(`pow(${args.join(', ')})`),
  ),
];
