import { suggestion } from '../config/nearest.ts';
import { pipelineTopics } from '../engine/task-kind.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import type { RoleContext } from './role.ts';
import type { SinkRoleEvent } from './sink-text.ts';
import { whenItsTurn } from './turn.ts';

export interface SinkRoleOptions {
  /** The second process of a warehouse, which answers SQL. */
  readonly isReplica: boolean;
  /** Set by `run`: this start may bring changed streams. */
  readonly maySwitch: boolean;
  /** Somebody waits: every position is committed at once. */
  readonly isOnce: boolean;
  /** Of the pipeline and of each stream's documents, where other hosts may run the sink. */
  readonly generation: number | undefined;
  readonly documentGenerations: Readonly<Record<string, number>>;
}

/** The role of one sink, whatever its type. */
export async function runSink(
  context: RoleContext<SinkRoleEvent>,
  name: string,
  options: SinkRoleOptions,
): Promise<void> {
  const { config, log } = context;
  const sink = Object.hasOwn(config.sinks, name) ? config.sinks[name] : undefined;
  if (sink === undefined) {
    const hint = suggestion(name, Object.keys(config.sinks));
    const unknown = { code: 'SINK_UNKNOWN', exitCode: EXIT.usage };
    throw new OperatingError(`there is no sink "${name}"`, hint === undefined ? unknown : { ...unknown, hint });
  }
  // Whoever comes first makes the topics.
  await log.ensureTopics(pipelineTopics(config.pipeline, config.broker.topicPrefix));
  // A sink loads the client of its own store only.
  if (sink.type === 'duckdb')
    return (await import('./warehouse-sink.ts')).runWarehouse(context, name, sink, options.isReplica);
  return whenItsTurn(context, name, async (signal) => {
    const own = { ...context, signal };
    if (sink.type === 'events')
      return (await import('./events-sink.ts')).runEvents(own, name, sink, options.generation);
    return (await import('./elasticsearch-sink.ts')).runElasticsearch(own, name, sink, options);
  });
}
