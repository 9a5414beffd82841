import { randomBytes } from 'node:crypto';
import type { Assignment } from '../broker/broker.ts';
import { groupAssignment } from '../broker/kafka/group-assignment.ts';
import { staticAssignment } from '../broker/static-assignment.ts';
import { AGGREGATES_BY_NAME, LINE_COMPONENTS, OPERATORS_BY_TYPE } from '../components.ts';
import { isShared } from '../config/config.ts';
import { ENGINE_DEFAULTS, Engine } from '../engine/engine.ts';
import type { EngineRoleEvent } from './engine-text.ts';
import { kafkaClientOptions } from './kafka-broker.ts';
import type { RoleContext } from './role.ts';

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

export async function runEngine(context: RoleContext<EngineRoleEvent>, options: EngineRoleOptions): Promise<void> {
  const { config, clock, log, signal, notify } = context;
  const assignment = assignmentOf(context, options);
  const engine = new Engine({
    clock,
    log,
    newId: () => randomBytes(16).toString('hex'),
    assignment,
    ...LINE_COMPONENTS,
    aggregates: AGGREGATES_BY_NAME,
    operators: OPERATORS_BY_TYPE,
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
