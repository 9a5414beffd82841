import { keptOfLine, shownLine } from '../../epoch/dead-letter.ts';
import { escapeText } from '../../lib/escape.ts';
import { parseExactJson } from '../../lib/exact-integer.ts';

type Document = Record<string, unknown>;

/** What is kept of a document when nobody knows which of its fields is the bad one. */
const BASE_FIELDS: ReadonlySet<string> = new Set([
  '@timestamp',
  'ecs.version',
  'event.dataset',
  'event.created',
  'agent.id',
  'log.file.path',
  'log.offset',
  'tailrace.hash_a',
  'tailrace.hash_b',
  'message',
  'event.original',
]);

/** A document that lost fields says so with this tag, and says which. */
const TAG = 'tailrace_field_dropped';
const DROPPED = 'tailrace.dropped_fields';
const REASON_CHARACTERS_MAX = 300;
/** More names than this are not listed: they are the document. */
const NAMES_MAX = 50;

/** Where the server's reasons name a field. */
const NAMED = [
  /failed to parse field \[([^\]]+)\]/g,
  /object mapping for \[([^\]]+)\]/g,
  /introduction of \[([^\]]+)\]/g,
  /immense term in field="([^"]+)"/g,
  /field \[([^\]]+)\]/g,
  /field name \[([^\]]+)\]/g,
  /\[([A-Za-z0-9_@.-]+)\] (?:is|of type|has)/g,
];

/** The document without the fields that a reason names, or undefined where it names none that may go. */
export function withoutNamedFields(json: string, reason: string): string | undefined {
  const document = parseExactJson(json) as Document;
  const named = NAMED.flatMap((pattern) => [...reason.matchAll(pattern)].map((match) => match[1]!));
  const dropped = Object.keys(document).filter(
    (name) => !BASE_FIELDS.has(name) && named.some((field) => name === field || name.startsWith(`${field}.`)),
  );
  return dropped.length === 0 ? undefined : dropFields(document, dropped);
}

/** The document with nothing but the line and where it comes from; undefined where it has no more than that already. */
export function withBaseFields(json: string): string | undefined {
  const document = parseExactJson(json) as Document;
  const dropped = Object.keys(document).filter((name) => !BASE_FIELDS.has(name) && name !== 'tags' && name !== DROPPED);
  return dropped.length === 0 ? undefined : dropFields(document, dropped);
}

function dropFields(document: Document, names: readonly string[]): string {
  for (const name of names) delete document[name];
  const { tags, [DROPPED]: before } = document;
  document['tags'] = [...new Set([...listOf(tags), TAG])];
  document[DROPPED] = [...listOf(before), ...names].slice(0, NAMES_MAX);
  return JSON.stringify(document);
}

function listOf(value: unknown): unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

export interface DeadLetterText {
  /** What was read, as text that is safe to show. */
  readonly message: string;
  readonly reason: string;
  readonly detail: string;
  readonly stream: string;
  readonly readAt: string;
  readonly agent: string;
  readonly path: string;
  readonly offset: number;
}

/** The document of a line that became none: nothing but texts and one number, so that every mapping takes it. */
export function deadLetterDocument(letter: DeadLetterText): string {
  return JSON.stringify({
    '@timestamp': letter.readAt,
    'event.kind': 'pipeline_error',
    'event.dataset': letter.stream,
    'agent.id': letter.agent,
    ...(letter.path === '' ? {} : { 'log.file.path': letter.path }),
    'log.offset': letter.offset,
    'error.type': letter.reason,
    'error.message': escapeText(letter.detail).slice(0, REASON_CHARACTERS_MAX),
    'tailrace.reason': letter.reason,
    message: letter.message,
  });
}

/** The line of a document. */
export function lineOf(json: string): Buffer {
  const document = JSON.parse(json) as Document;
  return Buffer.from(textOf(document['event.original'] ?? document['message']));
}

/** Where the line of a document stood; '' where that was not known. */
export function pathOf(json: string): string {
  return textOf((JSON.parse(json) as Document)['log.file.path']);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The dead letter of a document that its index refuses. */
export function deadLetterOf(json: string, reason: string): string {
  const document = JSON.parse(json) as Document;
  const text = (name: string): string => textOf(document[name]);
  const line = lineOf(json);
  return deadLetterDocument({
    message: shownLine(keptOfLine(line), line.length),
    reason: 'rejected',
    detail: reason,
    stream: text('event.dataset'),
    readAt: text('event.created') || text('@timestamp'),
    agent: text('agent.id'),
    path: text('log.file.path'),
    offset: Number(document['log.offset'] ?? 0),
  });
}
