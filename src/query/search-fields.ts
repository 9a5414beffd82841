import { distance } from 'fastest-levenshtein';
import type { FieldType } from '../record/batch.ts';

/** Fields that a search can name, with their types: those of the streams, and those that every document has. */
export type SearchFields = Readonly<Record<string, FieldType>>;

/** What every document of a line has, whatever its codec. */
export const LINE_SEARCH_FIELDS: SearchFields = {
  '@timestamp': 'date',
  'event.created': 'date',
  'event.dataset': 'keyword',
  'agent.id': 'keyword',
  'log.file.path': 'keyword',
  'log.offset': 'long',
  tags: 'keyword',
};

/** Short names, in the order in which they are tried: the first that the streams have is meant. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  status: ['http.response.status_code', 'status'],
  method: ['http.request.method', 'method'],
  path: ['url.path', 'path'],
  query: ['url.query'],
  url: ['url.original', 'url.full'],
  host: ['host.name', 'url.domain', 'host'],
  ip: ['source.ip', 'client.ip', 'ip'],
  client: ['source.address', 'client.address', 'source.ip'],
  user: ['user.name', 'user'],
  agent: ['user_agent.original'],
  referrer: ['http.request.referrer'],
  bytes: ['http.response.body.bytes', 'http.response.bytes', 'bytes'],
  version: ['http.version'],
  level: ['log.level', 'level'],
  service: ['service.name', 'service'],
  stream: ['event.dataset'],
  file: ['log.file.path'],
  offset: ['log.offset'],
  time: ['@timestamp'],
  read: ['event.created'],
};

/** The field that a name of a search means; undefined where there is none. */
export function fieldNamed(name: string, fields: SearchFields): string | undefined {
  if (Object.hasOwn(fields, name)) return name;
  const candidates = Object.hasOwn(ALIASES, name) ? ALIASES[name]! : [];
  return candidates.find((field) => Object.hasOwn(fields, field));
}

/** Whether a name means the line itself: it is looked for as a bare word is. Where a codec has a field of that name, this is meant. */
export function isTextName(name: string, fields: SearchFields): boolean {
  return name === 'message' && !Object.hasOwn(fields, name);
}

/** The nearest name that would be right, short ones included. */
export function nearestField(name: string, fields: SearchFields): string | undefined {
  // The first column of an access log is often called so.
  if (name === 'host' && fieldNamed('client', fields) !== undefined) return 'client';
  const known = [...Object.keys(fields), ...Object.keys(ALIASES).filter((alias) => fieldNamed(alias, fields))];
  const lower = name.toLowerCase();
  const [best] = known
    .map((field) => ({ field, edits: distance(lower, field.toLowerCase()) }))
    .sort((left, right) => left.edits - right.edits);
  return best !== undefined && best.edits <= Math.max(1, Math.floor(name.length / 3)) ? best.field : undefined;
}
