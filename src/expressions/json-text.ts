/**
 * JSON within a text, as DuckDB reads and prints it: of keys that stand twice the first counts, commas may stand at an end, and numbers keep what
 * JavaScript's `JSON` forgets of them (1.0, and digits beyond 2^53).
 */
export type Json =
  | { readonly kind: 'string'; readonly value: string }
  /** A number, `true`, `false`, `null`: as they are printed. */
  | { readonly kind: 'plain'; readonly text: string }
  | { readonly kind: 'array'; readonly items: readonly Json[] }
  | { readonly kind: 'object'; readonly entries: readonly (readonly [string, Json])[] };

/** Undefined where it is malformed. */
export function parseJson(text: string): Json | undefined {
  try {
    return new Reader(text).whole();
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Without spaces between its parts. */
export function jsonText(json: Json): string {
  switch (json.kind) {
    case 'string':
      return quoted(json.value);
    case 'plain':
      return json.text;
    case 'array':
      return `[${json.items.map(jsonText).join(',')}]`;
    case 'object':
      return `{${json.entries.map(([key, value]) => `${quoted(key)}:${jsonText(value)}`).join(',')}}`;
  }
}

/** As `JSON.stringify` does, with capital digits. */
function quoted(text: string): string {
  return `"${text.replace(/["\\\p{Cc}]/gu, (letter) => {
    const escaped = JSON.stringify(letter).slice(1, -1);
    return escaped.startsWith('\\u') ? `\\u${escaped.slice(2).toUpperCase()}` : escaped;
  })}"`;
}

/** Made once: a log may have many, and where it is malformed nobody asks. */
const MALFORMED = new SyntaxError('malformed JSON');
/** Deeper ones are taken for malformed: the stack has an end. */
const DEPTH_MAX = 500;
const NUMBER = /-?(?:(?<digits>(?:0|[1-9]\d*)(?<fraction>\.\d+)?(?<exponent>[eE][+-]?\d+)?)|inf(?:inity)?|nan)/iy;
const WORDS = /true|false|null/y;
const SPACES = /[ \t\n\r]*/y;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Json {
    const json = this.#value(0);
    if (this.#at < this.#text.length) this.#fail();
    return json;
  }

  /** With the spaces around it. */
  #value(depth: number): Json {
    if (depth > DEPTH_MAX) this.#fail();
    this.#take(SPACES);
    const json = this.#bare(depth);
    this.#take(SPACES);
    return json;
  }

  #bare(depth: number): Json {
    switch (this.#text[this.#at]) {
      case '"':
        return { kind: 'string', value: this.#string() };
      case '[':
        return { kind: 'array', items: this.#list(']', () => this.#value(depth + 1)) };
      case '{':
        return { kind: 'object', entries: this.#list('}', () => this.#entry(depth + 1)) };
      default: {
        const word = this.#take(WORDS);
        return { kind: 'plain', text: word === undefined ? this.#number() : word[0] };
      }
    }
  }

  #entry(depth: number): readonly [string, Json] {
    this.#take(SPACES);
    const key = this.#string();
    this.#take(SPACES);
    if (this.#text[this.#at++] !== ':') this.#fail();
    return [key, this.#value(depth)];
  }

  #list<T>(end: string, one: () => T): T[] {
    const items: T[] = [];
    this.#at++;
    for (;;) {
      this.#take(SPACES);
      if (this.#text[this.#at] === end) break;
      items.push(one());
      if (this.#text[this.#at] === end) break;
      if (this.#text[this.#at++] !== ',') this.#fail();
    }
    this.#at++;
    return items;
  }

  #string(): string {
    const start = this.#at;
    if (this.#text[start] !== '"') this.#fail();
    let at = start + 1;
    let isEscaped = false;
    for (let code; (code = this.#text.charCodeAt(at)) !== 0x22; at++) {
      if (!(code >= 0x20)) this.#fail();
      if (code === 0x5c) {
        isEscaped = true;
        at++;
      }
    }
    this.#at = at + 1;
    if (!isEscaped) return this.#text.slice(start + 1, at);
    const value = JSON.parse(this.#text.slice(start, at + 1)) as string;
    return value.isWellFormed() ? value : this.#fail();
  }

  #number(): string {
    const number = this.#take(NUMBER);
    if (number === undefined) return this.#fail();
    const { digits, fraction, exponent } = number.groups!;
    if (digits === undefined) return number[0];
    if (fraction === undefined && exponent === undefined) return number[0] === '-0' ? '0' : number[0];
    const value = Number(number[0]);
    if (!Number.isFinite(value)) return number[0];
    if (Object.is(value, -0)) return '-0.0';
    const text = String(value);
    return /[.e]/.test(text) ? text.replace('e+', 'e') : `${text}.0`;
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at += match[0].length;
    return match;
  }

  #fail(): never {
    throw MALFORMED;
  }
}
