import fc from 'fast-check';
import { type GeneratedType, type Of, type Pair, type Rule, TEXTS, joined, quoted, rule } from './grammar.ts';

/** A literal that both sides write alike. */
function same(arbitrary: fc.Arbitrary<string | number>): fc.Arbitrary<Pair> {
  return arbitrary.map((value) => ({ text: String(value), sql: String(value) }));
}

/** Arguments of which some are not expressions of a type. */
function mixed(
  form: string,
  type: GeneratedType,
  make: (of: Of) => readonly fc.Arbitrary<Pair>[],
  text: (...args: string[]) => string,
  sql?: (...args: string[]) => string,
): Rule {
  return { form, type, make: (of) => joined(make(of), text, sql) };
}

/** Numbers that are places in texts more often than not. */
const PLACES = fc.oneof(
  { arbitrary: fc.integer({ min: -6, max: 8 }), weight: 6 },
  { arbitrary: fc.constantFrom('4294967295', '4294967296', '-4294967296', '-4294967297'), weight: 1 },
);
const COUNTS = fc.constantFrom(-1, 0, 1, 2, 3, 7);
/** Small parts of the texts, so that they are found. */
const PARTS = fc
  .oneof(fc.constantFrom('', 'a', '/', 'é', '😀', 'ab', 'B', '.', ' ', 'aé', 'İ'), TEXTS)
  .map((text) => ({ text: quoted(text), sql: quoted(text) }));

function place(of: Of): fc.Arbitrary<Pair> {
  return fc.oneof({ arbitrary: same(PLACES), weight: 3 }, { arbitrary: of('long'), weight: 1 });
}

function part(of: Of): fc.Arbitrary<Pair> {
  return fc.oneof(PARTS, of('text'));
}

function ofTexts(form: string, type: GeneratedType, count: 1 | 2 | 3, called = form): Rule {
  return mixed(
    form,
    type,
    (of) => [of('text'), ...Array.from({ length: count - 1 }, () => part(of))],
    (...args) => `${called}(${args.join(', ')})`,
  );
}

const PATTERN_LETTERS = fc.constantFrom('%', '%', '_', 'a', 'B', '/', 'é', '😀', '.', 'İ', 'i');
const PATTERNS = fc
  .oneof(
    fc.string({ unit: PATTERN_LETTERS, maxLength: 6 }),
    fc.constantFrom('', '%', '_%', '%_', '/api/%', '%/live', '%html', '/%/%'),
  )
  .map((text) => ({ text: quoted(text), sql: quoted(text) }));

/** Of `!`, which never ends them, and of a letter that has a case. */
const ESCAPED = fc
  .oneof(
    fc
      .array(fc.constantFrom('!%', '!_', '!!', '!a', '%', '_', 'a', 'é', '😀'), { maxLength: 5 })
      .map((letters) => `${quoted(letters.join(''))} escape '!'`),
    fc
      .array(fc.constantFrom('A%', 'a_', 'B', '%'), { maxLength: 3 })
      .map((all) => `${quoted(all.join(''))} escape 'A'`),
    PATTERNS.map(({ text }) => `${text} escape ''`),
  )
  .map((text) => ({ text, sql: text }));

function like(form: 'like' | 'ilike', words: string): Rule[] {
  return [
    mixed(
      form,
      'boolean',
      (of) => [of('text'), PATTERNS],
      (text, pattern) => `(${text} ${words} ${pattern})`,
    ),
    mixed(
      form,
      'boolean',
      (of) => [of('text'), ESCAPED],
      (text, pattern) => `(${text} ${words} ${pattern})`,
    ),
  ];
}

/** Of texts that DuckDB does not know to be ASCII: it takes places outside of those in another way. */
function substring(count: 1 | 2): Rule {
  const call = (a: string, ...places: string[]): string => `substring((${a} || left(word, 0)), ${places.join(', ')})`;
  const places = (of: Of): fc.Arbitrary<Pair>[] => Array.from({ length: count }, () => place(of));
  return mixed(
    'substring',
    'text',
    (of) => [of('text'), ...places(of)],
    call,
    (...args) => `TRY(${call(...(args as [string]))})`,
  );
}

export const TEXT_RULES: readonly Rule[] = [
  ...['lower', 'lcase'].map((called) => ofTexts('lower', 'text', 1, called)),
  ...['upper', 'ucase'].map((called) => ofTexts('upper', 'text', 1, called)),
  ...['length', 'len', 'char_length', 'character_length'].map((called) => ofTexts('length', 'long', 1, called)),
  ofTexts('strlen', 'long', 1),
  ofTexts('md5', 'text', 1),
  ofTexts('sha256', 'text', 1),
  ...['unicode', 'ord'].map((called) =>
    rule(
      'unicode',
      'long',
      ['text'],
      (a) => `${called}(${a})`,
      (a) => `${called}(${a})::BIGINT`,
    ),
  ),
  rule(
    'ascii',
    'long',
    ['text'],
    (a) => `ascii(${a})`,
    (a) => `ascii(${a})::BIGINT`,
  ),
  mixed(
    'chr',
    'text',
    (of) => [fc.oneof(same(fc.constantFrom(1, 65, 233, 55296, 128512, 1114112, -1)), of('long'))],
    (a) => `chr(${a})`,
    (a) => `CASE WHEN ${a} BETWEEN -1 AND 2000000 THEN TRY(chr((${a})::INTEGER)) END`,
  ),
  ...['starts_with', 'prefix'].map((called) => ofTexts('starts_with', 'boolean', 2, called)),
  mixed(
    'starts_with',
    'boolean',
    (of) => [of('text'), part(of)],
    (a, b) => `(${a} ^@ ${b})`,
  ),
  ...['ends_with', 'suffix'].map((called) => ofTexts('ends_with', 'boolean', 2, called)),
  // Of a NULL that is put together DuckDB does not know that it is a text, and there are lists and maps.
  rule(
    'contains',
    'boolean',
    ['text', 'text'],
    (a, b) => `contains(${a}, ${b})`,
    (a, b) => `contains((${a})::VARCHAR, ${b})`,
  ),
  ...['strpos', 'instr'].map((called) => ofTexts('strpos', 'long', 2, called)),
  mixed(
    'strpos',
    'long',
    (of) => [of('text'), part(of)],
    (a, b) => `position((${b}) in (${a}))`,
    (a, b) => `strpos(${a}, ${b})`,
  ),
  rule('||', 'text', ['text', 'text'], (a, b) => `(${a} || ${b})`),
  ...(['long', 'double', 'boolean', 'time'] as const).flatMap((type) => [
    rule('||', 'text', ['text', type], (a, b) => `(${a} || ${b})`),
    rule('concat', 'text', [type, 'text'], (a, b) => `concat(${a}, ${b})`),
    rule('concat_ws', 'text', ['text', type, type], (a, b, c) => `concat_ws(${a}, ${b}, ${c})`),
  ]),
  rule('concat', 'text', ['text', 'text', 'text'], (a, b, c) => `concat(${a}, ${b}, ${c})`),
  rule('concat_ws', 'text', ['text', 'text', 'text'], (a, b, c) => `concat_ws(${a}, ${b}, ${c})`),
  substring(1),
  substring(2),
  mixed(
    'left',
    'text',
    (of) => [of('text'), place(of)],
    (a, b) => `left(${a}, ${b})`,
    (a, b) => `TRY(left(${a}, ${b}))`,
  ),
  mixed(
    'right',
    'text',
    (of) => [of('text'), place(of)],
    (a, b) => `right(${a}, ${b})`,
  ),
  ...['trim', 'ltrim', 'rtrim'].flatMap((name) => [ofTexts(name, 'text', 1), ofTexts(name, 'text', 2)]),
  ofTexts('replace', 'text', 3),
  mixed(
    'split_part',
    'text',
    (of) => [of('text'), part(of), place(of)],
    (a, b, c) => `split_part(${a}, ${b}, ${c})`,
  ),
  mixed(
    'repeat',
    'text',
    (of) => [of('text'), same(COUNTS)],
    (a, b) => `repeat(${a}, ${b})`,
    (a, b) => `repeat(${a}::VARCHAR, ${b})`,
  ),
  ...['lpad', 'rpad'].map((name) =>
    mixed(
      name,
      'text',
      (of) => [of('text'), same(COUNTS), part(of)],
      (a, b, c) => `${name}(${a}, ${b}, ${c})`,
      (a, b, c) => `TRY(${name}(${a}, ${b}, ${c}))`,
    ),
  ),
  ...like('like', 'like'),
  ...like('like', 'not like'),
  ...like('ilike', 'ilike'),
  ...like('ilike', 'not ilike'),
];
