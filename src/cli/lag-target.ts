import { existsSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { dataDirOf } from '../config/data-dir.ts';
import { DEFAULT_CONFIG_FILE } from '../config/load.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import type { Components } from '../roles/definitions.ts';
import { loadNamedConfig } from './config-option.ts';
import { readResolvedConfig } from './role-options.ts';

/** What one look may spend on headers: a single one is worth waiting for, one of many goes on where the last one ended. */
export const SCAN_MS_MAX = { once: 10_000, watch: 1000 };
/** A single look waits for brokers that are away about this long: a leader that moves is waited for, and whoever asks wants an answer. */
export const UNREACHABLE_MS = 5_000;
/** Of a cluster that is away: a single look ends with the error, which says the same. */
export const SILENT = (): void => undefined;
const DEFAULT_DATA_DIR = './tailrace-data';

/** The log in question. */
export interface LagTarget {
  readonly config?: string;
  readonly dataDir?: string;
}

export async function configOf({ config, dataDir }: LagTarget, components: Components): Promise<Config> {
  const hasConfig =
    config !== undefined || (process.env['TAILRACE_CONFIG'] ?? '') !== '' || existsSync(DEFAULT_CONFIG_FILE);
  if (dataDir === undefined && hasConfig) return loadNamedConfig(config, components);
  // A run without a configuration has left the one it made of its arguments.
  const { resolvedConfig, root } = dataDirOf(dataDir ?? DEFAULT_DATA_DIR);
  if (existsSync(resolvedConfig)) return readResolvedConfig(resolvedConfig);
  throw new OperatingError(`there is no ${DEFAULT_CONFIG_FILE} here, and ${root} holds no log`, {
    code: 'LAG_NO_LOG',
    exitCode: EXIT.unreachable,
    hint: 'name a configuration with -c, or the data_dir of a run with --data-dir',
  });
}
