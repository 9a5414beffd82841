import { existsSync } from 'node:fs';
import { type DataDir, dataDirOf } from '../config/data-dir.ts';
import { DEFAULT_CONFIG_FILE } from '../config/load.ts';
import type { Query } from '../query/audit-tables.ts';
import { querySql } from '../sinks/duckdb/client.ts';
import { loadNamedConfig } from './config-option.ts';

export interface TargetOptions {
  readonly config?: string;
  readonly dataDir?: string;
}

const DEFAULT_DATA_DIR = './tailrace-data';

/** The folder a question is about: named, or the configuration's, or the default one of runs without a configuration. */
export function targetOf({ config, dataDir }: TargetOptions): DataDir {
  const hasConfig =
    config !== undefined || (process.env['TAILRACE_CONFIG'] ?? '') !== '' || existsSync(DEFAULT_CONFIG_FILE);
  return dataDirOf(dataDir ?? (hasConfig ? loadNamedConfig(config).dataDir : DEFAULT_DATA_DIR));
}

/** Asks the warehouse of a folder, running or not. */
export function queryOf(dataDir: DataDir): Query {
  return async (sql) => (await querySql({ socketPath: dataDir.sqlSocket, databasePath: dataDir.warehouse }, sql)).rows;
}
