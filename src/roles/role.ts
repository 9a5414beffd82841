import type { Log } from '../broker/broker.ts';
import { openEmbeddedLog } from '../broker/embedded/embedded-log.ts';
import type { Config } from '../config/config.ts';
import type { DataDir } from '../config/data-dir.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { acquireRoleLock } from '../lib/role-lock.ts';
import { listenForStop } from '../lib/stop-signals.ts';
import { dieWithSupervisor } from '../supervisor/child-process.ts';
import type { ClusterEvent } from './cluster-text.ts';
import type { Components, RoleContext } from './definitions.ts';
import { openConfiguredKafka } from './kafka-broker.ts';
import { Meter } from '../metrics/meter.ts';
import { makeDataDir } from './make-data-dir.ts';
import { reportMeasures } from './measures.ts';
import { tellSupervisor } from './supervisor-channel.ts';
import { watchWork } from './work-watch.ts';

/** A killed supervisor's roles die within moments: whoever starts next waits that long for their locks. */
const LOCK_WAIT_MS = 3000;

/** One role, from its lock to its drained end. */
export async function runRole<Event>(
  role: string,
  { config, components }: { readonly config: Config; readonly components: Components },
  notify: (event: Event | ClusterEvent) => void,
  work: (context: RoleContext<Event | ClusterEvent>) => Promise<void>,
): Promise<void> {
  dieWithSupervisor();
  const dataDir = makeDataDir(config.dataDir);
  const isSupervised = process.channel !== undefined;
  const stop = listenForStop({ isSupervised });
  const lock = acquireRoleLock(dataDir.run, role, { busyTimeoutMs: isSupervised ? LOCK_WAIT_MS : 0 });
  const opened = openLog(config, dataDir, systemClock, (event) => tellSupervisor(event) || notify(event), stop.signal);
  const log = isSupervised ? watchWork(opened, () => tellSupervisor({ type: 'worked' })) : opened;
  const meter = new Meter();
  const report = reportMeasures(meter, systemClock);
  const context = { config, components, dataDir, clock: systemClock, log, meter, signal: stop.signal, notify };
  // Also of a role that fails: what it has failed at is counted.
  await work(context).finally(() => report.end());
  // Only after a quiet end: what failed is not closed, the next process finds it as a crash would leave it.
  await log.close();
  lock.release();
  if (!isSupervised) process.exitCode = stop.exitCode();
}

/** `stop` ends waiting for a cluster that is away; what is in flight still gets its outcome. */
export function openLog(
  { broker }: Config,
  dataDir: DataDir,
  clock: Clock,
  notify: (event: ClusterEvent) => void,
  stop?: AbortSignal,
): Log {
  if (broker.type === 'kafka') return openConfiguredKafka(broker, clock, notify, stop);
  return openEmbeddedLog({ path: dataDir.broker, clock, diskMaxBytes: broker.diskBytesMax });
}
