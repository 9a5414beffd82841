import { cutText } from '../../lib/text.ts';
import { RE2JS, RE2JSException } from 're2js';
import { type Form, type FormProblem, type Notes, type Resolved, fixed, strict } from '../form.ts';
import type { Tree, Value, ValueType } from '../tree.ts';
import { TEXT_UNITS_MAX } from './text-parts.ts';

/** A pattern that is ready, or what is wrong with it. */
type Pattern = { readonly regexp: RE2JS; readonly isGlobal: boolean } | FormProblem;

/** As DuckDB takes them: the last word counts; `m`, `n` and `p` take back `s`, since `.` is not a newline to begin with. */
function patternOf(pattern: string, options: string, mayBeGlobal: boolean): Pattern {
  let flags = 0;
  let isLiteral = false;
  let isGlobal = false;
  for (const option of options.replace(/\s/g, '')) {
    if (option === 'i') flags |= RE2JS.CASE_INSENSITIVE;
    else if (option === 'c') flags &= ~RE2JS.CASE_INSENSITIVE;
    else if (option === 's') flags |= RE2JS.DOTALL;
    else if (option === 'm' || option === 'n' || option === 'p') flags &= ~RE2JS.DOTALL;
    else if (option === 'l') isLiteral = true;
    else if (option === 'g' && mayBeGlobal) isGlobal = true;
    else return { message: `a regular expression has no option ${option} here`, hint: OPTIONS_HINT };
  }
  const beyond = isLiteral ? undefined : beyondRe2(pattern);
  if (beyond !== undefined) return beyond;
  try {
    return { regexp: RE2JS.compile(isLiteral ? RE2JS.quote(pattern) : pattern, flags), isGlobal };
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    const said = error.message.replace(/^error parsing regexp: /, '').replaceAll('`', '"');
    return { message: `this is not a regular expression of RE2: ${cutText(said, 120)}`, hint: SYNTAX_HINT };
  }
}

/** A quoted part, a letter with a backslash, a class, the start of a group; or any letter. */
const TOKENS = /\\Q[\s\S]*?(?:\\E|$)|\\[\s\S]|\[\^?\]?(?:\\[\s\S]|\[:\^?\w+:\]|[^\]\\])*\]|\(\?<|[\s\S]/g;

/** What re2js has and DuckDB's RE2 lacks or reads differently. */
function beyondRe2(pattern: string): FormProblem | undefined {
  for (const [token] of pattern.matchAll(TOKENS)) {
    if (token === '(?<')
      return { message: 'a regular expression does not have (?<', hint: 'write (?P<name>…) for a group with a name' };
    // RE2 sees bytes: to it the inside of é is not the end of a word.
    if (token === String.raw`\B`)
      return { message: String.raw`a regular expression does not have \B`, hint: String.raw`write \b, \w or \W` };
  }
  return undefined;
}

const OPTIONS_HINT =
  "write 'i' for either case, 's' for a dot that is a newline too, 'g' for every match of regexp_replace";
const SYNTAX_HINT = 'see github.com/google/re2/wiki/Syntax; it has no lookaround and no back-references';

/** What a text that stands there says; `what` is its place in messages. */
function textAt(args: readonly Tree[], arg: number, what: string): string | FormProblem {
  const tree = args[arg]!;
  if (tree.kind === 'constant' && tree.value !== null) return String(tree.value);
  return { message: `${what} is not a constant`, hint: "write it as text in single quotes: '^/api/'", arg };
}

/** Resolves with its pattern read, so that a mistake in it is found by a check. */
function resolver(
  name: string,
  types: readonly ValueType[],
  result: ValueType,
  optional: number,
  more: (args: readonly Tree[], regexp: RE2JS) => FormProblem | undefined = () => undefined,
): Form['resolve'] {
  return (args) => {
    const resolved = fixed(name, types, result, optional)(args);
    return 'message' in resolved ? resolved : (problemOf(resolved, name, types.length, more) ?? resolved);
  };
}

function problemOf(
  { args }: Resolved,
  name: string,
  most: number,
  more: (args: readonly Tree[], regexp: RE2JS) => FormProblem | undefined,
): FormProblem | undefined {
  const pattern = textAt(args, 1, 'the pattern');
  if (typeof pattern !== 'string') return pattern;
  const options = args.length === most ? textAt(args, most - 1, 'the options') : '';
  if (typeof options !== 'string') return options;
  const plain = patternOf(pattern, '', false);
  const read = patternOf(pattern, options, name === 'regexp_replace');
  if (!('message' in read)) return more(args, read.regexp);
  return { ...read, arg: 'message' in plain ? 1 : most - 1 };
}

/** Of arguments that were resolved. */
function read(args: readonly Tree[], options: number): { readonly regexp: RE2JS; readonly isGlobal: boolean } {
  const text = (arg: Tree | undefined): string => (arg?.kind === 'constant' ? String(arg.value) : '');
  return patternOf(text(args[1]), text(args[options]), true) as { regexp: RE2JS; isGlobal: boolean };
}

function matching(name: string, summary: string, isWhole: boolean, examples: Form['examples']): Form {
  return {
    name,
    calls: [name],
    summary,
    examples,
    resolve: resolver(name, ['text', 'text', 'text'], 'boolean', 1),
    evaluator: (args) => {
      const { regexp } = read(args, 2);
      return strict(([text]: readonly string[]) => (isWhole ? regexp.testExact(text!) : regexp.test(text!)));
    },
    sql: (args) => `${name}(${args.join(', ')})`,
  };
}

const GROUP_MAX = 9;

function groupProblem(args: readonly Tree[], regexp: RE2JS): FormProblem | undefined {
  if (args.length < 3) return undefined;
  const group = args[2]!;
  const number = group.kind === 'constant' && group.value !== null ? Number(group.value) : -1;
  const groups = Math.min(GROUP_MAX, regexp.groupCount());
  if (number >= 0 && number <= groups) return undefined;
  const message = `the group is not a constant from 0 to ${groups}, and the pattern has ${regexp.groupCount()}`;
  return { message, hint: '0 is the whole match, 1 the first pair of parentheses', arg: 2 };
}

const extract: Form = {
  name: 'regexp_extract',
  calls: ['regexp_extract'],
  summary: 'What the pattern matches first, or a group of that; an empty text where it matches nothing.',
  examples: [
    { sql: String.raw`regexp_extract('took 12 ms', '\d+')`, value: '12' },
    { sql: "regexp_extract('/api/v1', '/(.)(.*)', 2)", value: 'pi/v1' },
    { sql: "regexp_extract('GET', '[0-9]')", value: '' },
  ],
  resolve: resolver('regexp_extract', ['text', 'text', 'long', 'text'], 'text', 2, groupProblem),
  evaluator: (args) => {
    const { regexp } = read(args, 3);
    const group = Number(args[2]?.kind === 'constant' ? args[2].value : 0);
    return strict(([text]: readonly string[]) => {
      const matcher = regexp.matcher(text!);
      return matcher.find() ? (matcher.group(group) ?? '') : '';
    });
  },
  sql: ([text, pattern, group, options], [, , number]) => {
    const rest = group === undefined ? [] : [number?.kind === 'constant' ? String(number.value) : group];
    return `regexp_extract(${[text, pattern, ...rest, ...(options === undefined ? [] : [options])].join(', ')})`;
  },
};

/** A text that replaces: itself, and groups by their number. Undefined where it is not one. */
function rewriteOf(text: string, groups: number): (string | number)[] | undefined {
  const parts: (string | number)[] = [];
  let at = 0;
  for (const { 0: escape, index } of text.matchAll(/\\(?:[\s\S]|$)/gu)) {
    const letter = escape.slice(1);
    const isGroup = /^\d$/.test(letter) && Number(letter) <= groups;
    if (!isGroup && letter !== '\\') return undefined;
    parts.push(text.slice(at, index), isGroup ? Number(letter) : letter);
    at = index + escape.length;
  }
  parts.push(text.slice(at));
  return parts;
}

function rewriteProblem(args: readonly Tree[], regexp: RE2JS): FormProblem | undefined {
  const text = textAt(args, 2, 'what replaces it');
  if (typeof text !== 'string') return text;
  if (rewriteOf(text, regexp.groupCount()) !== undefined) return undefined;
  const message = `the replacement has a \\ that does not name one of the pattern's groups (it has ${regexp.groupCount()})`;
  return {
    message,
    hint: String.raw`write \0 for the whole match, \1 for the first group, \\ for a \ `.trim(),
    arg: 2,
  };
}

/** The first match, or every one, replaced. An empty match does not stand right behind another. */
function replaced(
  text: string,
  pattern: ReturnType<typeof read>,
  rewrite: readonly (string | number)[],
  notes: Notes,
): Value {
  const matcher = pattern.regexp.matcher(text);
  let out = '';
  let at = 0;
  let lastEnd = -1;
  while (at <= text.length && matcher.find(at)) {
    const [start, end] = [matcher.start(), matcher.end()];
    out += text.slice(at, start);
    if (start === end && start === lastEnd) {
      const letter = String.fromCodePoint(text.codePointAt(start) ?? 0);
      out += text.slice(start, start + letter.length);
      at = start + letter.length;
      continue;
    }
    for (const part of rewrite) out += typeof part === 'string' ? part : (matcher.group(part) ?? '');
    if (out.length > TEXT_UNITS_MAX) return notes.lost();
    at = lastEnd = end;
    if (!pattern.isGlobal) break;
  }
  return out + text.slice(at);
}

const replace: Form = {
  name: 'regexp_replace',
  calls: ['regexp_replace'],
  summary: "The text with the third in place of what the pattern matches first, or of every match with the option 'g'.",
  examples: [
    { sql: String.raw`regexp_replace('/items/12/34', '\d+', 'N')`, value: '/items/N/34' },
    { sql: String.raw`regexp_replace('/items/12/34', '\d+', 'N', 'g')`, value: '/items/N/N' },
    { sql: String.raw`regexp_replace('a=b', '(\w)=(\w)', '\2=\1')`, value: 'b=a' },
  ],
  resolve: resolver('regexp_replace', ['text', 'text', 'text', 'text'], 'text', 1, rewriteProblem),
  evaluator: (args, notes) => {
    const pattern = read(args, 3);
    const text = args[2]!.kind === 'constant' ? String(args[2]!.value) : '';
    const rewrite = rewriteOf(text, pattern.regexp.groupCount()) ?? [];
    return strict(([of]: readonly string[]) => replaced(of!, pattern, rewrite, notes));
  },
  sql: (args) => `regexp_replace(${args.join(', ')})`,
};

export const regexpForms: readonly Form[] = [
  matching('regexp_matches', 'Whether the pattern matches a part of the text.', false, [
    { sql: "regexp_matches('GET /api', '^(GET|HEAD) ')", value: true },
    { sql: "regexp_matches('get /api', '^GET', 'i')", value: true },
  ]),
  matching(
    'regexp_full_match',
    'Whether the pattern matches the whole text; `~` and `similar to` are the same.',
    true,
    [
      { sql: "regexp_full_match('abc', 'b')", value: false },
      { sql: "'abc' ~ 'a.c'", value: true },
      { sql: "'abc' similar to '[a-c]+'", value: true },
    ],
  ),
  extract,
  replace,
];
