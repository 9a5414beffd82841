import { isIP } from 'node:net';
import { COMPARISONS, type ComparisonSign } from '../expressions/forms/comparison.ts';
import type { FieldType } from '../record/batch.ts';
import { parseTimestamp } from './search-time.ts';
import type { Operator, SearchNode, SearchValue } from './search-node.ts';
import { SearchError } from './search-syntax.ts';
import { type SearchFields, fieldNamed, isTextName, nearestField } from './search-fields.ts';

/** A clause of Elasticsearch's query language. */
export type Clause = Readonly<Record<string, unknown>>;

export interface SearchFilter {
  /** What is found is among what this finds. */
  readonly clause: Clause;
  /** Clauses that tell by name which parts of the query a document has. Empty where `clause` alone decides. */
  readonly named: readonly Clause[];
  /** Whether a document is found, by the names of the clauses it matched and its text. */
  matches(names: ReadonlySet<string>, text: string): boolean;
}

type FieldNode = Extract<SearchNode, { kind: 'field' }>;
type Judge = (names: ReadonlySet<string>, text: string) => boolean;

interface Compiled {
  /** Finds at least what the node finds; undefined: everything. */
  readonly wide: Clause | undefined;
  /** Finds exactly what the node finds; undefined where only the text can tell. */
  readonly exact: Clause | undefined;
  readonly judge: Judge;
}

const EVERYTHING: Clause = { match_all: {} };

/** Turns a search into what Elasticsearch is asked, and what has to be looked at afterwards. */
export function compileSearch(query: string, node: SearchNode | undefined, fields: SearchFields): SearchFilter {
  if (node === undefined) return { clause: EVERYTHING, named: [], matches: () => true };
  const compiler = new Compiler(query, fields);
  const { wide, exact, judge } = compiler.node(node);
  if (exact !== undefined) return { clause: exact, named: [], matches: () => true };
  return { clause: wide ?? EVERYTHING, named: compiler.leaves, matches: judge };
}

class Compiler {
  readonly #query: string;
  readonly #fields: SearchFields;
  /** Every part of the query that the index can decide, with a name. */
  readonly leaves: Clause[] = [];

  constructor(query: string, fields: SearchFields) {
    this.#query = query;
    this.#fields = fields;
  }

  node(node: SearchNode): Compiled {
    switch (node.kind) {
      case 'and':
        return this.#and(node.nodes.map((inner) => this.node(inner)));
      case 'or':
        return this.#or(node.nodes.map((inner) => this.node(inner)));
      case 'not':
        return not(this.node(node.node));
      case 'text':
        return this.#text(node.value);
      case 'field':
        return isTextName(node.field.text, this.#fields) ? this.#inText(node) : this.#leaf(this.#field(node));
    }
  }

  /** `message:word` is `word`. */
  #inText({ field, operator, value }: FieldNode): Compiled {
    if (!value.isQuoted && value.text === '*') return this.#leaf(EVERYTHING);
    if (operator === ':' || operator === '=') return this.#text(value);
    if (operator === '!=') return not(this.#text(value));
    const hint = `write ${field.text}:${value.text}`;
    throw new SearchError(this.#query, field, `${field.text} is text, which has no order`, hint);
  }

  #and(parts: readonly Compiled[]): Compiled {
    const wide = parts.flatMap((part) => part.wide ?? []);
    const exact = parts.map((part) => part.exact);
    return {
      wide: wide.length === 0 ? undefined : { bool: { filter: wide } },
      exact: areAll(exact) ? { bool: { filter: exact } } : undefined,
      judge: (names, text) => parts.every(({ judge }) => judge(names, text)),
    };
  }

  #or(parts: readonly Compiled[]): Compiled {
    const wide = parts.map((part) => part.wide);
    const exact = parts.map((part) => part.exact);
    const either = (should: readonly Clause[]): Clause => ({ bool: { should, minimum_should_match: 1 } });
    return {
      wide: areAll(wide) ? either(wide) : undefined,
      exact: areAll(exact) ? either(exact) : undefined,
      judge: (names, text) => parts.some(({ judge }) => judge(names, text)),
    };
  }

  #leaf(clause: Clause): Compiled {
    const name = `c${this.leaves.length}`;
    this.leaves.push({ constant_score: { filter: clause, _name: name } });
    return { wide: clause, exact: clause, judge: (names) => names.has(name) };
  }

  #text({ text, isQuoted }: SearchValue): Compiled {
    if (!isQuoted && text.length > 1 && text.endsWith('*')) {
      return this.#leaf(
        inText((field) => ({ prefix: { [field]: { value: text.slice(0, -1), case_insensitive: true } } })),
      );
    }
    const words = inText((field) => ({ match: { [field]: { query: text, operator: 'and' } } }));
    // One plain word is what the index has; whatever is more than that has an order.
    if (/^[\p{L}\p{N}]*$/u.test(text)) return this.#leaf(words);
    const phrase = text.toLowerCase();
    // What the index takes apart into no word at all is in no document for it.
    const wide = /[\p{L}\p{N}]/u.test(text) ? words : undefined;
    return { wide, exact: undefined, judge: (_names, line) => line.toLowerCase().includes(phrase) };
  }

  #field({ field: named, operator, value }: FieldNode): Clause {
    const field = fieldNamed(named.text, this.#fields);
    if (field === undefined) {
      const near = nearestField(named.text, this.#fields);
      const hint = near === undefined ? 'quote it to look for it in the text' : `did you mean ${near}?`;
      throw new SearchError(this.#query, named, `no stream has a field "${named.text}"`, hint);
    }
    const sign = SIGNS[operator];
    const { range } = COMPARISONS[sign];
    if (range !== undefined) return { range: { [field]: { [range]: this.#ordered(field, value) } } };
    const equals = this.#equals(field, value, operator === ':');
    // A field that is not there is NULL: it is not known whether it differs.
    return sign === '=' ? equals : { bool: { filter: [{ exists: { field } }], must_not: [equals] } };
  }

  #equals(field: string, value: SearchValue, isLoose = false): Clause {
    const type = this.#fields[field]!;
    const { text, isQuoted } = value;
    if (!isQuoted && text === '*') return { exists: { field } };
    if (type === 'keyword') {
      if (!isQuoted && text.includes('*')) return { wildcard: { [field]: { value: text } } };
      // `path:/api` is everything below it; `path=/api` is that path.
      if (isLoose && !isQuoted && text.startsWith('/')) return { prefix: { [field]: text } };
      return { term: { [field]: text } };
    }
    const century = type === 'long' ? /^([1-9])xx$/i.exec(text) : null;
    if (century !== null) {
      const from = Number(century[1]) * 100;
      return { range: { [field]: { gte: from, lt: from + 100 } } };
    }
    if (type === 'boolean') {
      if (text !== 'true' && text !== 'false') throw this.#wrong(field, type, value, 'true or false');
      return { term: { [field]: text === 'true' } };
    }
    if (type === 'ip') {
      const [address = '', bits] = text.split('/');
      const isRange =
        bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (isIP(address) === 4 ? 32 : 128));
      if (isIP(address) === 0 || !isRange) throw this.#wrong(field, type, value, 'such as 192.0.2.7 or 192.0.2.0/24');
      return { term: { [field]: text } };
    }
    return { term: { [field]: this.#ordered(field, value) } };
  }

  #ordered(field: string, value: SearchValue): string | number {
    const type = this.#fields[field]!;
    const { text } = value;
    if (type === 'long' || type === 'double') {
      const number = /^-?\d+(\.\d+)?(e\d+)?$/i.test(text) ? Number(text) : Number.NaN;
      if (Number.isNaN(number)) throw this.#wrong(field, type, value, 'a number, such as 500');
      return number;
    }
    if (type === 'date') {
      const timeMs = parseTimestamp(text);
      if (timeMs === undefined) throw this.#wrong(field, type, value, 'such as 2026-11-26T10:05:00Z');
      return new Date(timeMs).toISOString();
    }
    if (type === 'boolean') throw this.#wrong(field, type, value, 'use : with true or false');
    return text;
  }

  #wrong(field: string, type: FieldType, value: SearchValue, form: string): SearchError {
    return new SearchError(this.#query, value, `${field} is of type ${type}, and "${value.text}" is not`, form);
  }
}

/** What search writes otherwise than SQL. */
const SIGNS: Readonly<Record<Operator, ComparisonSign>> = {
  ':': '=',
  '=': '=',
  '!=': '<>',
  '>': '>',
  '>=': '>=',
  '<': '<',
  '<=': '<=',
};

/** The line stands in `message`, or in `event.original` where a codec has a field `message` of its own. */
function inText(clause: (field: string) => Clause): Clause {
  return { bool: { should: [clause('message'), clause('event.original')], minimum_should_match: 1 } };
}

function not({ exact, judge }: Compiled): Compiled {
  const clause = exact === undefined ? undefined : { bool: { must_not: [exact] } };
  return { wide: clause, exact: clause, judge: (names, text) => !judge(names, text) };
}

function areAll(clauses: readonly (Clause | undefined)[]): clauses is readonly Clause[] {
  return clauses.every((clause) => clause !== undefined);
}
