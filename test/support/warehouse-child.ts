// A warehouse in a process of its own, to be killed: `node warehouse-child.ts <broker.db> <warehouse.duckdb> <socket> <topic>`.
// Prints a line for each transaction.
import { writeSync } from 'node:fs';
import { avg } from '../../src/aggregates/avg.ts';
import { count } from '../../src/aggregates/count.ts';
import { sum } from '../../src/aggregates/sum.ts';
import { openEmbeddedLog } from '../../src/broker/embedded/embedded-log.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { NO_LIMITS } from './query-watches.ts';
import { Warehouse } from '../../src/sinks/duckdb/warehouse.ts';

const [, , broker = '', path = '', socketPath = '', topic = ''] = process.argv;
const warehouse = new Warehouse({
  clock: systemClock,
  log: openEmbeddedLog({ path: broker, clock: systemClock, diskMaxBytes: 1e9 }),
  aggregates: { avg, count, sum },
  options: {
    path,
    socketPath,
    group: 'warehouse',
    memoryLimit: '160MB',
    threads: 1,
    queryLimits: NO_LIMITS,
    // Small, so that kills also hit checkpoints.
    checkpointWalBytes: 64 * 1024,
    topics: [{ stream: 'access', topic, partitions: 1 }],
  },
  notify: (event) => writeSync(1, `${event.type}\n`),
});
await warehouse.run(new AbortController().signal);
