import { escapeJson, escapeText } from '../lib/escape.ts';
import type { FoundLine } from './search.ts';

/** Paints a text where a person looks; as it is otherwise. */
export type Paint = (colour: 'dim' | 'red' | 'yellow' | 'green', text: string) => string;

/** Lines that are longer are cut for the screen; `-o json` has them whole. */
const TEXT_CHARACTERS_MAX = 2000;

/** One line of a log for a screen: time, and then what an access log has in columns, or the line as it was. Nothing in it moves a cursor. */
export function lineText({ fields }: FoundLine, paint: Paint): string {
  const time = shown(fields['@timestamp'], 24);
  const method = fields['http.request.method'];
  const status = fields['http.response.status_code'];
  if (typeof method !== 'string' && typeof status !== 'number') {
    const level = fields['log.level'] ?? fields['level'];
    const mark = typeof level === 'string' ? `${paint(colourOfLevel(level), shown(level, 5))} ` : '';
    return `${paint('dim', time)} ${mark}${shown(fields['message'] ?? fields['event.original'] ?? '')}`;
  }
  const address = shown(fields['source.ip'] ?? fields['source.address'] ?? '-', 15);
  const code = typeof status === 'number' ? String(status) : '-';
  const bytes = shown(fields['http.response.body.bytes'] ?? '-').padStart(9);
  const request = `${shown(method ?? '-', 6)} ${shown(fields['url.original'] ?? fields['url.path'] ?? '-')}`;
  return `${paint('dim', time)} ${address} ${paint(colourOfStatus(status), code.padStart(3))} ${bytes} ${request}`;
}

/** The document as one line of JSON: what a terminal would obey is written as `\u…`, which is the same JSON. */
export function lineJson({ id, index, fields }: FoundLine): string {
  return escapeJson(JSON.stringify({ _index: index, _id: id, ...fields }));
}

function shown(value: unknown, width = 0): string {
  const text = escapeText(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
  return (text.length <= TEXT_CHARACTERS_MAX ? text : `${text.slice(0, TEXT_CHARACTERS_MAX - 1)}…`).padEnd(width);
}

function colourOfStatus(status: unknown): 'red' | 'yellow' | 'green' {
  if (typeof status !== 'number' || status >= 500) return 'red';
  return status >= 400 ? 'yellow' : 'green';
}

function colourOfLevel(level: string): 'red' | 'yellow' | 'dim' {
  if (/^(err|crit|fatal|alert|emerg)/i.test(level)) return 'red';
  return /^warn/i.test(level) ? 'yellow' : 'dim';
}
