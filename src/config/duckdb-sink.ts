import { z } from 'zod';
import type { SinkDefinition } from './sink-definition.ts';

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

export interface DuckdbSinkConfig {
  readonly type: 'duckdb';
  /** A second process, with a file of its own, answers SQL. */
  readonly hasReplica?: boolean;
}

export function resolveDuckdbSink({ type: _type, ...options }: Readonly<Record<string, unknown>>): DuckdbSinkConfig {
  const { query } = duckdbOptions.parse(options);
  return { type: 'duckdb', ...(query.replica ? { hasReplica: true } : {}) };
}

/** The warehouse of this machine. What it holds follows from the pipeline. */
export const duckdbSink: SinkDefinition = {
  type: 'duckdb',
  summary:
    'One DuckDB file in `data_dir`: a view for each rollup, and the tables of the schema `tailrace`. Ask it with `tailrace sql`.',
  options: duckdbOptions,
  example: { query: { replica: true } },
};
