// Rows per second into the warehouse: epochs of 40,000 rows (two keys, three accumulators), 60 one-minute windows passing by.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { avg } from '../../src/aggregates/avg.ts';
import { count } from '../../src/aggregates/count.ts';
import { sum } from '../../src/aggregates/sum.ts';
import { max } from '../../src/aggregates/max.ts';
import { openEmbeddedLog } from '../../src/broker/embedded/embedded-log.ts';
import type { RollupSpec } from '../../src/epoch/pipeline.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { NO_LIMITS } from '../support/query-watches.ts';
import { Warehouse } from '../../src/sinks/duckdb/warehouse.ts';
import { EpochChain, TRAFFIC, pipelineOf, rowsOf } from '../support/epochs.ts';

const EPOCHS = Number(process.env['EPOCHS'] ?? 60);
const ROWS = 40_000;
const spec: RollupSpec = {
  ...TRAFFIC,
  measures: [...TRAFFIC.measures, { name: 'slowest', aggregate: 'max', field: 'd', fieldType: 'double' }],
};
const folder = mkdtempSync(join(tmpdir(), 'tailrace-bench-'));
try {
  const log = openEmbeddedLog({ path: join(folder, 'broker.db'), clock: systemClock, diskMaxBytes: 8 * 1024 ** 3 });
  const chain = await EpochChain.begin(log);
  await chain.append({ pipeline: pipelineOf({ traffic: spec }), fingerprints: { traffic: 'x' } });
  const append = async (epoch: number): Promise<void> => {
    // A window takes five epochs; keys come back within it.
    const startMs = Math.floor(epoch / 5) * 60_000;
    const rows = Array.from({ length: ROWS }, (_, i) => ({
      startMs,
      endMs: startMs + 60_000,
      key: [`/products/item/${(i * 7 + epoch * 8_000) % 60_000}`, 200],
      accumulators: [i, i, i],
      lines: 3,
    }));
    await chain.append({ upserts: [rowsOf('traffic', rows, spec)], watermarkMs: startMs - 1 });
  };
  for (let epoch = 0; epoch < EPOCHS; epoch++) await append(epoch);
  const stop = new AbortController();
  const path = join(folder, 'warehouse.duckdb');
  let rows = 0;
  const tookMs: number[] = [];
  let checkpoints = 0;
  const startedMs = performance.now();
  const cpu = process.cpuUsage();
  const warehouse = new Warehouse({
    clock: systemClock,
    log,
    aggregates: { avg, count, sum, max },
    options: {
      path,
      socketPath: join(folder, 'w.sock'),
      group: 'warehouse',
      memoryLimit: '160MB',
      threads: 1,
      queryLimits: NO_LIMITS,
      topics: [{ stream: 'access', topic: chain.topic, partitions: 1 }],
    },
    notify: (event) => {
      if (event.type === 'checkpointed') checkpoints++;
      if (event.type !== 'committed') return;
      rows += event.rows;
      tookMs.push(event.tookMs / Math.max(1, event.epochs));
      if (rows === EPOCHS * ROWS) stop.abort();
    },
  });
  await warehouse.run(stop.signal);
  const seconds = (performance.now() - startedMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  tookMs.sort((left, right) => left - right);
  console.log(
    `${rows} rows in ${seconds.toFixed(2)} s: ${Math.round(rows / seconds)} rows/s, ${((user + system) / 1e6).toFixed(2)} s of CPU`,
  );
  console.log(
    `${tookMs[tookMs.length >> 1]!.toFixed(1)} ms an epoch of ${ROWS} rows (median), ${tookMs.at(-1)!.toFixed(1)} the longest`,
  );
  console.log(
    `${checkpoints} checkpoints, file ${(statSync(path).size / 1e6).toFixed(1)} MB, peak RSS ${Math.round(process.resourceUsage().maxRSS / 1024)} MB`,
  );
  await log.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
