import { isShared } from '../../config/config.ts';
import { EXIT, OperatingError } from '../../lib/errors.ts';
import { GRACE_MS, QUERY_TIMEOUT_MS, SUSPECT_TIMEOUT_MS } from '../../sinks/duckdb/query-watch.ts';
import { Warehouse, type WarehouseEvent } from '../../sinks/duckdb/warehouse.ts';
import type { WatchLimits } from '../../sinks/duckdb/watchdog.ts';
import type { RoleContext } from '../definitions.ts';
import { foldedTopics } from '../sink-readers.ts';
import { type DuckdbSinkConfig, replicaGroup, warehouseGroup } from './duckdb.ts';

/** DuckDB's share of a small machine; what does not fit spills to a folder beside the file. */
const WAREHOUSE_MEMORY = '160MB';
const WAREHOUSE_THREADS = 1;

/** Catching up with many small epochs the process has 350 to 400 MB, and an answer is some 30 MB. What the watch sees too late comes on top. */
const QUERY_LIMITS: WatchLimits = {
  timeoutMs: QUERY_TIMEOUT_MS,
  suspectTimeoutMs: SUSPECT_TIMEOUT_MS,
  graceMs: GRACE_MS,
  rssBytesHigh: 410_000_000,
  rssBytesMax: 440_000_000,
  addedBytesHigh: 50_000_000,
  addedBytesMax: 75_000_000,
};

export async function runWarehouse(
  { config, components, dataDir, clock, log, signal, notify }: RoleContext<WarehouseEvent>,
  name: string,
  sink: DuckdbSinkConfig,
  isReplica: boolean,
): Promise<void> {
  if (isReplica && sink.hasReplica !== true) throw noReplicaError(name);
  if (isShared(config) && config.agent.id === null) throw namelessError();
  const warehouse = new Warehouse({
    clock,
    log,
    aggregates: components.aggregates,
    options: {
      path: isReplica ? dataDir.replica : dataDir.warehouse,
      socketPath: isReplica === (sink.hasReplica === true) ? dataDir.sqlSocket : undefined,
      group: isReplica ? replicaGroup(config, name) : warehouseGroup(config, name),
      memoryLimit: WAREHOUSE_MEMORY,
      threads: WAREHOUSE_THREADS,
      queryLimits: QUERY_LIMITS,
      topics: foldedTopics(config, components),
    },
    notify,
  });
  await warehouse.run(signal);
}

/** It would hold the log under a group that nobody knows of. */
function noReplicaError(name: string): OperatingError {
  return new OperatingError(`the sink ${name} has no replica`, {
    code: 'SINK_UNKNOWN',
    exitCode: EXIT.usage,
    hint: `write query: { replica: true } to sinks.${name}, or leave --replica out`,
  });
}

/** Two of them would report under one group, and the log would be trimmed under the slower one. */
function namelessError(): OperatingError {
  return new OperatingError(
    'where hosts share a pipeline a warehouse reads in the name of its host, and agent.id is not set',
    {
      code: 'AGENT_ID_MISSING',
      hint: 'write agent: { id: … } with what uuidgen prints, or set TAILRACE_AGENT_ID, as for the agent of that host',
      exitCode: EXIT.config,
    },
  );
}
