import { type Form, type FormProblem, type Notes, type Resolved, fixed, strict, onceSql } from '../form.ts';
import { lengthOf, sliceOf } from '../letters.ts';
import type { Tree, Value } from '../tree.ts';

/** Longer texts than that are not made: the lines of one block could ask for all the memory. In UTF-16 units. */
export const TEXT_UNITS_MAX = 2 ** 16;
/** Letters of `lpad`, times of `repeat`. */
const COUNT_MAX = 1_000;
/** DuckDB refuses places and lengths beyond. */
const PLACE_MAX = 2n ** 32n - 1n;
const PLACE_MIN = -(2n ** 32n);

function isPlace(value: bigint): boolean {
  return value >= PLACE_MIN && value <= PLACE_MAX;
}

/** The letters between two places, whichever of them is the first, as far as there are any. */
function between(text: string, one: bigint, other: bigint): string {
  const count = lengthOf(text);
  const within = (place: bigint): number => (place < 0n ? 0 : place > BigInt(count) ? count : Number(place));
  return one < other ? sliceOf(text, within(one), within(other)) : sliceOf(text, within(other), within(one));
}

function substringOf(text: string, from: bigint, length: bigint): string {
  const start = from > 0n ? from - 1n : from < 0n ? BigInt(lengthOf(text)) + from : -1n;
  return between(text, start, start + length);
}

const substring: Form = {
  name: 'substring',
  calls: ['substring', 'substr'],
  summary:
    'The letters from a place on, the first being 1, and as many as the third says; a place below 0 counts from the end.',
  examples: [
    { sql: "substring('hello', 2, 3)", value: 'ell' },
    { sql: "substring('hello', -2)", value: 'lo' },
    { sql: "substring('hello' from 2 for 2)", value: 'el' },
  ],
  resolve: (args, called) => fixed(called, ['text', 'long', 'long'], 'text', 1)(args),
  evaluator: (_, notes) =>
    strict(([text, from, length = PLACE_MAX]: readonly [string, bigint, bigint?]) =>
      isPlace(from) && isPlace(length) ? substringOf(text, from, length) : notes.lost(),
    ),
  // DuckDB places texts that it knows to be ASCII in another way, where a place lies before the start or a length is below 0.
  sql: ([text, ...places]) => `TRY(substring((${text} || ''), ${places.join(', ')}))`,
};

const left: Form = {
  name: 'left',
  calls: ['left'],
  summary: 'The first letters, that many; below 0 all but that many of the last.',
  examples: [
    { sql: "left('hello', 2)", value: 'he' },
    { sql: "left('hello', -2)", value: 'hel' },
  ],
  resolve: fixed('left', ['text', 'long'], 'text'),
  evaluator: (_, notes) =>
    strict(([text, count]: readonly [string, bigint]) => {
      if (count > PLACE_MAX) return notes.lost();
      const end = count < 0n ? BigInt(lengthOf(text)) + count : count;
      return end <= 0n ? '' : between(text, 0n, end);
    }),
  sql: (args) => `TRY(left(${args.join(', ')}))`,
};

const right: Form = {
  name: 'right',
  calls: ['right'],
  summary: 'The last letters, that many; below 0 all but that many of the first.',
  examples: [
    { sql: "right('hello', 2)", value: 'lo' },
    { sql: "right('hello', -2)", value: 'llo' },
  ],
  resolve: fixed('right', ['text', 'long'], 'text'),
  evaluator: () =>
    strict(([text, count]: readonly [string, bigint]) => {
      const length = BigInt(lengthOf(text));
      return between(text, count < 0n ? (-count < length ? -count : length) : length - count, length);
    }),
  sql: (args) => `right(${args.join(', ')})`,
};

const SPACES = ' \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000';

function trimming(name: string, where: string, atStart: boolean, atEnd: boolean, value: string): Form {
  return {
    name,
    calls: [name],
    summary: `Without the spaces ${where}, or without the letters of the second; tabs are not spaces.`,
    examples: [
      { sql: `${name}(' a ')`, value: value.replaceAll('x', ' ') },
      { sql: `${name}('xax', 'xy')`, value },
    ],
    resolve: fixed(name, ['text', 'text'], 'text', 1),
    evaluator: () =>
      strict(([text, without = SPACES]: readonly [string, string?]) => {
        const dropped = new Set(without);
        const letters = Array.from(text);
        let start = 0;
        let end = letters.length;
        if (atStart) while (start < end && dropped.has(letters[start]!)) start++;
        if (atEnd) while (end > start && dropped.has(letters[end - 1]!)) end--;
        return letters.slice(start, end).join('');
      }),
    sql: (args) => `${name}(${args.join(', ')})`,
  };
}

const replace: Form = {
  name: 'replace',
  calls: ['replace'],
  summary: 'With the third in place of each second.',
  examples: [{ sql: "replace('a/b/c', '/', '.')", value: 'a.b.c' }],
  resolve: fixed('replace', ['text', 'text', 'text'], 'text'),
  evaluator: (_, notes) =>
    strict(([text, from, to]: readonly string[]) => {
      if (from === '') return text!;
      const parts = text!.split(from!);
      const isTooLong = text!.length + (parts.length - 1) * (to!.length - from!.length) > TEXT_UNITS_MAX;
      return isTooLong ? notes.lost() : parts.join(to);
    }),
  sql: (args) => `replace(${args.join(', ')})`,
};

const splitPart: Form = {
  name: 'split_part',
  calls: ['split_part'],
  summary:
    'The part with that number, the first being 1, of those between the separators; below 0 counts from the end.',
  examples: [
    { sql: "split_part('/api/items', '/', 2)", value: 'api' },
    { sql: "split_part('a.b', '.', -1)", value: 'b' },
    { sql: "split_part('a.b', '.', 3)", value: '' },
  ],
  resolve: fixed('split_part', ['text', 'text', 'long'], 'text'),
  evaluator: () =>
    strict(([text, separator, number]: readonly [string, string, bigint]) => {
      const parts = separator === '' ? Array.from(text) : text.split(separator);
      const place = number > 0n ? number - 1n : BigInt(parts.length) + number;
      return number === 0n || place < 0n ? '' : (parts[Number(place)] ?? '');
    }),
  // A macro of DuckDB, which writes its arguments several times: nested, it would grow without end.
  sql: ([text, separator, number]) =>
    onceSql({ t: text!, s: separator!, n: number! }, (of) => `split_part(${of('t')}, ${of('s')}, ${of('n')})`),
};

/** The second argument is a number that stands there: texts of any length would not be bounded. */
function counted(resolved: Resolved | FormProblem, name: string): Resolved | FormProblem {
  if ('message' in resolved) return resolved;
  const count = resolved.args[1]!;
  const isGood = count.kind === 'constant' && count.value !== null && Number(count.value) <= COUNT_MAX;
  if (isGood) return resolved;
  return {
    message: `the second argument of ${name} is not a constant of at most ${COUNT_MAX}`,
    hint: `write ${name}(…, 10)`,
    arg: 1,
  };
}

function countOf([, count]: readonly Tree[]): number {
  return Math.max(0, Number(count!.kind === 'constant' ? count!.value : 0));
}

const repeat: Form = {
  name: 'repeat',
  calls: ['repeat'],
  summary: `The text that many times, at most ${COUNT_MAX}.`,
  examples: [{ sql: "repeat('ab', 2)", value: 'abab' }],
  resolve: (args) => counted(fixed('repeat', ['text', 'long'], 'text')(args), 'repeat'),
  evaluator: (args, notes) => {
    const count = countOf(args);
    return strict(([text]: readonly string[]) =>
      text!.length * count > TEXT_UNITS_MAX ? notes.lost() : text!.repeat(count),
    );
  },
  // Of `'a' || NULL` DuckDB would make a BLOB.
  sql: ([text, count]) => `repeat(CAST(${text} AS VARCHAR), ${count})`,
};

function padding(name: 'lpad' | 'rpad', where: string, value: string): Form {
  const padded = (text: string, count: number, pad: string, notes: Notes): Value => {
    const length = lengthOf(text);
    if (length >= count) return sliceOf(text, 0, count);
    if (pad === '') return notes.lost();
    const fill = sliceOf(pad.repeat(count - length), 0, count - length);
    return name === 'lpad' ? fill + text : text + fill;
  };
  return {
    name,
    calls: [name],
    summary: `Of that many letters, at most ${COUNT_MAX}: filled ${where} with the third, or cut.`,
    examples: [
      { sql: `${name}('7', 3, '0')`, value },
      { sql: `${name}('hello', 2, '0')`, value: 'he' },
    ],
    resolve: (args) => counted(fixed(name, ['text', 'long', 'text'], 'text')(args), name),
    evaluator: (args, notes) => {
      const count = countOf(args);
      return strict(([text, , pad]: readonly [string, bigint, string]) => padded(text, count, pad, notes));
    },
    sql: ([text, count, pad]) => `TRY(${name}(${text}, CAST(${count} AS INTEGER), ${pad}))`,
  };
}

export const textPartForms: readonly Form[] = [
  substring,
  left,
  right,
  trimming('trim', 'at both ends', true, true, 'a'),
  trimming('ltrim', 'at the start', true, false, 'ax'),
  trimming('rtrim', 'at the end', false, true, 'xa'),
  replace,
  splitPart,
  repeat,
  padding('lpad', 'on the left', '007'),
  padding('rpad', 'on the right', '700'),
];
