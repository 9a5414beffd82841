import { AGGREGATES_BY_NAME } from '../components.ts';
import { sinkGroup } from '../config/config.ts';
import { Warehouse } from '../sinks/duckdb/warehouse.ts';
import { say } from './output.ts';
import type { RoleContext } from './role.ts';
import { foldedTopics } from './sink-readers.ts';

/** DuckDB's share of a small machine; what does not fit spills to a folder beside the file. */
const WAREHOUSE_MEMORY = '160MB';
const WAREHOUSE_THREADS = 1;

export async function runWarehouse({ config, dataDir, clock, log, signal }: RoleContext, name: string): Promise<void> {
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
