import { type Metric, Registry } from 'prom-client';
import type { Family } from './metric-set.ts';

/** What every series of a process gets, so that those of two processes are never one. */
export const PROCESS_LABEL = 'process';

/** The families of several processes as one text; `families` by the name of the process. */
export function gatheredText(families: ReadonlyMap<string, readonly Family[]>): Promise<string> {
  const merged = new Map<string, Family>();
  for (const [process, ofProcess] of families) {
    for (const family of ofProcess) {
      const values = family.values.map((value) => ({
        ...value,
        labels: { ...value.labels, [PROCESS_LABEL]: process },
      }));
      const before = merged.get(family.name);
      merged.set(family.name, { ...family, values: [...(before?.values ?? []), ...values] });
    }
  }
  const registry = new Registry();
  // Whatever has a name and answers `get` is a metric to a registry: prom-client gathers the processes of a cluster so.
  for (const family of merged.values())
    registry.registerMetric({ ...family, get: () => Promise.resolve(family) } as unknown as Metric);
  return registry.metrics();
}
