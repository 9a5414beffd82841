import { existsSync, readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { type DataDir, dataDirOf } from '../config/data-dir.ts';
import { DEFAULT_CONFIG_FILE } from '../config/load.ts';
import { hasWarehouse } from '../roles/sinks/duckdb.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import { isRoleHeld } from '../lib/role-lock.ts';
import type { Query } from '../query/audit-tables.ts';
import { type SqlTarget, querySql } from '../sinks/duckdb/client.ts';
import type { Components } from '../roles/definitions.ts';
import { loadNamedConfig } from './config-option.ts';

export interface TargetOptions {
  readonly config?: string;
  readonly dataDir?: string;
}

const DEFAULT_DATA_DIR = './tailrace-data';

/** The folder a question is about: named, or the configuration's, or the default one of runs without a configuration. */
export async function targetOf(options: TargetOptions, components: Components): Promise<DataDir> {
  const config = await configOf(options, components);
  const target = dataDirOf(options.dataDir ?? config?.dataDir ?? DEFAULT_DATA_DIR);
  // A warehouse that an earlier configuration has filled can still be asked.
  if (config === undefined || hasWarehouse(config) || existsSync(target.warehouse)) return target;
  const hint = NO_WAREHOUSE_HINT;
  throw new OperatingError(NO_WAREHOUSE, { code: 'NO_WAREHOUSE', exitCode: EXIT.config, hint });
}

export const NO_WAREHOUSE = 'this pipeline has no sink of type duckdb: there are no tables to ask, and no audit';
export const NO_WAREHOUSE_HINT = 'add warehouse: { type: duckdb } to its sinks';

/** The configuration a question is about; undefined where a folder is named, or there is none. */
export async function configOf(
  { config, dataDir }: TargetOptions,
  components: Components,
): Promise<Config | undefined> {
  const hasConfig =
    config !== undefined || (process.env['TAILRACE_CONFIG'] ?? '') !== '' || existsSync(DEFAULT_CONFIG_FILE);
  return hasConfig && dataDir === undefined ? loadNamedConfig(config, components) : undefined;
}

/** The warehouse of a folder, running or not. */
export function warehouseOf(dataDir: DataDir): SqlTarget {
  return {
    socketPath: dataDir.sqlSocket,
    databasePath: dataDir.warehouse,
    isSupervised: () => isRoleHeld(dataDir.run, 'run') && runsWarehouse(dataDir.resolvedConfig),
  };
}

/** Another configuration may have filled the file, and this run have no warehouse. */
function runsWarehouse(resolvedConfig: string): boolean {
  try {
    return hasWarehouse(JSON.parse(readFileSync(resolvedConfig, 'utf8')) as Config);
  } catch {
    // It has the lock and is about to write it.
    return true;
  }
}

/** This program's own questions, which do not wait behind those of people. */
export function queryOf(dataDir: DataDir, target: SqlTarget = warehouseOf(dataDir)): Query {
  return async (sql) => (await querySql(target, sql, { lane: 'own' })).rows;
}
