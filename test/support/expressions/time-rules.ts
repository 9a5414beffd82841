import fc from 'fast-check';
import { type GeneratedType, type Rule, joined, rule } from './grammar.ts';

const STARTS =
  'microsecond millisecond second minute hour day week month quarter year decade century millennium weeks Days centuries'.split(
    ' ',
  );
const PARTS =
  'microsecond millisecond second minute hour day dayofmonth dayofweek weekday dow isodow dayofyear doy week weekofyear isoyear yearweek month quarter year decade century millennium years'.split(
    ' ',
  );
const FUNCTIONS =
  'microsecond millisecond second minute hour day dayofmonth dayofweek weekday isodow dayofyear week weekofyear isoyear yearweek month quarter year decade century millennium'.split(
    ' ',
  );

/** Of a time and one of some words. */
function ofWord(
  form: string,
  type: GeneratedType,
  words: readonly string[],
  text: (word: string, time: string) => string,
  sql = text,
): Rule {
  return {
    form,
    type,
    make: (of) =>
      fc.constantFrom(...words).chain((word) =>
        joined(
          [of('time')],
          (time) => text(word, time),
          (time) => sql(word, time),
        ),
      ),
  };
}

const INTERVALS = [
  "interval '5 minutes'",
  "interval '-90s'",
  "interval '1 day 2 hours'",
  "interval '01:30:00'",
  "interval '1.5 hours'",
  "interval '250 ms'",
  'interval 3 hour',
  "interval '7' day",
  'to_seconds(90)',
  'to_seconds(1.5)',
  'to_weeks(2)',
  'to_milliseconds(1)',
];

export const TIME_RULES: readonly Rule[] = [
  ofWord(
    'date_trunc',
    'time',
    STARTS,
    (unit, time) => `date_trunc('${unit}', ${time})`,
    // Of NULL, compared with a constant, DuckDB 1.5 would say true or false.
    (unit, time) => `TRY(date_trunc('${unit}', ${time}))`,
  ),
  ofWord('date_part', 'long', PARTS, (unit, time) => `date_part('${unit}', ${time})`),
  ofWord('date_part', 'long', FUNCTIONS, (called, time) => `${called}(${time})`),
  rule('date_part', 'double', ['time'], (time) => `extract(epoch from ${time})`),
  ofWord('dayname', 'text', ['dayname'], (called, time) => `${called}(${time})`),
  ofWord('monthname', 'text', ['monthname'], (called, time) => `${called}(${time})`),
  rule('epoch', 'double', ['time'], (time) => `epoch(${time})`),
  rule('epoch_ms', 'long', ['time'], (time) => `epoch_ms(${time})`),
  rule(
    'epoch_ms',
    'time',
    ['long'],
    (ms) => `epoch_ms(coalesce(${ms}, 7))`,
    (ms) =>
      `CASE WHEN coalesce(${ms}, 7) BETWEEN -8640000000000000 AND 8640000000000000 THEN make_timestamptz(coalesce(${ms}, 7) * 1000) END`,
  ),
  rule('epoch_us', 'long', ['time'], (time) => `epoch_us(${time})`),
  rule(
    'epoch_ns',
    'long',
    ['time'],
    (time) => `epoch_ns(${time})`,
    (time) => `TRY(epoch_ns(${time}))`,
  ),
  rule(
    'to_timestamp',
    'time',
    ['double'],
    (seconds) => `to_timestamp(${seconds})`,
    (seconds) =>
      `CASE WHEN ${seconds} BETWEEN -8.64e12 AND 8.64e12 THEN date_trunc('ms', to_timestamp(${seconds})) END`,
  ),
  rule(
    'timezone',
    'time',
    ['time'],
    (time) => `((${time}) at time zone 'UTC')`,
    (time) => time,
  ),
  ofWord(
    'time_plus',
    'time',
    INTERVALS,
    (interval, time) => `(${time} + ${interval})`,
    (interval, time) => `TRY(${time} + ${interval})`,
  ),
  ofWord(
    'time_plus',
    'time',
    INTERVALS,
    (interval, time) => `(${time} - ${interval})`,
    (interval, time) => `TRY(${time} - ${interval})`,
  ),
];
