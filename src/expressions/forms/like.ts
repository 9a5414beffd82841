import { type Form, type FormProblem, type Resolved, fixed, strict } from '../form.ts';
import { lowerCase } from '../letters.ts';
import type { Tree } from '../tree.ts';

type Matches = (text: string) => boolean;

/** `_` and `%`; every other letter of a pattern is itself. */
const ONE = Symbol('_');
const MANY = Symbol('%');
type Letter = string | typeof ONE | typeof MANY;

function lettersOf(pattern: string, escape: string): Letter[] {
  const letters: Letter[] = [];
  const all = Array.from(pattern);
  for (let i = 0; i < all.length; i++) {
    const letter = all[i]!;
    if (letter === escape) letters.push(all[++i]!);
    else letters.push(letter === '%' ? MANY : letter === '_' ? ONE : letter);
  }
  return letters;
}

/** What a pattern of `like` matches, in time that grows with the text times the pattern at most. */
export function likePattern(pattern: string, escape: string): Matches {
  const letters = lettersOf(pattern, escape);
  if (letters.includes(ONE)) return (text) => matchesLetters(Array.from(text), letters);
  const parts = [''];
  for (const letter of letters) {
    if (letter === MANY) parts.push('');
    else parts[parts.length - 1] += letter as string;
  }
  return parts.length === 1 ? (text) => text === parts[0] : (text) => matchesParts(text, parts);
}

/** The first at the start, the last at the end, the others in their order between. */
function matchesParts(text: string, parts: readonly string[]): boolean {
  const [first, last] = [parts[0]!, parts.at(-1)!];
  const end = text.length - last.length;
  let at = first.length;
  if (at > end || !text.startsWith(first) || !text.endsWith(last)) return false;
  for (let i = 1; i < parts.length - 1; i++) {
    const found = text.indexOf(parts[i]!, at);
    if (found < 0) return false;
    at = found + parts[i]!.length;
    if (at > end) return false;
  }
  return true;
}

/** Only the last `%` can have to take more. */
function matchesLetters(text: readonly string[], pattern: readonly Letter[]): boolean {
  let at = 0;
  let letter = 0;
  let many = -1;
  let taken = 0;
  while (at < text.length) {
    const wanted = pattern[letter];
    if (wanted === MANY) {
      many = letter++;
      taken = at;
    } else if (wanted === ONE || wanted === text[at]) {
      letter++;
      at++;
    } else if (many >= 0) {
      letter = many + 1;
      at = ++taken;
    } else return false;
  }
  while (pattern[letter] === MANY) letter++;
  return letter === pattern.length;
}

function resolveLike(args: readonly Tree[], called: string, fold: (text: string) => string): Resolved | FormProblem {
  const name = called.startsWith('~~') ? (called === '~~' ? 'like' : 'ilike') : called;
  const resolved = fixed(name, ['text', 'text', 'text'], 'boolean', 1)(args);
  if ('message' in resolved) return resolved;
  const [, pattern = resolved.args[0]!, escape] = resolved.args;
  if (pattern.kind !== 'constant')
    return { message: 'the pattern is not a constant', hint: 'write starts_with, ends_with, contains or =', arg: 1 };
  // DuckDB takes it for what escapes, and fails where the pattern ends with it.
  if (String(pattern.value).includes('\0'))
    return { message: 'the pattern has a letter NUL', hint: 'write strpos(…, chr(0))', arg: 1 };
  if (escape === undefined) return resolved;
  const constant = { hint: "write like '100!%' escape '!'" };
  if (escape.kind !== 'constant') return { message: 'the escape letter is not a constant', ...constant, arg: 2 };
  if (escape.value !== null && !/^[\0-\x7f]?$/.test(String(escape.value)))
    return { message: 'the escape letter is not one letter of ASCII', ...constant, arg: 2 };
  if (pattern.value === null || escape.value === null || escape.value === '') return resolved;
  const ends = lettersOf(fold(String(pattern.value)), String(escape.value)).at(-1);
  return ends === undefined && pattern.value !== ''
    ? { message: 'the pattern ends with the escape letter', hint: 'write it twice, or leave it out', arg: 1 }
    : resolved;
}

function likeForm(name: 'like' | 'ilike', fold: (text: string) => string): Form {
  const sign = name === 'like' ? '~~' : '~~*';
  return {
    name,
    calls: [sign, `${name}_escape`],
    summary: `Whether the text is like the pattern${name === 'like' ? '' : ', whatever the case of its letters'}: \`%\` stands for any letters, \`_\` for one.`,
    examples: [
      { sql: `'/api/items' ${name} '/api/%'`, value: true },
      { sql: `'GET' ${name} 'g_t'`, value: name === 'ilike' },
      { sql: `'100' ${name} '100!%' escape '!'`, value: false },
    ],
    resolve: (args, called) => resolveLike(args, called, fold),
    evaluator: ([, pattern, escape]) => {
      const escaping = escape?.kind === 'constant' ? String(escape.value ?? '') : '';
      const matches = likePattern(fold(pattern!.kind === 'constant' ? String(pattern!.value ?? '') : ''), escaping);
      return strict(([text]: readonly string[]) => matches(fold(text!)));
    },
    sql: ([text, pattern, escape]) =>
      escape === undefined
        ? `(${text} ${name.toUpperCase()} ${pattern})`
        : `${name}_escape(${text}, ${pattern}, ${escape})`,
  };
}

export const likeForms: readonly Form[] = [likeForm('like', (text) => text), likeForm('ilike', lowerCase)];
