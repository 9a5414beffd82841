import type { EngineEvent } from '../../engine/engine.ts';
import { describeError } from '../../lib/errors.ts';
import { escapeText } from '../../lib/escape.ts';
import { formatDuration } from '../../lib/units.ts';
import type { SenderEvent } from '../../sinks/elasticsearch/bulk-sender.ts';
import type { RetentionEvent } from '../../sinks/elasticsearch/retention.ts';
import type { RollupWriterEvent } from '../../sinks/elasticsearch/rollup-writer.ts';
import { trimFailureText } from '../engine-text.ts';

/** Of documents on their way, and of the tasks that make them. */
export type DocumentsEvent =
  | { readonly type: 'documents'; readonly event: SenderEvent }
  | { readonly type: 'document_task'; readonly event: EngineEvent };

/** `group` reads for the part of the sink that tells it. */
export type ElasticsearchRoleEvent =
  | DocumentsEvent
  | { readonly type: 'elasticsearch'; readonly group: string; readonly event: RollupWriterEvent }
  | { readonly type: 'retention'; readonly group: string; readonly event: RetentionEvent }
  /** Somebody has changed them: they stay. */
  | { readonly type: 'templates_differ'; readonly names: readonly string[] }
  | { readonly type: 'templates_forbidden' };

/** What a person should know of it, as a line. */
export function elasticsearchText(event: ElasticsearchRoleEvent): string | undefined {
  switch (event.type) {
    case 'elasticsearch':
      return `${event.group}: ${rollupText(event.event)}`;
    case 'retention':
      return `${event.group}: ${retentionText(event.event)}`;
    case 'templates_differ':
      return `warning: templates differ from this pipeline's: ${event.names.join(', ')} (see provision elasticsearch --diff)`;
    case 'templates_forbidden':
      return 'warning: this key may not look at index templates: make them with provision elasticsearch and another key';
    case 'documents':
      return documentsText(event.event);
    case 'document_task':
      return documentTaskText(event.event);
    default:
      return undefined;
  }
}

function rollupText(event: RollupWriterEvent): string {
  if (event.type === 'away') return `${describeError(event.error)}; waiting for it`;
  if (event.type === 'back') return `Elasticsearch is back after ${wholeSeconds(event.awayMs)}`;
  return `${event.count} rows refused, the last one ${event.id} by ${event.index}: ${event.reason}`;
}

function retentionText(event: RetentionEvent): string {
  return event.type === 'deleted'
    ? `older than the retention, deleted: ${event.indices.join(', ')}`
    : `old indices stay: ${describeError(event.error)}`;
}

function documentsText(event: SenderEvent): string {
  if (event.type === 'away') return `documents wait, nothing else does: ${describeError(event.error)}`;
  if (event.type === 'back') return `documents go in again after ${wholeSeconds(event.awayMs)}`;
  const what = event.type === 'rejected' ? 'documents became dead letters' : 'documents lost fields';
  return `${event.count} ${what}, the last one: ${escapeText(event.reason).slice(0, 300)}`;
}

function documentTaskText(event: EngineEvent): string | undefined {
  if (event.type === 'assigned') return undefined;
  const task = `${event.task.stream}/${event.task.partition}`;
  if (event.type === 'history_from')
    return `${task}: the raw log was trimmed before: documents begin at offset ${event.offset}`;
  if (event.type === 'trim_failed') return trimFailureText(event);
  if (event.type === 'restored' && event.epochs > 0) return `${task}: ${event.rawEnd - event.to} messages behind`;
  return undefined;
}

function wholeSeconds(ms: number): string {
  return formatDuration(Math.ceil(ms / 1000) * 1000);
}
