import { randomBytes } from 'node:crypto';
import type { Assignment } from '../broker/broker.ts';
import { groupAssignment } from '../broker/kafka/group-assignment.ts';
import { staticAssignment } from '../broker/static-assignment.ts';
import { AGGREGATES_BY_NAME, CODECS_BY_TYPE } from '../components.ts';
import { type Config, isShared } from '../config/config.ts';
import { ENGINE_DEFAULTS, Engine, type EngineEvent } from '../engine/engine.ts';
import type { Clock } from '../lib/clock.ts';
import { describeError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { kafkaClientOptions } from './kafka-broker.ts';
import { say } from '../cli/output.ts';
import type { RoleContext } from './role.ts';

/** From this fence in a row on, somebody should look: another worker holds the partition for good. */
const FENCED_ALARM_AT = 3;

/** Characters of a key that are enough to recognise it. */
const KEY_SHOWN_MAX = 200;

/** Which of how many. */
export interface Worker {
  readonly index: number;
  readonly workers: number;
}

export interface EngineRoleOptions extends Worker {
  /** Somebody waits: every position is committed at once. */
  readonly isOnce: boolean;
  /** Set by `run`: this start may bring a changed pipeline. */
  readonly maySwitch: boolean;
  /** Of the pipeline, where other hosts share its partitions. */
  readonly generation: number | undefined;
}

export async function runEngine(context: RoleContext, options: EngineRoleOptions): Promise<void> {
  const { config, clock, log, signal } = context;
  const assignment = assignmentOf(config, options, clock);
  const engine = new Engine({
    clock,
    log,
    newId: () => randomBytes(16).toString('hex'),
    assignment,
    codecs: CODECS_BY_TYPE,
    aggregates: AGGREGATES_BY_NAME,
    options: {
      ...ENGINE_DEFAULTS,
      pipeline: config.pipeline,
      topicPrefix: config.broker.topicPrefix,
      checkpoint: { ...ENGINE_DEFAULTS.checkpoint, ...config.checkpoint },
      snapshotBytes: config.snapshotBytes,
      retainMs: config.broker.retainMs,
      maySwitch: options.maySwitch,
      ...(options.generation === undefined ? {} : { generation: options.generation }),
      isOnce: options.isOnce,
    },
    notify: (event) => {
      const line = describeEngineEvent(event, assignment.isFixed);
      if (line !== undefined) say(line);
    },
  });
  await engine.run(signal);
}

/** Fixed by its number, or as a member of the group of all workers of the pipeline, whose name begins as all that is ours. */
function assignmentOf(config: Config, { index, workers }: Worker, clock: Clock): Assignment {
  if (!isShared(config)) return staticAssignment(index, workers);
  const { broker, name } = config;
  const group = `${broker.topicPrefix}.${name}.workers`;
  return groupAssignment({ clock, client: kafkaClientOptions(broker), group, notify: say });
}

/** What a person should know of a task; most of what it does is nobody's business. */
function describeEngineEvent(event: EngineEvent, isFixed: boolean): string | undefined {
  if (event.type === 'assigned') return describeAssigned(event, isFixed);
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
  if (event.type === 'trim_failed') return describeTrimFailure(event);
  if (event.type === 'rows_full') return describeFullTable(task, event);
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
function describeFullTable(task: string, { rollup, first }: Extract<EngineEvent, { type: 'rows_full' }>): string {
  const key = escapeText(first.key.map((value) => value ?? 'NULL').join(', ')).slice(0, KEY_SHOWN_MAX);
  const window = new Date(first.windowStartMs).toISOString();
  if (!first.isFull)
    return `ALARM ${task}: table ${rollup} cannot tell apart keys with numbers that are too large for their type, such as ${key}: their lines go into one row, where is_other is true (declare the field as keyword to keep every digit)`;
  return `ALARM ${task}: table ${rollup} has no row left for the key ${key} in the window of ${window}: rows_max is ${first.rowsMax}, and the lines of all further keys go into one row, where is_other is true (see docs/runbook.md, A table is full)`;
}

/** Silent about what a worker has for good: only what moves is news, and a worker that has nothing. */
function describeAssigned(
  { gained, lost, held }: Extract<EngineEvent, { type: 'assigned' }>,
  isFixed: boolean,
): string | undefined {
  const changes = [
    ...(gained.length > 0 ? [`takes ${gained.join(', ')}`] : []),
    ...(lost.length > 0 ? [`gives up ${lost.join(', ')}`] : []),
  ];
  if (held > 0 && (isFixed || changes.length === 0)) return undefined;
  const number = held === 0 ? 'no partition: idle' : held === 1 ? '1 partition' : `${held} partitions`;
  return [...changes, `has ${number}`].join('; ');
}

export function describeTrimFailure({ task, error }: Extract<EngineEvent, { type: 'trim_failed' }>): string {
  return `${task.stream}/${task.partition}: what everybody has read stays in the log, which grows: ${describeError(error)}`;
}
