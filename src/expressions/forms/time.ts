import { type Form, type FormProblem, type Resolved, as, fixed, needs, strict } from '../form.ts';
import { type Tree, type Value, constant } from '../tree.ts';
import { PARTS, STARTS, dayName, monthName } from './calendar.ts';
import { halfEven } from './casts.ts';

/** Beyond them there is no calendar, in either direction: the years −271,821 to 275,760. */
const TIME_MS_MAX = 8.64e15;

/** A constant unit of some, in its own form, and a time. */
function ofUnit(name: string, units: readonly string[], args: readonly Tree[]): readonly Tree[] | FormProblem {
  const [unit, time] = args;
  if (args.length !== 2) return { message: `${name} takes 2 arguments, not ${args.length}` };
  const written = unit!.kind === 'constant' && unit!.type === 'text' ? String(unit!.value).toLowerCase() : '';
  const known = units.find((one) => written === one || written === pluralOf(one));
  if (known === undefined)
    return { message: `${name} needs a constant unit`, hint: `write one of ${units.join(', ')}`, arg: 0 };
  const typed = as('time', time!);
  return typed === undefined ? { ...needs(name, 'time', time!), arg: 1 } : [constant('text', known), typed];
}

function pluralOf(unit: string): string {
  return unit === 'century' ? 'centuries' : unit === 'millennium' ? 'millennia' : `${unit}s`;
}

function unitOf(tree: Tree | undefined): string {
  return tree?.kind === 'constant' ? String(tree.value) : '';
}

const dateTrunc: Form = {
  name: 'date_trunc',
  calls: ['date_trunc', 'datetrunc'],
  summary: `The start of the unit that a time is in, in UTC: ${[...STARTS.keys()].join(', ')}. Weeks begin on Monday.`,
  examples: [
    { sql: "cast(date_trunc('hour', timestamptz '2026-01-31 10:20:30') as varchar)", value: '2026-01-31 10:00:00+00' },
  ],
  resolve(args) {
    const typed = ofUnit('date_trunc', [...STARTS.keys()], args);
    return 'message' in typed ? typed : { type: 'time', args: typed };
  },
  evaluator([unit]) {
    const start = STARTS.get(unitOf(unit))!;
    return strict(([, timeMs]) => start(timeMs));
  },
  // DuckDB 1.5 compares it with a constant as if it were never NULL; not what is within TRY.
  sql: ([unit, time]) => `TRY(date_trunc(${unit}, ${time}))`,
};

const PART_UNITS: readonly string[] = [...PARTS.keys(), 'epoch'];
/** Functions of their own in DuckDB. */
const PART_CALLS = PART_UNITS.filter((unit) => !['dow', 'doy', 'epoch'].includes(unit));

const datePart: Form = {
  name: 'date_part',
  calls: ['date_part', 'datepart', ...PART_CALLS],
  summary: `A part of a time in UTC, as \`extract(hour from …)\` or \`hour(…)\` too: ${PART_UNITS.join(', ')}. Seconds are within the minute, and so are milliseconds; weeks are those of ISO 8601, Sunday is day 0, and of \`isodow\` 7.`,
  examples: [
    { sql: "date_part('hour', timestamptz '2026-01-31 10:20:30')", value: 10 },
    { sql: "extract(isodow from timestamptz '2026-01-31 10:20:30')", value: 6 },
    { sql: "year(timestamptz '2026-01-31 10:20:30')", value: 2026 },
  ],
  resolve(args, called) {
    const isOwn = PART_CALLS.includes(called);
    if (isOwn && args.length !== 1) return { message: `${called} takes 1 argument, not ${args.length}` };
    const typed = ofUnit(called, PART_UNITS, isOwn ? [constant('text', called), ...args] : args);
    if ('message' in typed) return isOwn ? { ...typed, arg: 0 } : typed;
    return { type: unitOf(typed[0]) === 'epoch' ? 'double' : 'long', args: typed };
  },
  evaluator([unit]) {
    const part = PARTS.get(unitOf(unit));
    return strict(([, timeMs]): Value => (part === undefined ? timeMs / 1000 : BigInt(part(timeMs))));
  },
  sql: ([unit, time]) => `date_part(${unit}, ${time})`,
};

function name(called: string, what: string, evaluate: (timeMs: number) => string, value: string): Form {
  return {
    name: called,
    calls: [called],
    summary: `The English name of the ${what}, in UTC.`,
    examples: [{ sql: `${called}(timestamptz '2026-01-31 10:20:30')`, value }],
    resolve: fixed(called, ['time'], 'text'),
    evaluator: () => strict(([timeMs]) => evaluate(timeMs)),
    sql: ([time]) => `${called}(${time})`,
  };
}

const epoch: Form = {
  name: 'epoch',
  calls: ['epoch'],
  summary: 'The seconds since 1970, with their fraction.',
  examples: [{ sql: "epoch(timestamptz '1970-01-01 00:00:01.5')", value: 1.5 }],
  resolve: fixed('epoch', ['time'], 'double'),
  evaluator: () => strict(([timeMs]) => timeMs / 1000),
  sql: ([time]) => `epoch(${time})`,
};

/** SQL for what an argument within bounds is a time of; NULL beyond them. */
function boundedSql(value: string, most: string, time: string): string {
  return `list_transform([${value}], lambda ".x": CASE WHEN ".x" BETWEEN -${most} AND ${most} THEN ${time} END)[1]`;
}

const epochMs: Form = {
  name: 'epoch_ms',
  calls: ['epoch_ms'],
  summary: 'The milliseconds since 1970; or the time of so many.',
  examples: [
    { sql: "epoch_ms(timestamptz '1970-01-01 00:00:01.5')", value: 1500 },
    { sql: 'cast(epoch_ms(1500) as timestamptz)::varchar', value: '1970-01-01 00:00:01.5+00' },
  ],
  resolve: (args) =>
    args[0]?.type === 'long' ? fixed('epoch_ms', ['long'], 'time')(args) : fixed('epoch_ms', ['time'], 'long')(args),
  evaluator([of], notes) {
    if (of!.type === 'time') return strict(([timeMs]) => BigInt(timeMs));
    return strict(([ms]) => (Math.abs(Number(ms)) <= TIME_MS_MAX ? Number(ms) : notes.lost()));
  },
  sql: ([value], [of]) =>
    of!.type === 'time'
      ? `epoch_ms(${value})`
      : boundedSql(value!, '8640000000000000', 'make_timestamptz(".x" * 1000)'),
};

function epochOf(called: 'epoch_us' | 'epoch_ns', what: string, factor: bigint): Form {
  return {
    name: called,
    calls: [called],
    summary: `The ${what} since 1970.`,
    examples: [{ sql: `${called}(timestamptz '1970-01-01 00:00:01')`, value: Number(factor) * 1000 }],
    resolve: fixed(called, ['time'], 'long'),
    evaluator: (_, notes) =>
      strict(([timeMs]) => {
        const value = BigInt(timeMs) * factor;
        return BigInt.asIntN(64, value) === value ? value : notes.lost();
      }),
    sql: ([time]) => `TRY(${called}(${time}))`,
  };
}

/** Exact where the quotient as a double would be rounded up to the next whole one. */
function msOfMicros(micros: number): number {
  const rest = micros % 1000;
  return Math.round((micros - rest) / 1000) - (rest < 0 ? 1 : 0);
}

const toTimestamp: Form = {
  name: 'to_timestamp',
  calls: ['to_timestamp'],
  summary: 'The time so many seconds after 1970, in whole milliseconds.',
  examples: [{ sql: 'to_timestamp(1.5)::varchar', value: '1970-01-01 00:00:01.5+00' }],
  resolve: fixed('to_timestamp', ['double'], 'time'),
  evaluator: (_, notes) =>
    strict(([seconds]) =>
      Math.abs(seconds) <= TIME_MS_MAX / 1000 ? msOfMicros(halfEven(seconds * 1e6)) : notes.lost(),
    ),
  sql: ([value]) => boundedSql(value!, '8.64e12', `date_trunc('millisecond', to_timestamp(".x"))`),
};

/** A time and an interval (intervals.ts), which is a constant of milliseconds here. */
export const timePlus: Form = {
  name: 'time_plus',
  calls: [],
  summary: 'A time that is later by a constant interval.',
  examples: [],
  resolve([time, ms]): Resolved | FormProblem {
    const typed = as('time', time!);
    if (typed !== undefined) return { type: 'time', args: [typed, ms!] };
    return { ...needs('an interval', 'time', time!), arg: 0 };
  },
  evaluator: (_, notes) =>
    strict(([timeMs, ms]) => {
      const later = timeMs + Number(ms);
      return Math.abs(later) <= TIME_MS_MAX ? later : notes.lost();
    }),
  sql: ([time, ms]) => `TRY(${time} + to_microseconds(${ms} * 1000))`,
};

const timezone: Form = {
  name: 'timezone',
  calls: ['timezone'],
  summary: "The same time: `at time zone 'UTC'`. All times are in UTC.",
  examples: [{ sql: "epoch_ms(timestamptz '1970-01-01 00:00:01' at time zone 'UTC')", value: 1000 }],
  resolve([zone, time, ...others]) {
    const typed = time === undefined || others.length > 0 ? undefined : as('time', time);
    if (typed !== undefined && unitOf(zone).toUpperCase() === 'UTC') return { type: 'time', args: [typed] };
    return { message: 'expressions know only the time zone UTC', hint: "write … at time zone 'UTC'" };
  },
  evaluator: () => strict(([timeMs]) => timeMs),
  sql: ([time]) => time!,
};

export const timeForms: readonly Form[] = [
  dateTrunc,
  datePart,
  name('dayname', 'day of the week', dayName, 'Saturday'),
  name('monthname', 'month', monthName, 'January'),
  epoch,
  epochMs,
  epochOf('epoch_us', 'microseconds', 1000n),
  epochOf('epoch_ns', 'nanoseconds', 1_000_000n),
  toTimestamp,
  timezone,
  timePlus,
];
