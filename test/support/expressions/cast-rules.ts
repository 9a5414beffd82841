import { type GeneratedType, type Rule, SQL_TYPES, rule } from './grammar.ts';

/** A constant that cannot be cast would be refused. */
const notConstant = (value: string): string => `coalesce(null, ${value})`;

function casts(from: GeneratedType, to: GeneratedType, type: string, sql: (value: string) => string): Rule[] {
  return [
    rule('cast', to, [from], (a) => `try_cast(${notConstant(a)} as ${type})`, sql),
    rule('cast', to, [from], (a) => `(${notConstant(a)})::${type}`, sql),
  ];
}

const plain = (from: GeneratedType, to: GeneratedType): Rule[] =>
  casts(from, to, SQL_TYPES[to], (a) => `TRY_CAST(${a} AS ${SQL_TYPES[to]})`);

const RANGES: Readonly<Record<string, string>> = {
  tinyint: '-128 AND 127',
  smallint: '-32768 AND 32767',
  int: '-2147483648 AND 2147483647',
  utinyint: '0 AND 255',
  usmallint: '0 AND 65535',
  uinteger: '0 AND 4294967295',
};

/** Whole numbers of fewer bits: rounded first, and then within them or not. */
const small = (from: GeneratedType, type: string): Rule[] =>
  casts(from, 'long', type, (a) => {
    const long = `TRY_CAST(${a} AS BIGINT)`;
    return `CASE WHEN ${long} BETWEEN ${RANGES[type]} THEN ${long} END`;
  });

const DAY = '\\d{4}-\\d\\d-\\d\\d';
const CLOCK = '([01]\\d|2[0-3]):[0-5]\\d';
const ZONE = '(Z| UTC|[+-]([01]\\d|2[0-3])(:?[0-5]\\d)?)';
const ISO = `${DAY}([ T]${CLOCK}(:[0-5]\\d(\\.\\d{1,9})?${ZONE}?)?)?`;

export const CAST_RULES: readonly Rule[] = [
  ...plain('boolean', 'boolean'),
  ...plain('long', 'boolean'),
  ...plain('double', 'boolean'),
  ...plain('text', 'boolean'),
  ...plain('boolean', 'long'),
  ...plain('long', 'long'),
  ...plain('double', 'long'),
  ...plain('text', 'long'),
  ...['tinyint', 'int', 'usmallint'].flatMap((type) => [...small('double', type), ...small('text', type)]),
  ...Object.keys(RANGES).flatMap((type) => small('long', type)),
  ...plain('boolean', 'double'),
  ...plain('long', 'double'),
  ...casts('text', 'double', 'double', (a) => `finite(TRY_CAST(${a} AS DOUBLE))`),
  ...plain('boolean', 'text'),
  ...plain('long', 'text'),
  ...casts('double', 'text', 'varchar', (a) => `CAST(${a} AS VARCHAR)`),
  // DuckDB 1.5 would compare it as a time with what may be none.
  ...casts('time', 'text', 'varchar', (a) => `(CAST(${a} AS VARCHAR) || '')`),
  ...plain('text', 'text'),
  ...plain('time', 'time'),
  ...casts(
    'text',
    'time',
    'timestamp',
    (a) => `CASE WHEN regexp_full_match(${a}, '${ISO}') THEN date_trunc('ms', TRY_CAST(${a} AS TIMESTAMPTZ)) END`,
  ),
];
