import type { Config } from '../config/config.ts';
import { suggestion } from '../config/nearest.ts';
import { pipelineTopics } from '../engine/task-kind.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import type { Components, RoleContext, SinkRunOptions } from './definitions.ts';
import { type NamedSink, sinksOf } from './sink-readers.ts';
import { whenItsTurn } from './turn.ts';

/** The sink of a name, or how it is spelt. */
export function sinkNamed(config: Config, components: Components, named: string): NamedSink {
  const found = sinksOf(config, components).find(({ name }) => name === named);
  if (found !== undefined) return found;
  const hint = suggestion(named, Object.keys(config.sinks));
  const unknown = { code: 'SINK_UNKNOWN', exitCode: EXIT.usage };
  throw new OperatingError(`there is no sink "${named}"`, hint === undefined ? unknown : { ...unknown, hint });
}

/** The role of one sink, whatever its type. */
export async function runSink(
  context: RoleContext<any>,
  { name, sink, definition }: NamedSink,
  options: SinkRunOptions,
): Promise<void> {
  const { config, log } = context;
  // Whoever comes first makes the topics.
  await log.ensureTopics(pipelineTopics(config.pipeline, config.broker.topicPrefix));
  const run = (signal: AbortSignal): Promise<void> => definition.run({ ...context, signal }, name, sink, options);
  return definition.isShared ? whenItsTurn(context, name, run) : run(context.signal);
}
