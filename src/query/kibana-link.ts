import type { SearchNode, SearchValue } from './search-node.ts';
import { type SearchFields, fieldNamed, isTextName } from './search-fields.ts';

/** A value as Rison writes it, which is how Kibana writes its state into addresses. */
export function rison(value: unknown): string {
  if (value === null || value === undefined) return '!n';
  if (typeof value === 'boolean') return value ? '!t' : '!f';
  if (typeof value === 'number') return Number.isFinite(value) ? String(value).replace('e+', 'e') : '!n';
  if (typeof value === 'string') return risonText(value);
  if (Array.isArray(value)) return `!(${value.map(rison).join(',')})`;
  const entries = Object.entries(value as Readonly<Record<string, unknown>>);
  return `(${entries.map(([name, inner]) => `${risonText(name)}:${rison(inner)}`).join(',')})`;
}

/** Characters of identifiers, which need no quotes: https://github.com/w33ble/rison-node. */
const PLAIN = /^[^-0-9 '!:(),*@$][^ '!:(),*@$]*$/;

function risonText(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replace(/[!']/g, '!$&')}'`;
}

export interface DiscoverLink {
  /** Address of Kibana, such as `http://127.0.0.1:5601`, with its base path if it has one. */
  readonly kibana: string;
  /** Id of the data view. */
  readonly dataView: string;
  /** In Kibana's query language. */
  readonly query: string;
  /** Anything that Kibana takes as a time: `now-15m`, or ISO 8601. */
  readonly from: string;
  readonly to: string;
  readonly columns: readonly string[];
}

/** The address at which Kibana's Discover shows a search. */
export function discoverLink({ kibana, dataView, query, from, to, columns }: DiscoverLink): string {
  const global = rison({ time: { from, to } });
  const app = rison({
    columns,
    dataSource: { dataViewId: dataView, type: 'dataView' },
    query: { language: 'kuery', query },
    sort: [['@timestamp', 'desc']],
  });
  const state = [global, app].map((part) => encodeURIComponent(part).replaceAll("'", '%27'));
  return `${kibana.replace(/\/+$/, '')}/app/discover#/?_g=${state[0]}&_a=${state[1]}`;
}

export function dashboardLink(kibana: string, id: string): string {
  return `${kibana.replace(/\/+$/, '')}/app/dashboards#/view/${encodeURIComponent(id)}`;
}

/** A search in Kibana's query language. A phrase becomes its words: the index keeps no positions. */
export function kqlOf(node: SearchNode | undefined, fields: SearchFields): string {
  if (node === undefined) return '';
  switch (node.kind) {
    case 'and':
    case 'or':
      return `(${node.nodes.map((inner) => kqlOf(inner, fields)).join(` ${node.kind} `)})`;
    case 'not':
      return `not ${kqlOf(node.node, fields)}`;
    case 'text': {
      const words = node.value.text.split(/[^\p{L}\p{N}._]+/u).filter((word) => word !== '');
      return words.length === 0 ? 'message: *' : `(${words.map((word) => `message: ${kqlText(word)}`).join(' and ')})`;
    }
    case 'field': {
      if (isTextName(node.field.text, fields)) {
        const text = kqlOf({ kind: 'text', value: node.value }, fields);
        return node.operator === '!=' ? `not ${text}` : text;
      }
      const field = fieldNamed(node.field.text, fields) ?? node.field.text;
      if (node.operator === '!=') return `not ${field}: ${kqlValue(node.value)}`;
      const isEqual = node.operator === ':' || node.operator === '=';
      const isBelow = node.operator === ':' && node.value.text.startsWith('/') && !node.value.isQuoted;
      if (isBelow && fields[field] === 'keyword') return `${field}: ${kqlEscaped(node.value.text)}*`;
      return isEqual ? `${field}: ${kqlValue(node.value)}` : `${field} ${node.operator} ${kqlText(node.value.text)}`;
    }
  }
}

function kqlValue({ text, isQuoted }: SearchValue): string {
  const century = /^([1-9])xx$/i.exec(text);
  if (century !== null && !isQuoted) return `(>= ${century[1]}00 and < ${Number(century[1]) + 1}00)`;
  return !isQuoted && text.includes('*') ? text.split('*').map(kqlEscaped).join('*') : kqlText(text);
}

function kqlText(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

function kqlEscaped(text: string): string {
  return text.replace(/[\\():<>"*{}\s]/g, '\\$&');
}
