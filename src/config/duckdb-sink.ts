import { z } from 'zod';

/** A kind of sink as the configuration sees it: its options are checked here and handed to the role that runs it. */
export interface SinkDefinition {
  readonly type: string;
  readonly summary: string;
  readonly options: z.ZodObject;
  /** Options of an example for the reference, besides the type. */
  readonly example?: Readonly<Record<string, unknown>>;
}

/** The warehouse of this machine. It has no options: what it holds follows from the pipeline. */
export const duckdbSink: SinkDefinition = {
  type: 'duckdb',
  summary:
    'One DuckDB file in `data_dir`: a view for each rollup, and the tables of the schema `tailrace`. Ask it with `tailrace sql`.',
  options: z.strictObject({}),
};
