import { AGGREGATES_BY_NAME } from '../components.ts';
import { isShared, sinkGroup } from '../config/config.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import { Warehouse } from '../sinks/duckdb/warehouse.ts';
import { say } from './output.ts';
import type { RoleContext } from './role.ts';
import { foldedTopics } from './sink-readers.ts';

/** DuckDB's share of a small machine; what does not fit spills to a folder beside the file. */
const WAREHOUSE_MEMORY = '160MB';
const WAREHOUSE_THREADS = 1;

export async function runWarehouse({ config, dataDir, clock, log, signal }: RoleContext, name: string): Promise<void> {
  if (isShared(config) && config.agent.id === null) throw namelessError();
  const warehouse = new Warehouse({
    clock,
    log,
    aggregates: AGGREGATES_BY_NAME,
    options: {
      path: dataDir.warehouse,
      socketPath: dataDir.sqlSocket,
      group: sinkGroup(config, name),
      memoryLimit: WAREHOUSE_MEMORY,
      threads: WAREHOUSE_THREADS,
      topics: foldedTopics(config),
    },
    notify: (event) => {
      if (event.type === 'memory_short') say('a query had the memory: it was ended, its epochs are folded again');
    },
  });
  await warehouse.run(signal);
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
