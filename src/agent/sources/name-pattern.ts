/** A pattern that cannot be meant as it is written. The message says what is wrong and what to write. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

const ANY = Symbol('?');
const STAR = Symbol('*');

interface CharacterClass {
  readonly isNegated: boolean;
  /** Pairs: first and last code point. */
  readonly ranges: readonly number[];
}

/** A code point stands for itself. */
type Token = number | CharacterClass | typeof ANY | typeof STAR;

/** What POSIX calls classes, for names of files: ASCII. */
const POSIX_CLASSES: Readonly<Record<string, string>> = {
  alpha: 'AZaz',
  digit: '09',
  alnum: '09AZaz',
  upper: 'AZ',
  lower: 'az',
  xdigit: '09AFaf',
  space: '\t\r  ',
  punct: '!/:@[`{~',
};

/**
 * The pattern of one name: `*`, `?`, `[a-z]`, `[!a-z]`, `[[:digit:]]`, a backslash before a character that stands for itself. A star or a
 * class at the beginning matches no dot. Matching takes at most pattern × name steps, whatever the two are: names are chosen by others.
 */
export class NamePattern {
  /** The name, where the pattern is one. */
  readonly literal: string | undefined;
  readonly #tokens: readonly Token[];

  /** Throws a PatternError. */
  constructor(text: string) {
    this.#tokens = tokensOf(text);
    this.literal = this.#tokens.every((token) => typeof token === 'number')
      ? this.#tokens.map((point) => String.fromCodePoint(point)).join('')
      : undefined;
  }

  matches(name: string): boolean {
    if (this.literal !== undefined) return name === this.literal;
    const tokens = this.#tokens;
    if (name.startsWith('.') && tokens[0] !== DOT) return false;
    // The last star seen takes one character more whenever what follows it does not fit.
    let token = 0;
    let at = 0;
    let star = -1;
    let starAt = 0;
    while (at < name.length) {
      const point = name.codePointAt(at)!;
      const wanted = tokens[token];
      if (wanted === STAR) {
        star = token++;
        starAt = at;
      } else if (wanted !== undefined && takes(wanted, point)) {
        token++;
        at += widthOf(point);
      } else if (star >= 0) {
        starAt += widthOf(name.codePointAt(starAt)!);
        at = starAt;
        token = star + 1;
      } else return false;
    }
    while (tokens[token] === STAR) token++;
    return token === tokens.length;
  }
}

const DOT = 0x2e;

function widthOf(point: number): number {
  return point > 0xffff ? 2 : 1;
}

function takes(token: Exclude<Token, typeof STAR>, point: number): boolean {
  if (token === ANY) return true;
  if (typeof token === 'number') return token === point;
  const { ranges, isNegated } = token;
  for (let i = 0; i < ranges.length; i += 2) {
    if (point >= ranges[i]! && point <= ranges[i + 1]!) return !isNegated;
  }
  return isNegated;
}

function tokensOf(text: string): Token[] {
  refuseForeign(text);
  const points = Array.from(text);
  const tokens: Token[] = [];
  for (let i = 0; i < points.length; i++) {
    const char = points[i]!;
    if (char === '*') {
      if (tokens.at(-1) !== STAR) tokens.push(STAR);
    } else if (char === '?') tokens.push(ANY);
    else if (char === '[') {
      const end = endOfClass(points, i);
      // Without its partner it stands for itself.
      if (end < 0) tokens.push(char.codePointAt(0)!);
      else {
        tokens.push(classOf(points.slice(i + 1, end)));
        i = end;
      }
    } else if (char === '\\') {
      const next = points[++i];
      if (next === undefined) throw new PatternError('a name ends with a backslash: write \\\\ for one that is meant');
      tokens.push(next.codePointAt(0)!);
    } else tokens.push(char.codePointAt(0)!);
  }
  return tokens;
}

/** What other tools read as patterns, and what would match next to nothing if it were taken as it stands. */
function refuseForeign(text: string): void {
  const [extended] = /(?<!\\)(?:!\([^()]*\)|[@+?*]\([^()]*\|[^()]*\))/.exec(text) ?? [];
  if (extended !== undefined) {
    throw new PatternError(`${extended} is a pattern of other tools: write {a,b}, and what is left out under exclude`);
  }
}

/** Where the class that begins at `open` ends, or -1. A bracket right at its beginning belongs to it. */
function endOfClass(points: readonly string[], open: number): number {
  let i = open + 1;
  if (points[i] === '!' || points[i] === '^') i++;
  if (points[i] === ']') i++;
  for (; i < points.length; i++) {
    if (points[i] === ']') return i;
    if (points[i] === '\\') i++;
    else if (points[i] === '[' && points[i + 1] === ':') {
      const colon = points.indexOf(':', i + 2);
      if (colon > 0 && points[colon + 1] === ']') i = colon + 1;
    }
  }
  return -1;
}

function classOf(points: readonly string[]): CharacterClass {
  const isNegated = points[0] === '!' || points[0] === '^';
  const ranges: number[] = [];
  for (let i = isNegated ? 1 : 0; i < points.length;) {
    const colon = points[i] === '[' && points[i + 1] === ':' ? points.indexOf(':', i + 2) : -1;
    if (colon > 0 && points[colon + 1] === ']') {
      ranges.push(...posixRanges(points.slice(i + 2, colon).join('')));
      i = colon + 2;
      continue;
    }
    if (points[i] === '\\' && i + 1 < points.length) i++;
    const first = points[i++]!;
    let last = first;
    if (points[i] === '-' && i + 1 < points.length) {
      if (points[++i] === '\\' && i + 1 < points.length) i++;
      last = points[i++]!;
    }
    if (last.codePointAt(0)! < first.codePointAt(0)!) {
      throw new PatternError(`the range ${first}-${last} runs backwards${betterRange(first, last)}`);
    }
    ranges.push(first.codePointAt(0)!, last.codePointAt(0)!);
  }
  return { isNegated, ranges };
}

function betterRange(first: string, last: string): string {
  if (/[a-z]/.test(first) && /[A-Z]/.test(last)) return ': write [A-Za-z], or \\[ for a bracket that is meant';
  return `: write [${last}-${first}], or \\[ for a bracket that is meant`;
}

function posixRanges(name: string): number[] {
  const ends = Object.hasOwn(POSIX_CLASSES, name) ? POSIX_CLASSES[name] : undefined;
  if (ends !== undefined) return Array.from(ends, (end) => end.codePointAt(0)!);
  throw new PatternError(`there is no class [:${name}:]: there are ${Object.keys(POSIX_CLASSES).join(', ')}`);
}
