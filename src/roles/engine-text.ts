import type { EngineEvent } from '../engine/engine.ts';
import { describeError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { type ClusterEvent, clusterText } from './cluster-text.ts';
import type { GroupEvent } from './turn.ts';

/** Where the number of a worker says what it has, it has that for good. */
type AssignedEvent = Extract<EngineEvent, { type: 'assigned' }> & { readonly isFixed: boolean };

export type EngineRoleEvent = Exclude<EngineEvent, { type: 'assigned' }> | AssignedEvent | GroupEvent | ClusterEvent;

/** From this fence in a row on, somebody should look: another worker holds the partition for good. */
const FENCED_ALARM_AT = 3;

/** Characters of a key that are enough to recognise it. */
const KEY_SHOWN_MAX = 200;

/** What a person should know of a task; most of what it does is nobody's business. */
export function engineText(event: EngineRoleEvent): string | undefined {
  if (event.type === 'cluster') return clusterText(event);
  if (event.type === 'group') return event.line;
  if (event.type === 'assigned') return assignedText(event);
  const task = `${event.task.stream}/${event.task.partition}`;
  if (event.type === 'refused') {
    const { refusal } = event;
    const wayOut =
      refusal.reason === 'gap'
        ? `when its file is still there: stop the agent, tailrace agent resend ${refusal.source}, start it`
        : 'see docs/runbook.md, A block was refused';
    return `ALARM ${task}: a block of ${refusal.source || 'an unknown source'} was refused (${refusal.reason}), bytes ${refusal.start} to ${refusal.end} (${wayOut})`;
  }
  if (event.type === 'history_from')
    return `${task}: the raw log was trimmed before: history begins at offset ${event.offset}`;
  if (event.type === 'trim_failed') return trimFailureText(event);
  if (event.type === 'rows_full') return fullTableText(task, event);
  if (event.type === 'fenced') {
    const alarm = event.inARow >= FENCED_ALARM_AT ? 'ALARM ' : '';
    return `${alarm}${task}: fenced ${event.inARow} in a row, another worker wrote its epochs: asks in ${event.pauseMs} ms whether it is still ours`;
  }
  if (event.type === 'restored' && event.epochs > 0) {
    return `${task}: state restored from ${event.epochs} epochs in ${Math.round(event.tookMs)} ms, ${event.rawEnd - event.to} messages behind`;
  }
  return undefined;
}

/** The key comes from whoever sends requests. */
function fullTableText(task: string, { rollup, first }: Extract<EngineEvent, { type: 'rows_full' }>): string {
  const key = escapeText(first.key.map((value) => value ?? 'NULL').join(', ')).slice(0, KEY_SHOWN_MAX);
  const window = new Date(first.windowStartMs).toISOString();
  if (!first.isFull)
    return `ALARM ${task}: table ${rollup} cannot tell apart keys with numbers that are too large for their type, such as ${key}: their lines go into one row, where is_other is true (declare the field as keyword to keep every digit)`;
  return `ALARM ${task}: table ${rollup} has no row left for the key ${key} in the window of ${window}: rows_max is ${first.rowsMax}, and the lines of all further keys go into one row, where is_other is true (see docs/runbook.md, A table is full)`;
}

/** Silent about what a worker has for good: only what moves is news, and a worker that has nothing. */
function assignedText({ gained, lost, held, isFixed }: AssignedEvent): string | undefined {
  const changes = [
    ...(gained.length > 0 ? [`takes ${gained.join(', ')}`] : []),
    ...(lost.length > 0 ? [`gives up ${lost.join(', ')}`] : []),
  ];
  if (held > 0 && (isFixed || changes.length === 0)) return undefined;
  const number = held === 0 ? 'no partition: idle' : held === 1 ? '1 partition' : `${held} partitions`;
  return [...changes, `has ${number}`].join('; ');
}

export function trimFailureText({ task, error }: Extract<EngineEvent, { type: 'trim_failed' }>): string {
  return `${task.stream}/${task.partition}: what everybody has read stays in the log, which grows: ${describeError(error)}`;
}
