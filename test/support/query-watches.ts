// Who watches queries in a test: nobody who ends this process.
import type { QueryWatch } from '../../src/sinks/duckdb/query-watch.ts';
import type { WatchLimits } from '../../src/sinks/duckdb/watchdog.ts';

/** A minute is enough for any query that ends; memory is that of the whole test process. */
export const NO_LIMITS: WatchLimits = {
  timeoutMs: 60_000,
  suspectTimeoutMs: 60_000,
  graceMs: 60_000,
  rssBytesHigh: Infinity,
  rssBytesMax: Infinity,
  addedBytesHigh: Infinity,
  addedBytesMax: Infinity,
};

/** Interrupts after `timeoutMs` and never ends anything. */
export function onlyTimeout(timeoutMs: number): QueryWatch {
  return {
    timeoutMs: () => timeoutMs,
    judge: () => 'fine',
    ready: () => Promise.resolve(),
    began: () => ({ progressed: () => undefined, interrupted: () => undefined, ended: () => undefined }),
    close: () => Promise.resolve(),
  };
}
