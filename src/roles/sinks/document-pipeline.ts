import type { Config } from '../../config/config.ts';
import type { Pipeline, StreamSpec } from '../../epoch/pipeline.ts';

/** What documents depend on: how lines are read, and nothing of rollups or of the clock of windows. */
export function documentPipeline(
  { name }: Config,
  stream: string,
  { partitions, codec, transforms, eventTime }: StreamSpec,
): Pipeline {
  const { field, timeZone, maxFutureMs } = eventTime;
  const noClock = { outOfOrdernessMs: 0, idleTimeoutMs: 30_000, agentLostTimeoutMs: 3_600_000 };
  const spec = {
    partitions,
    codec,
    ...(transforms === undefined ? {} : { transforms }),
    eventTime: { ...noClock, field, ...(timeZone === undefined ? {} : { timeZone }), maxFutureMs },
  };
  return { version: 1, name, streams: { [stream]: spec }, rollups: {}, tables: {} };
}
