// A warehouse over a real DuckDB file in a folder of its own, and what its tables say.
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COMPONENTS } from '../../src/components.ts';
import type { Log } from '../../src/broker/broker.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { openDatabase } from '../../src/sinks/duckdb/database.ts';
import type { SqlResult } from '../../src/sinks/duckdb/sql-answer.ts';
import { SqlRunner } from '../../src/sinks/duckdb/sql-runner.ts';
import { NO_LIMITS, onlyTimeout } from './query-watches.ts';
import { Warehouse, type WarehouseEvent, type WarehouseOptions } from '../../src/sinks/duckdb/warehouse.ts';

export const AGGREGATES = COMPONENTS.aggregates;
const LIMITS = { memoryLimit: '160MB', threads: 1 };

export class WarehouseHarness {
  readonly folder = mkdtempSync(join(tmpdir(), 'tailrace-warehouse-'));
  path = join(this.folder, 'warehouse.duckdb');
  readonly socketPath = join(this.folder, 'run', 'w.sock');
  readonly events: WarehouseEvent[] = [];
  checkpointWalBytes: number | undefined;
  #copies = 0;

  options(topics: WarehouseOptions['topics']): WarehouseOptions {
    return {
      path: this.path,
      socketPath: this.socketPath,
      group: 'warehouse',
      ...LIMITS,
      queryLimits: NO_LIMITS,
      topics,
      ...(this.checkpointWalBytes === undefined ? {} : { checkpointWalBytes: this.checkpointWalBytes }),
    };
  }

  /** Runs until every partition's cursor is at its end. */
  async runToEnd(log: Log, topic: string): Promise<void> {
    const ends = await log.ends(topic);
    const isAtEnd = async (): Promise<boolean> => {
      const reports = await log.reports(topic);
      return ends.every(({ end }, partition) =>
        reports.some((report) => report.partition === partition && (report.cursor?.offset ?? 0) >= end),
      );
    };
    const stop = new AbortController();
    const options = this.options([{ stream: 'access', topic, partitions: ends.length }]);
    const notify = (event: WarehouseEvent): number => this.events.push(event);
    const warehouse = new Warehouse({ clock: systemClock, log, aggregates: AGGREGATES, options, notify });
    const running = warehouse.run(stop.signal);
    const poll = (async () => {
      while (!stop.signal.aborted && !(await isAtEnd())) await systemClock.sleep(5, stop.signal);
      stop.abort();
    })();
    try {
      await running;
    } finally {
      stop.abort();
      await poll;
    }
  }

  /** What a kill leaves: the files as they are now, in another place, where the next warehouse finds them. */
  crash(): void {
    const copy = join(this.folder, `copy-${++this.#copies}.duckdb`);
    if (existsSync(this.path)) cpSync(this.path, copy);
    if (existsSync(`${this.path}.wal`)) cpSync(`${this.path}.wal`, `${copy}.wal`);
    this.path = copy;
  }

  /** Asks the closed file. */
  async query(sql: string): Promise<SqlResult['rows']> {
    const instance = await openDatabase({ path: this.path, ...LIMITS });
    try {
      return (await new SqlRunner({ clock: systemClock, instance, watch: onlyTimeout(60_000) }).query({ sql })).rows;
    } finally {
      instance.closeSync();
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
