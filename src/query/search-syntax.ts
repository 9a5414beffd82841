import { EXIT, OperatingError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { OPERATORS, type Operator, type SearchNode, type SearchValue, type Span } from './search-node.ts';
import { type Foreign, foreignGroup, foreignValue, foreignWord } from './search-foreign.ts';

/** What is wrong with a search, with a caret under it. */
export class SearchError extends OperatingError {
  constructor(query: string, span: Span, what: string, hint?: string) {
    // Each character becomes one that is as wide, so that the caret stands where it should.
    const shown = Array.from(query, (character) => (escapeText(character) === character ? character : '·')).join('');
    const before = Array.from(query.slice(0, span.start)).length;
    const width = Math.max(1, Array.from(query.slice(span.start, span.end)).length);
    super(
      `${escapeText(what)}\n  ${shown}\n  ${' '.repeat(before)}${'^'.repeat(width)}${hint === undefined ? '' : ` ${hint}`}`,
      {
        code: 'SEARCH_QUERY',
        exitCode: EXIT.usage,
      },
    );
  }
}

/** A query that is nested deeper is refused. */
const DEPTH_MAX = 50;
const QUERY_CHARACTERS_MAX = 8192;

type Token =
  | (Span & { readonly kind: '(' | ')' | '-' | 'AND' | 'OR' | 'NOT' | 'end' })
  | (Span & { readonly kind: 'word'; readonly value: SearchValue })
  | (Span & {
      readonly kind: 'field';
      readonly field: SearchValue;
      readonly operator: Operator;
      readonly value: SearchValue;
    });

/**
 * A search is read as
 *
 *     query  = and *( "OR" and )            and = not *( [ "AND" ] not )        not = [ "-" / "NOT" ] part
 *     part   = "(" query ")" / field operator value / value                    operator = ":" "=" "!=" ">" ">=" "<" "<="
 *     value  = word / DQUOTE *( "\" any / any but DQUOTE ) DQUOTE
 *
 * Undefined for a query that says nothing: everything.
 */
export function parseSearch(query: string): SearchNode | undefined {
  if (query.length > QUERY_CHARACTERS_MAX) {
    const what = `a query has at most ${QUERY_CHARACTERS_MAX} characters, this one ${query.length}`;
    throw new OperatingError(what, { code: 'SEARCH_QUERY', exitCode: EXIT.usage });
  }
  const tokens = tokensOf(query);
  if (tokens[0]!.kind === 'end') return undefined;
  return new Parser(query, tokens).parse();
}

class Parser {
  readonly #query: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(query: string, tokens: readonly Token[]) {
    this.#query = query;
    this.#tokens = tokens;
  }

  parse(): SearchNode {
    const node = this.#or(0);
    const rest = this.#next;
    if (rest.kind !== 'end') throw this.#error(rest, 'this closes nothing', 'leave it out, or open it with (');
    return node;
  }

  get #next(): Token {
    return this.#tokens[this.#at]!;
  }

  #or(depth: number): SearchNode {
    const nodes = [this.#and(depth)];
    while (this.#next.kind === 'OR') {
      this.#at++;
      nodes.push(this.#and(depth));
    }
    return nodes.length === 1 ? nodes[0]! : { kind: 'or', nodes };
  }

  #and(depth: number): SearchNode {
    const nodes = [this.#not(depth)];
    for (;;) {
      const { kind } = this.#next;
      if (kind === 'AND') this.#at++;
      else if (kind === 'end' || kind === ')' || kind === 'OR') break;
      nodes.push(this.#not(depth));
    }
    return nodes.length === 1 ? nodes[0]! : { kind: 'and', nodes };
  }

  #not(depth: number): SearchNode {
    const { kind } = this.#next;
    if (kind !== '-' && kind !== 'NOT') return this.#part(depth);
    this.#at++;
    return { kind: 'not', node: this.#not(depth + 1) };
  }

  #part(depth: number): SearchNode {
    const token = this.#next;
    if (depth > DEPTH_MAX) throw this.#error(token, 'this is nested too deep', `at most ${DEPTH_MAX} levels`);
    this.#at++;
    switch (token.kind) {
      case 'word':
        return { kind: 'text', value: token.value };
      case 'field':
        return { kind: 'field', field: token.field, operator: token.operator, value: token.value };
      case '(': {
        const node = this.#or(depth + 1);
        if (this.#next.kind !== ')') throw this.#error(token, 'this is not closed', 'add a )');
        this.#at++;
        return node;
      }
      default: {
        const what = token.kind === 'end' ? 'something is missing at the end' : 'something is missing before this';
        throw this.#error(token, what, 'a word, "a phrase", or field:value');
      }
    }
  }

  #error(span: Span, what: string, hint: string): SearchError {
    return new SearchError(this.#query, span, what, hint);
  }
}

const SPACE = /[\s]/;
const FIELD = /[A-Za-z_@][\w.@-]*(?=[:=<>]|!=)/y;
const WORD = /[^\s()"]+/y;

function tokensOf(query: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < query.length) {
    const character = query[at]!;
    if (SPACE.test(character)) {
      at++;
      continue;
    }
    if (character === '(' || character === ')') {
      tokens.push({ kind: character, start: at, end: ++at });
      continue;
    }
    // A minus is a negation at the beginning of a part only: `a-b` is a word.
    if (character === '-' && at + 1 < query.length && !SPACE.test(query[at + 1]!)) {
      tokens.push({ kind: '-', start: at, end: ++at });
      continue;
    }
    const token = tokenAt(query, at);
    tokens.push(token);
    at = token.end;
  }
  tokens.push({ kind: 'end', start: query.length, end: query.length });
  return tokens;
}

function tokenAt(query: string, start: number): Token {
  FIELD.lastIndex = start;
  const [name] = FIELD.exec(query) ?? [];
  if (name !== undefined) {
    const field = { text: name, isQuoted: false, start, end: start + name.length };
    const operator = OPERATORS.find((one) => query.startsWith(one, field.end))!;
    const valueStart = field.end + operator.length;
    const value = valueAt(query, valueStart);
    if (value === undefined) {
      if (query[valueStart] === '(') throw foreign(query, foreignGroup(name, operator, query, valueStart));
      const hint = `such as ${name}${operator}${operator === ':' ? 'value' : '500'}, without a blank`;
      throw new SearchError(query, { start, end: valueStart }, `${name}${operator} has no value`, hint);
    }
    if (!value.isQuoted) refuse(query, foreignValue(name, operator, value.text, valueStart));
    return { kind: 'field', field, operator, value, start, end: value.end };
  }
  const value = valueAt(query, start)!;
  const { text, isQuoted, end } = value;
  if (!isQuoted && (text === 'AND' || text === 'OR' || text === 'NOT')) return { kind: text, start, end };
  if (!isQuoted) refuse(query, foreignWord(text, start));
  return { kind: 'word', value, start, end };
}

function foreign(query: string, { span, what, hint }: Foreign): SearchError {
  return new SearchError(query, span, what, hint);
}

function refuse(query: string, found: Foreign | undefined): void {
  if (found !== undefined) throw foreign(query, found);
}

function valueAt(query: string, start: number): SearchValue | undefined {
  if (query[start] !== '"') {
    WORD.lastIndex = start;
    const [text] = WORD.exec(query) ?? [];
    return text === undefined ? undefined : { text, isQuoted: false, start, end: start + text.length };
  }
  let text = '';
  for (let at = start + 1; at < query.length; at++) {
    const character = query[at]!;
    if (character === '"') return { text, isQuoted: true, start, end: at + 1 };
    // A backslash stands for itself but before a quote or another one: log lines have many.
    if (character === '\\' && (query[at + 1] === '"' || query[at + 1] === '\\')) text += query[++at]!;
    else text += character;
  }
  throw new SearchError(query, { start, end: query.length }, 'this quote is not closed', 'add a "');
}
