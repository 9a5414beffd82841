import { type SearchFields, isTextName } from './search-fields.ts';
import type { SearchNode, SearchValue } from './search-node.ts';

export interface SearchedTime {
  /** As it was written: `1h`, or a time. */
  readonly since: string;
  readonly until: string;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly nowMs: number;
}

/** What is said where nothing was found: a line that names the time, and one for what may have been meant otherwise. */
export function nothingFound(node: SearchNode | undefined, fields: SearchFields, time: SearchedTime): string[] {
  const { since, until, sinceMs, untilMs, nowMs } = time;
  const ago = /^-?\d+[a-z]+$/.test(since) ? ` (${since.replace('-', '')})` : '';
  const to = until === 'now' ? '' : ` until ${clockTime(untilMs, nowMs)}`;
  const line = `no line${node === undefined ? '' : ' matches'} since ${clockTime(sinceMs, nowMs)}${ago}${to}`;
  const hint = valuesOf(node, fields)
    .map(hintOf)
    .find((text) => text !== undefined);
  return hint === undefined ? [line] : [line, `hint: ${hint}`];
}

/** Without the day where it is today. */
function clockTime(timeMs: number, nowMs: number): string {
  const [day, clock] = [new Date(timeMs).toISOString().slice(0, 10), new Date(timeMs).toISOString().slice(11, 16)];
  return `${day === new Date(nowMs).toISOString().slice(0, 10) ? '' : `${day} `}${clock} UTC`;
}

interface Place {
  readonly value: SearchValue;
  readonly isText: boolean;
}

function valuesOf(node: SearchNode | undefined, fields: SearchFields): Place[] {
  switch (node?.kind) {
    case 'and':
    case 'or':
      return node.nodes.flatMap((inner) => valuesOf(inner, fields));
    case 'not':
      return valuesOf(node.node, fields);
    case 'text':
      return [{ value: node.value, isText: true }];
    case 'field':
      return [{ value: node.value, isText: isTextName(node.field.text, fields) }];
    default:
      return [];
  }
}

function hintOf({ value: { text, isQuoted }, isText }: Place): string | undefined {
  if (isQuoted) return undefined;
  if (isText && /^(and|or|not)$/i.test(text))
    return `"${text}" was looked for in the text: the operators are AND, OR and NOT, in capitals`;
  if (isText && text.slice(0, -1).includes('*'))
    return '* works at the end of a word, and anywhere in a field: path:*cart*';
  if (isText && text === '*') return '* alone is looked for in the text: leave the query out for every line';
  if (/[\w*]\?[\w*]/.test(text)) return `? stands for itself in ${text}: * is the only wildcard`;
  return undefined;
}
