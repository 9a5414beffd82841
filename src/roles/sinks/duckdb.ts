import { z } from 'zod';
import { type Config, type SinkConfig, isShared, sinkGroup } from '../../config/config.ts';
import { readRunning } from '../../sinks/duckdb/query-journal.ts';
import type { WarehouseEvent } from '../../sinks/duckdb/warehouse.ts';
import { QUERY_SIGNAL } from '../../sinks/duckdb/watchdog.ts';
import { escapeText } from '../../lib/escape.ts';
import type { Exit } from '../../supervisor/service.ts';
import type { SinkDefinition } from '../definitions.ts';
import { foldedTopics } from '../sink-readers.ts';

const duckdbOptions = z.strictObject({
  query: z
    .strictObject({
      replica: z
        .boolean()
        .default(false)
        .describe(
          'A second process folds the same log into `warehouse-replica.duckdb` and answers SQL alone: a query that has to be ended with its process never touches the one that writes `warehouse.duckdb`. It costs the disk and the memory of a second warehouse, and keeps the log from being trimmed past what it has read, as every sink.',
        ),
    })
    .prefault({})
    .describe('How SQL is answered.'),
});

export interface DuckdbSinkConfig extends SinkConfig {
  readonly type: 'duckdb';
  /** A second process, with a file of its own, answers SQL. */
  readonly hasReplica?: boolean;
}

/** The consumer group of a warehouse. It is a file, so of several hosts each has its own, which reads for itself. */
export function warehouseGroup(config: Config, name: string): string {
  const { id } = config.agent;
  const group = sinkGroup(config, name);
  return isShared(config) && id !== null ? `${group}.${id}` : group;
}

/** Of its replica. */
export function replicaGroup(config: Config, name: string): string {
  return `${warehouseGroup(config, name)}.replica`;
}

/** It ended itself for a query, or something else ended it, such as the system for its memory, while it ran one. */
function diedOfQuery({ signal }: Exit, databasePath: string): boolean {
  return signal === QUERY_SIGNAL || readRunning(databasePath).length > 0;
}

function text(event: WarehouseEvent): string | undefined {
  if (event.type === 'memory_short') return 'a query had the memory: it is ended, its epochs are folded again';
  if (event.type !== 'query_died') return undefined;
  const { sql, reason } = event.query;
  const why = reason ?? 'it took too much memory, or crashed';
  return `a query ended this process (${why}; once more, and it is refused for a day): ${escapeText(sql)}`;
}

/** The warehouse of this machine. What it holds follows from the pipeline. */
export const duckdbSink: SinkDefinition<DuckdbSinkConfig, WarehouseEvent> = {
  type: 'duckdb',
  summary:
    'One DuckDB file in `data_dir`: a view for each rollup, and the tables of the schema `tailrace`. Ask it with `tailrace sql`.',
  options: duckdbOptions,
  example: { query: { replica: true } },
  isShared: false,
  waits: true,
  resolve({ type: _type, ...options }): DuckdbSinkConfig {
    const { query } = duckdbOptions.parse(options);
    return { type: 'duckdb', ...(query.replica ? { hasReplica: true } : {}) };
  },
  readers(config, name, { hasReplica }, components) {
    const group = warehouseGroup(config, name);
    const groups = hasReplica === true ? [group, replicaGroup(config, name)] : [group];
    const topics = foldedTopics(config, components);
    return groups.flatMap((of) => topics.map(({ topic, partitions }) => ({ group: of, topic, partitions })));
  },
  processes({ warehouse, replica }, { hasReplica }) {
    const writer = { isReplica: false, wasAsked: (exit: Exit) => diedOfQuery(exit, warehouse) };
    if (hasReplica !== true) return [writer];
    return [{ isReplica: true, wasAsked: (exit) => diedOfQuery(exit, replica) }, writer];
  },
  text,
  run: async (context, name, sink, { isReplica }) =>
    (await import('./duckdb-role.ts')).runWarehouse(context, name, sink, isReplica),
};

/** Whether there are tables that can be asked. */
export function hasWarehouse({ sinks }: Pick<Config, 'sinks'>): boolean {
  return Object.values(sinks).some(({ type }) => type === duckdbSink.type);
}
