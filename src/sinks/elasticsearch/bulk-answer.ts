import { OperatingError } from '../../lib/errors.ts';
import { escapeText } from '../../lib/escape.ts';

/** What became of one document that was not simply stored. */
export interface ItemFailure {
  /** Its place in the request. */
  readonly position: number;
  /** `again`: the server could not now. `refused`: it will never take this document as it is. `kept_aside`: its failure store has it. */
  readonly type: 'again' | 'refused' | 'kept_aside';
  readonly status: number;
  /** Type, reason and causes as the server says them: not yet safe to show. */
  readonly reason: string;
}

/**
 * Errors with status 400 that speak of the cluster and not of the document: too many shards, a closed index. Whoever runs the cluster mends
 * them, and then the same document goes in; judging it by them would throw away good lines.
 */
const NOT_OF_THE_DOCUMENT: ReadonlySet<string> = new Set([
  'validation_exception',
  'index_closed_exception',
  'cluster_block_exception',
  'index_not_found_exception',
  'invalid_index_name_exception',
  'illegal_index_shard_state_exception',
  'process_cluster_event_timeout_exception',
]);

/**
 * Elasticsearch has one name, `illegal_argument_exception`, for what is wrong with a document (a term that is too long, more fields than an
 * index may have) and with the cluster (a pipeline or a write index that does not exist, a shard that is full). Only what speaks of fields
 * and mappings is of the document.
 */
const AMBIGUOUS = 'illegal_argument_exception';
const OF_THE_DOCUMENT = /\bfields?\b|immense term|DocValuesField|mapping depth|mapper \[|object mapping/i;
/** What is said when an index that is to be made is at fault: its template is. */
const OF_THE_TEMPLATE = /Failed to parse mapping|index sort field|composable template/;

const STORED = 201;
const REPLACED = 200;
/** `create` of an id that is there: an earlier try went through. */
const THERE_ALREADY = 409;
const REFUSED = 400;
export const TOO_LARGE = 413;

/**
 * Judges each item of an answer to a bulk of `count` documents, whose ids in order `idOf` gives. Returns what was not stored, or undefined
 * when this is not an answer to that request (short, garbled, of another request): its outcome is unknown then.
 */
export function judgeAnswer(
  answer: unknown,
  count: number,
  idOf: (position: number) => string,
): ItemFailure[] | undefined {
  const items = property(answer, 'items');
  if (!Array.isArray(items) || items.length !== count) return undefined;
  const failures: ItemFailure[] = [];
  for (let position = 0; position < count; position++) {
    const item = property(items[position], 'create');
    const status = property(item, 'status');
    if (typeof status !== 'number' || property(item, '_id') !== idOf(position)) return undefined;
    if (property(item, 'failure_store') === 'used') {
      failures.push({ position, type: 'kept_aside', status, reason: 'the failure store of the index has it' });
      continue;
    }
    if (isStored(status)) continue;
    const error = property(item, 'error');
    failures.push({ position, type: isRefused(status, error) ? 'refused' : 'again', status, reason: reasonsOf(error) });
  }
  return failures;
}

/** Stored now, or there already: in another version where it has one. */
export function isStored(status: number): boolean {
  return status === STORED || status === REPLACED || status === THERE_ALREADY;
}

/** Whether the server will never take this document as it is; else it is the cluster that could not now. */
export function isRefused(status: number, error: unknown): boolean {
  if (status === TOO_LARGE) return true;
  if (status !== REFUSED) return false;
  const type = property(error, 'type');
  const reason = reasonsOf(error);
  if (NOT_OF_THE_DOCUMENT.has(String(type)) || OF_THE_TEMPLATE.test(reason)) return false;
  return type !== AMBIGUOUS || OF_THE_DOCUMENT.test(reason);
}

/** `what` is documents that the server has answered with nothing but `again`. */
export function busyError(what: string, status: number, reason: string): OperatingError {
  return new OperatingError(`Elasticsearch takes no ${what} now (${status}: ${escapeText(reason).slice(0, 200)})`, {
    code: 'ES_BUSY',
    isRetryable: true,
    hint: 'it is asked again; look at its load, its disk, its shards and what the key may do when that goes on',
  });
}

const CAUSES_MAX = 5;
/** Patterns look for the names of fields in it. */
const REASON_CHARACTERS_MAX = 2000;

/** Type, reason and causes of an error: not yet safe to show. */
export function reasonsOf(error: unknown): string {
  const parts: string[] = [];
  let at = error;
  for (let depth = 0; at !== undefined && depth < CAUSES_MAX; depth++) {
    for (const part of [property(at, 'type'), property(at, 'reason')])
      if (typeof part === 'string') parts.push(part.slice(0, REASON_CHARACTERS_MAX));
    at = property(at, 'caused_by');
  }
  return parts.join(': ');
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
