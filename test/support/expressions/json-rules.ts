import fc from 'fast-check';
import { type GeneratedType, type Pair, type Rule, joined, quoted } from './grammar.ts';

const KEYS = fc.constantFrom('a', 'a', 'b', 'c', 'a.b', 'a b', '', 'é', '0', 'x"y', 'n/m', 't~u');
const SPACE = fc.constantFrom('', '', '', ' ', '\n', '\t ');
const NUMBERS = fc.oneof(
  fc.constantFrom(
    '0',
    '-0',
    '1',
    '1.0',
    '-0.0',
    '1e3',
    '1E+2',
    '1e-7',
    '0.00001',
    '1e20',
    '1e21',
    '1.5e300',
    '5e-324',
    '1e400',
  ),
  fc.constantFrom('9007199254740993', '18446744073709551615', '18446744073709551616', '-9223372036854775809', '1e-400'),
  fc.constantFrom('123456789012345678901.5', '0.1', '1.10', '-12', 'NaN', '-inf', 'Infinity', '9007199254740993.0'),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => String(value)),
);
const STRINGS = fc.oneof(
  fc.constantFrom(
    '"x"',
    '""',
    String.raw`"é\n\u00e9\/\\\""`,
    String.raw`"\ud83d\ude00"`,
    String.raw`"\u001f\u0001\b"`,
    '"😀"',
  ),
  fc.string({ maxLength: 5 }).map((text) => JSON.stringify(text.replaceAll('\0', ''))),
);
/** What is not JSON, or only to some. */
const WRONG = fc.constantFrom(
  '',
  '{',
  '[1,]',
  '[,]',
  '[1 2]',
  '01',
  '1.',
  '.5',
  '+1',
  '{a:1}',
  "'a'",
  'nul',
  '"\t"',
  String.raw`"\ud800"`,
  '"a',
  String.raw`"\x"`,
  '[1,,2]',
  'tru',
  '-',
  '// a',
  '\u00a01',
  '1e',
  'NaNs',
  String.raw`"\ude00"`,
);

const { json: JSONS } = fc.letrec<{ json: string; array: string; object: string }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    { arbitrary: fc.oneof(NUMBERS, STRINGS, fc.constantFrom('true', 'false', 'null')), weight: 10 },
    { arbitrary: tie('array'), weight: 10 },
    { arbitrary: tie('object'), weight: 20 },
    { arbitrary: WRONG, weight: 1 },
  ),
  array: fc
    .tuple(fc.array(fc.tuple(SPACE, tie('json'), SPACE), { maxLength: 3 }), fc.constantFrom('', '', '', ','))
    .map(([all, comma]) => `[${all.map((one) => one.join('')).join(',')}${comma}]`),
  object: fc
    .array(
      fc.tuple(
        SPACE,
        KEYS.map((key) => JSON.stringify(key)),
        SPACE,
        tie('json'),
      ),
      { maxLength: 4 },
    )
    .map((all) => `{${all.map(([before, key, after, value]) => `${before}${key}${after}:${value}`).join(',')}}`),
}));

const STEPS = fc.oneof(
  KEYS.filter((key) => !/^$|[."]/.test(key)).map((key) => `.${key}`),
  KEYS.filter((key) => key !== '').map((key) => `."${key.replaceAll('"', '\\"')}"`),
  fc.constantFrom('[0]', '[1]', '[-1]', '[#-1]', '[#-2]', '[7]', '[00]'),
);
const POINTERS = fc.oneof(
  KEYS.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`),
  fc.constantFrom('/0', '/1', '/01', '/-'),
);
const PATHS = fc.oneof(
  fc.array(STEPS, { maxLength: 3 }).map((steps) => quoted(`$${steps.join('')}`)),
  fc.array(POINTERS, { minLength: 1, maxLength: 3 }).map((steps) => quoted(steps.join(''))),
  KEYS.map(quoted),
);
const PLACES = fc.constantFrom('0', '1', '-1', '5', '9999999999');

/** Texts that are JSON, but for a few. */
const TEXTS_OF_JSON = fc
  .oneof({ arbitrary: JSONS, weight: 8 }, { arbitrary: WRONG, weight: 1 })
  .map((text): Pair => ({ text: quoted(text), sql: quoted(text) }));

function rule(
  form: string,
  type: GeneratedType,
  path: fc.Arbitrary<string>,
  text: (json: string, path: string) => string,
  sql: (json: string, path: string) => string,
): Rule {
  const literal = path.map((of): Pair => ({ text: of, sql: of }));
  return {
    form,
    type,
    make: (of) =>
      joined(
        [fc.oneof({ arbitrary: TEXTS_OF_JSON, weight: 12 }, { arbitrary: of('text'), weight: 1 }), literal],
        text,
        sql,
      ),
  };
}

const tried =
  (name: string): ((...args: string[]) => string) =>
  (...args) =>
    `TRY(${name}(${args.join(', ')}))`;

export const JSON_RULES: readonly Rule[] = [
  rule(
    'json_extract_string',
    'text',
    PATHS,
    (a, b) => `((${a}) ->> ${b})`,
    (a, b) => `TRY((${a}) ->> ${b})`,
  ),
  rule('json_extract_string', 'text', PATHS, (a, b) => `json_extract_string(${a}, ${b})`, tried('json_extract_string')),
  rule('json_extract_string', 'text', PLACES, (a, b) => `((${a}) ->> ${b})`, tried('json_extract_string')),
  rule('json_exists', 'boolean', PATHS, (a, b) => `json_exists(${a}, ${b})`, tried('json_exists')),
  rule(
    'json_array_length',
    'long',
    PATHS,
    (a, b) => `json_array_length(${a}, ${b})`,
    (a, b) => `TRY(json_array_length(${a}, ${b}))::BIGINT`,
  ),
  rule(
    'json_array_length',
    'long',
    PATHS,
    (a) => `json_array_length(${a})`,
    (a) => `TRY(json_array_length(${a}))::BIGINT`,
  ),
  rule(
    'json_valid',
    'boolean',
    PATHS,
    (a) => `json_valid(${a})`,
    (a) => `json_valid(${a})`,
  ),
];
