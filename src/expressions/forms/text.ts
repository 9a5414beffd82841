import { createHash } from 'node:crypto';
import { type Form, type FormProblem, type Notes, type Resolved, as, fixed, lazy, strict } from '../form.ts';
import { lengthOf, lowerCase, upperCase } from '../letters.ts';
import { type Tree, type Value, type ValueType, call, constant } from '../tree.ts';
import { TEXT_UNITS_MAX } from './text-parts.ts';

/** A function of texts that gives a value for every one. */
function ofTexts(
  [name, ...others]: readonly [string, ...string[]],
  count: 1 | 2,
  type: ValueType,
  summary: string,
  examples: Form['examples'],
  evaluate: (texts: readonly string[]) => Value,
  sql: (...args: string[]) => string = (...args) => `${name}(${args.join(', ')})`,
): Form {
  return {
    name,
    calls: [name, ...others],
    summary,
    examples,
    resolve: (args, called) =>
      fixed(
        called,
        Array.from({ length: count }, () => 'text'),
        type,
      )(args),
    evaluator: () => strict(evaluate),
    sql: (args) => sql(...args),
  };
}

const lower = ofTexts(
  ['lower', 'lcase'],
  1,
  'text',
  'In small letters, letter by letter.',
  [
    { sql: "lower('GET')", value: 'get' },
    { sql: "lower('ÀΣ')", value: 'àσ' },
  ],
  ([text]) => lowerCase(text!),
);

const upper = ofTexts(
  ['upper', 'ucase'],
  1,
  'text',
  'In capital letters, letter by letter.',
  [
    { sql: "upper('get')", value: 'GET' },
    { sql: "upper('ß')", value: 'ẞ' },
  ],
  ([text]) => upperCase(text!),
);

const length = ofTexts(
  ['length', 'len', 'char_length', 'character_length'],
  1,
  'long',
  'How many letters (code points) it has.',
  [{ sql: "length('né😀')", value: 3 }],
  ([text]) => BigInt(lengthOf(text!)),
);

const strlen = ofTexts(
  ['strlen'],
  1,
  'long',
  'How many bytes it has in UTF-8.',
  [{ sql: "strlen('né😀')", value: 7 }],
  ([text]) => BigInt(Buffer.byteLength(text!)),
);

const unicode = ofTexts(
  ['unicode', 'ord'],
  1,
  'long',
  'The number of its first letter in Unicode; -1 of a text without any.',
  [
    { sql: "unicode('é')", value: 233 },
    { sql: "unicode('')", value: -1 },
  ],
  ([text]) => BigInt(text!.codePointAt(0) ?? -1),
  (text) => `CAST(unicode(${text}) AS BIGINT)`,
);

const ascii = ofTexts(
  ['ascii'],
  1,
  'long',
  'The number of its first letter in Unicode; 0 of a text without any.',
  [
    { sql: "ascii('A')", value: 65 },
    { sql: "ascii('')", value: 0 },
  ],
  ([text]) => BigInt(text!.codePointAt(0) ?? 0),
  (text) => `CAST(ascii(${text}) AS BIGINT)`,
);

const chr: Form = {
  name: 'chr',
  calls: ['chr'],
  summary: 'The letter with that number in Unicode; NULL where there is none.',
  examples: [{ sql: 'chr(65)', value: 'A' }],
  resolve: fixed('chr', ['long'], 'text'),
  evaluator: (_, notes) =>
    strict(([code]: readonly bigint[]) => {
      const isLetter = code! >= 0n && code! <= 0x10ffffn && !(code! >= 0xd800n && code! <= 0xdfffn);
      return isLetter ? String.fromCodePoint(Number(code)) : notes.lost();
    }),
  sql: ([code]) => `TRY(chr(CAST(${code} AS INTEGER)))`,
};

function digest(name: 'md5' | 'sha256', words: string, value: string): Form {
  const evaluate = ([text]: readonly string[]): Value => createHash(name).update(text!).digest('hex');
  return ofTexts([name], 1, 'text', `Its ${words} sum, in hexadecimal.`, [{ sql: `${name}('a')`, value }], evaluate);
}

const startsWith = ofTexts(
  ['starts_with', 'prefix', '^@'],
  2,
  'boolean',
  'Whether the first begins with the second.',
  [
    { sql: "starts_with('/api/items', '/api/')", value: true },
    { sql: "'/health' ^@ '/api/'", value: false },
  ],
  ([text, start]) => text!.startsWith(start!),
);

const endsWith = ofTexts(
  ['ends_with', 'suffix'],
  2,
  'boolean',
  'Whether the first ends with the second.',
  [{ sql: "ends_with('logo.png', '.png')", value: true }],
  ([text, end]) => text!.endsWith(end!),
);

const contains = ofTexts(
  ['contains'],
  2,
  'boolean',
  'Whether the second is within the first.',
  [{ sql: "contains('/a/b', '/b')", value: true }],
  ([text, part]) => text!.includes(part!),
  // DuckDB has it of lists and maps, too, and of a NULL that is put together it does not know the type.
  (text, part) => `contains(CAST(${text} AS VARCHAR), ${part})`,
);

const strpos = ofTexts(
  ['strpos', 'instr', 'position'],
  2,
  'long',
  'Where the second begins in the first, the first letter being 1; 0 where it is not in it.',
  [
    { sql: "strpos('é😀x', 'x')", value: 3 },
    { sql: "position('b' in 'abc')", value: 2 },
    { sql: "instr('abc', 'd')", value: 0 },
  ],
  ([text, part]) => {
    const at = text!.indexOf(part!);
    return at < 0 ? 0n : BigInt(lengthOf(text!.slice(0, at)) + 1);
  },
);

/** Any value as text, cast where it is not. */
function asText(arg: Tree): Tree {
  return as('text', arg) ?? call('cast', 'text', [arg, constant('text', 'VARCHAR')]);
}

function joinedBy(separator: string, all: readonly Value[], notes: Notes): Value {
  const parts = all.filter((text) => typeof text === 'string');
  const units = parts.reduce((sum, text) => sum + text.length + separator.length, 0);
  return units > TEXT_UNITS_MAX ? notes.lost() : parts.join(separator);
}

const joined: Form = {
  name: '||',
  calls: ['||'],
  summary: 'Both, one after the other, as text; NULL where one of them is.',
  examples: [
    { sql: "'a' || 'b'", value: 'ab' },
    { sql: "'a' || 1", value: 'a1' },
    { sql: "'a' || null", value: null },
  ],
  resolve: (args) => {
    if (args.every(({ type }) => type === 'boolean')) return { message: '|| joins texts', hint: 'write or' };
    return { type: 'text', args: args.map(asText) };
  },
  evaluator: (_, notes) => strict((both: readonly string[]) => joinedBy('', both, notes)),
  sql: ([left, right]) => `(${left} || ${right})`,
};

function texts(name: string, least: number): (args: readonly Tree[]) => Resolved | FormProblem {
  return (args) => {
    if (args.length < least) return { message: `${name} takes at least ${least} argument${least === 1 ? '' : 's'}` };
    return { type: 'text', args: args.map(asText) };
  };
}

const concat: Form = {
  name: 'concat',
  calls: ['concat'],
  summary: 'All of them, one after another, as text; what is NULL is left out.',
  examples: [
    { sql: "concat('a', null, 'b')", value: 'ab' },
    { sql: "concat('HTTP ', 200)", value: 'HTTP 200' },
    { sql: 'concat(null)', value: '' },
  ],
  resolve: texts('concat', 1),
  evaluator: (_, notes) =>
    lazy((args) =>
      joinedBy(
        '',
        args.map((arg) => arg()),
        notes,
      ),
    ),
  sql: (args) => `concat(${args.join(', ')})`,
};

const concatWs: Form = {
  name: 'concat_ws',
  calls: ['concat_ws'],
  summary: 'All that is behind the first, with the first between them; what is NULL is left out.',
  examples: [
    { sql: "concat_ws('/', 'a', null, 'b')", value: 'a/b' },
    { sql: "concat_ws(null, 'a')", value: null },
  ],
  resolve: texts('concat_ws', 2),
  evaluator: (_, notes) =>
    lazy((args) => {
      const [between, ...rest] = args.map((arg) => arg());
      return between === null ? null : joinedBy(String(between), rest, notes);
    }),
  sql: (args) => `concat_ws(${args.join(', ')})`,
};

export const textForms: readonly Form[] = [
  lower,
  upper,
  length,
  strlen,
  joined,
  concat,
  concatWs,
  startsWith,
  endsWith,
  contains,
  strpos,
  ascii,
  unicode,
  chr,
  digest('md5', 'MD5', '0cc175b9c0f1b6a831c399e269772661'),
  digest('sha256', 'SHA-256', 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb'),
];
