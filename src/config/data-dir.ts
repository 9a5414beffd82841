import { join } from 'node:path';

/** Where the things of one `data_dir` lie. */
export interface DataDir {
  readonly root: string;
  readonly broker: string;
  readonly warehouse: string;
  /** The file of a second warehouse process that answers SQL, where there is one. */
  readonly replica: string;
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
    replica: join(root, 'warehouse-replica.duckdb'),
    run,
    resolvedConfig: join(run, 'config.json'),
    sqlSocket: join(run, 'sql.sock'),
  };
}
