import { join } from 'node:path';

/** Where the things of one `data_dir` lie. */
export interface DataDir {
  readonly root: string;
  readonly broker: string;
  readonly warehouse: string;
  /** Locks, sockets and the configuration as `run` loaded it: made anew at every start. */
  readonly run: string;
  readonly resolvedConfig: string;
  readonly sqlSocket: string;
}

export function dataDirOf(root: string): DataDir {
  const run = join(root, 'run');
  return {
    root,
    broker: join(root, 'broker.db'),
    warehouse: join(root, 'warehouse.duckdb'),
    run,
    resolvedConfig: join(run, 'config.json'),
    sqlSocket: join(run, 'sql.sock'),
  };
}
