import type { Operator, Span } from './search-node.ts';

/** What of another query language stands somewhere, and how it is said here. */
export interface Foreign {
  readonly span: Span;
  readonly what: string;
  readonly hint: string;
}

const MATCHES = /^([A-Za-z_@][\w.@-]*)!?~(?=.)/;
/** Between slashes, something that only a regular expression has: `/api/` is a path. */
const EXPRESSION = /^\/.*(\.[*+?]|[[\]\\^$|{}]).*\/$/;
const NO_EXPRESSIONS = 'there are no regular expressions here';
const ONLY_WILDCARD = '* is the only wildcard; quote it to look for it as it is';

/** Operators of other languages, which as words would be looked for in lines that do not have them. */
export function foreignWord(text: string, start: number): Foreign | undefined {
  const at = (from: number, to: number): Span => ({ start: start + from, end: start + to });
  if (text === '&&' || text === '||') {
    const hint = text === '||' ? 'write OR' : 'write AND, or nothing: parts beside each other must all be found';
    return { span: at(0, 2), what: `${text} is not an operator here`, hint };
  }
  if (text.startsWith('!')) {
    const hint = text === '!' ? 'write - or NOT' : `write -${text.replace(/^!+/, '')}`;
    return { span: at(0, 1), what: '! is not an operator here', hint: `${hint}; quote it to look for it in the text` };
  }
  if (text === '-') return { span: at(0, 1), what: '- has nothing behind it', hint: 'write -word, without a blank' };
  const name = MATCHES.exec(text);
  if (name !== null) {
    const span = at(name[0].length - 1, name[0].length);
    const hint = `write ${name[1]}:*${text.slice(name[0].length)}*; quote it to look for it in the text`;
    return { span, what: '~ is not an operator here', hint };
  }
  if (EXPRESSION.test(text)) return { span: at(0, text.length), what: NO_EXPRESSIONS, hint: ONLY_WILDCARD };
  return undefined;
}

/** The same for the value of a field. */
export function foreignValue(name: string, operator: Operator, text: string, start: number): Foreign | undefined {
  const isEqual = operator === ':' || operator === '=' || operator === '!=';
  if (!isEqual) return undefined;
  const span = { start, end: start + text.length };
  const [more] = /^([<>]=?|=|~)/.exec(text) ?? [];
  if (more !== undefined) {
    const rest = text.slice(more.length);
    const hint = more === '~' ? `write ${name}:*${rest}*` : `write ${name}${more}${rest}`;
    return { span: { start, end: start + more.length }, what: `${operator}${more} is not an operator here`, hint };
  }
  if (EXPRESSION.test(text)) return { span, what: NO_EXPRESSIONS, hint: ONLY_WILDCARD };
  return undefined;
}

/** Several values of one field in parentheses, at whose ( this stands. */
export function foreignGroup(name: string, operator: Operator, query: string, start: number): Foreign {
  const close = query.indexOf(')', start);
  const end = close < 0 ? query.length : close + 1;
  const words = query.slice(start + 1, close < 0 ? end : close).match(/"[^"]*"|\S+/g) ?? [];
  const parts = words.map((word) => (/^(AND|OR|NOT)$/.test(word) ? word : `${name}${operator}${word}`));
  return {
    span: { start, end },
    what: `${name}${operator} takes one value`,
    hint: parts.length === 0 ? `such as ${name}${operator}value` : `write (${parts.join(' ')})`,
  };
}
