import type { Config } from '../../config/config.ts';
import type { Pipeline, StreamSpec } from '../../epoch/pipeline.ts';
import type { WrittenExpression } from '../../expressions/tree.ts';
import { filterOf } from '../../transforms/filter.ts';

/** What documents depend on: how lines are read, and nothing of rollups or of the clock of windows. `where`: which lines become documents. */
export function documentPipeline(
  { name }: Config,
  stream: string,
  { partitions, codec, transforms, eventTime }: StreamSpec,
  where?: WrittenExpression,
): Pipeline {
  const { field, timeZone, maxFutureMs } = eventTime;
  const all = where === undefined ? transforms : [...(transforms ?? []), filterOf(where, 'where')];
  const noClock = { outOfOrdernessMs: 0, idleTimeoutMs: 30_000, agentLostTimeoutMs: 3_600_000 };
  const spec = {
    partitions,
    codec,
    ...(all === undefined ? {} : { transforms: all }),
    eventTime: { ...noClock, field, ...(timeZone === undefined ? {} : { timeZone }), maxFutureMs },
  };
  return { version: 1, name, streams: { [stream]: spec }, rollups: {}, tables: {} };
}
