import { randomBytes } from 'node:crypto';
import type { Assignment } from '../broker/broker.ts';
import { groupAssignment } from '../broker/kafka/group-assignment.ts';
import { staticAssignment } from '../broker/static-assignment.ts';
import { type Config, isShared } from '../config/config.ts';
import { ENGINE_DEFAULTS, Engine, type EngineOptions } from '../engine/engine.ts';
import type { Pipeline } from '../epoch/pipeline.ts';
import type { EngineRoleEvent } from './engine-text.ts';
import { kafkaClientOptions } from './kafka-client.ts';
import type { RoleContext } from './definitions.ts';

/** Which of how many. */
export interface Worker {
  readonly index: number;
  readonly workers: number;
}

/** How a role that runs tasks was started. */
export interface TaskRoleOptions {
  /** Somebody waits: every position is committed at once. */
  readonly isOnce: boolean;
  /** Set by `run`: this start may bring a changed pipeline. */
  readonly maySwitch: boolean;
  /** Of the pipeline, where other hosts share its partitions. */
  readonly generation: number | undefined;
}

/** Of a pipeline's tasks: what the configuration says, and how the role was started. */
export function engineOptions(
  { broker, checkpoint, snapshotBytes }: Config,
  pipeline: Pipeline,
  { isOnce, maySwitch, generation }: TaskRoleOptions,
): EngineOptions {
  return {
    ...ENGINE_DEFAULTS,
    pipeline,
    topicPrefix: broker.topicPrefix,
    checkpoint: { ...ENGINE_DEFAULTS.checkpoint, ...checkpoint },
    snapshotBytes,
    retainMs: broker.retainMs,
    maySwitch,
    isOnce,
    ...(generation === undefined ? {} : { generation }),
  };
}

export const newEpochId = (): string => randomBytes(16).toString('hex');

export async function runEngine(
  context: RoleContext<EngineRoleEvent>,
  options: Worker & TaskRoleOptions,
): Promise<void> {
  const { config, components, clock, log, meter, signal, notify } = context;
  const assignment = assignmentOf(context, options);
  const engine = new Engine({
    clock,
    log,
    meter,
    newId: newEpochId,
    assignment,
    ...components,
    options: engineOptions(config, config.pipeline, options),
    notify: (event) => notify(event.type === 'assigned' ? { ...event, isFixed: assignment.isFixed } : event),
  });
  await engine.run(signal);
}

/** Fixed by its number, or as a member of the group of all workers of the pipeline, whose name begins as all that is ours. */
function assignmentOf({ config, clock, notify }: RoleContext<EngineRoleEvent>, { index, workers }: Worker): Assignment {
  if (!isShared(config)) return staticAssignment(index, workers);
  const { broker, name } = config;
  const group = `${broker.topicPrefix}.${name}.workers`;
  return groupAssignment({
    clock,
    client: kafkaClientOptions(broker),
    group,
    notify: (line) => notify({ type: 'group', line }),
  });
}
