// What random expressions are made of. A rule gives an expression twice: as users write it, and as DuckDB's SQL with Tailrace's one rule of its own
// (what DuckDB refuses, and every double that is not finite, is NULL) written out by hand. The second shares no code with src.
import fc from 'fast-check';
import type { ValueType } from '../../../src/expressions/tree.ts';

export interface Pair {
  readonly text: string;
  readonly sql: string;
}

export type Of = (type: GeneratedType) => fc.Arbitrary<Pair>;
export type GeneratedType = Exclude<ValueType, 'null'>;

export interface Rule {
  /** The form of src/expressions/forms.ts that it makes. */
  readonly form: string;
  readonly type: GeneratedType;
  /** `of` gives expressions of a type that are less deep. */
  readonly make: (of: Of) => fc.Arbitrary<Pair>;
}

/** Fields of the generated rows: what users call them, and their type. DuckDB's column has the same name. */
export const FIELDS = {
  'log.flag': 'boolean',
  flag: 'boolean',
  'http.status': 'long',
  size: 'long',
  'event.ratio': 'double',
  x: 'double',
  'url.path': 'text',
  word: 'text',
  '@timestamp': 'time',
  seen: 'time',
} as const satisfies Record<string, GeneratedType>;

/** Any of the pairs of some arguments, put together. */
export function joined(
  args: readonly fc.Arbitrary<Pair>[],
  text: (...args: string[]) => string,
  sql: (...args: string[]) => string = text,
): fc.Arbitrary<Pair> {
  return fc.tuple(...args).map((pairs) => ({
    text: text(...pairs.map((pair) => pair.text)),
    sql: sql(...pairs.map((pair) => pair.sql)),
  }));
}

/** A function or an operator of one result type for each of the types of its arguments. */
export function rule(
  form: string,
  type: GeneratedType,
  args: readonly GeneratedType[],
  text: (...args: string[]) => string,
  sql?: (...args: string[]) => string,
): Rule {
  return {
    form,
    type,
    make: (of) =>
      joined(
        args.map((arg) => of(arg)),
        text,
        sql,
      ),
  };
}

export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Texts that show what is wrong with code that reads them: ASCII, Latin, Greek, letters whose cases differ in length, beyond the first plane. */
export const TEXTS: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom('', 'a', 'A', 'ab', 'abc', '/', '/index.html', '/health/live', '/api/v1/items?id=7', 'GET', 'get'),
  fc.constantFrom(
    '42',
    '-7',
    '1.5',
    '1e3',
    ' 12 ',
    'true',
    'f',
    'null',
    'NaN',
    'inf',
    '2024-02-29 12:00:00',
    '%',
    '_',
    '100%',
  ),
  fc.constantFrom(
    'é',
    'É',
    'ß',
    'İ',
    'ı',
    'Σ',
    'ς',
    'ſ',
    'ﬁ',
    '日本',
    '😀',
    'a😀b',
    'e\u0301',
    '\u{1F468}\u200D\u{1F469}',
    'ÀB',
    '\t',
    "it's",
    '"',
    '\\',
  ),
  fc.string({ maxLength: 8 }).map((text) => text.replaceAll('\0', '')),
  fc.string({ unit: fc.constantFrom('a', 'B', '/', '.', '-', '1', 'é', 'Z', ' '), maxLength: 10 }),
);

export const LONGS: fc.Arbitrary<bigint> = fc.oneof(
  fc.constantFrom(0n, 1n, -1n, 2n, 7n, -7n, 10n, 200n, 404n, 500n, 1000n),
  fc.constantFrom(2n ** 31n, -(2n ** 31n), 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 62n),
  fc.constantFrom(2n ** 63n - 1n, 2n ** 63n - 2n, -(2n ** 63n) + 1n, -(2n ** 63n)),
  fc.bigInt({ min: -1000n, max: 1000n }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);

export const DOUBLES: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(
    0,
    1,
    -1,
    0.5,
    1.5,
    2.5,
    -2.5,
    0.1,
    1e10,
    2 ** 53,
    2 ** 63,
    1e18,
    1e19,
    -1e19,
    1e300,
    -1e300,
    5e-324,
    1e-7,
    123456.789,
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer({ min: -1000, max: 1000 }).map((value) => value / 8),
);

/** Of years that people log, of both sides of 1970, with and without milliseconds. */
export const TIMES_MS: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(
    0,
    -1,
    1,
    951_782_400_000,
    1_709_164_800_000,
    1_709_251_199_999,
    1_735_689_599_999,
    1_735_689_600_000,
  ),
  fc.integer({ min: Date.UTC(1900, 0), max: Date.UTC(2200, 0) }),
);

/** A literal of `sql`'s type, as both sides write it. */
export function literalOf(type: GeneratedType): fc.Arbitrary<Pair> {
  switch (type) {
    case 'boolean':
      return fc.constantFrom(...['true', 'false'].map((text) => ({ text, sql: text })));
    case 'long':
      // DuckDB's own literals are of 32 bits, and its least number cannot be written.
      return LONGS.filter((value) => value > -(2n ** 63n)).map((value) => ({
        text: String(value),
        sql: `(${value})::BIGINT`,
      }));
    case 'double':
      return DOUBLES.map((value) => {
        const text = /[.e]/.test(String(value)) ? String(value) : `${value}.0`;
        return { text, sql: `'${value}'::DOUBLE` };
      });
    case 'text':
      return TEXTS.map((text) => ({ text: quoted(text), sql: quoted(text) }));
    case 'time':
      return TIMES_MS.map((ms) => {
        const text = new Date(ms).toISOString().replace('T', ' ').replace('Z', '');
        return { text: `timestamp '${text}'`, sql: `make_timestamptz(${ms * 1000})` };
      });
  }
}

/** The user's NULL has no type, DuckDB's one of its own. */
export const SQL_TYPES: Readonly<Record<GeneratedType, string>> = {
  boolean: 'BOOLEAN',
  long: 'BIGINT',
  double: 'DOUBLE',
  text: 'VARCHAR',
  time: 'TIMESTAMPTZ',
};

/** NULL with a type, where bare NULL is refused: in a comparison. */
export function typedNull({ text, sql }: Pair, type: GeneratedType): Pair {
  return { text: text === 'null' ? `cast(null as ${SQL_TYPES[type]})` : text, sql };
}

function fieldOf(type: GeneratedType): fc.Arbitrary<Pair> {
  const names = Object.entries(FIELDS).flatMap(([name, of]) => (of === type ? [name] : []));
  return fc.constantFrom(...names).map((name) => ({ text: name, sql: `"${name}"` }));
}

/** Random expressions of a type by some rules. A type that no rule makes is a field or a literal. */
export function expressions(rules: readonly Rule[], type: GeneratedType, depth = 3): fc.Arbitrary<Pair> {
  const leaf = fc.oneof(
    { arbitrary: fieldOf(type), weight: 5 },
    { arbitrary: literalOf(type), weight: 3 },
    { arbitrary: fc.constant({ text: 'null', sql: `NULL::${SQL_TYPES[type]}` }), weight: 1 },
  );
  const made = rules.filter((one) => one.type === type);
  if (depth === 0 || made.length === 0) return leaf;
  const of: Of = (inner) => expressions(rules, inner, depth - 1);
  const ofRule = fc.constantFrom(...made).chain((one) => one.make(of));
  return fc.oneof({ arbitrary: ofRule, weight: 6 }, { arbitrary: leaf, weight: 1 });
}
