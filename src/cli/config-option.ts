import { existsSync } from 'node:fs';
import { EXIT, OperatingError } from '../lib/errors.ts';
import type { Config } from '../config/config.ts';
import type { ConfigComponents } from '../config/definitions.ts';
import { type ConfigUse, DEFAULT_CONFIG_FILE, loadConfig } from '../config/load.ts';
import { say } from './output.ts';

/** The configuration a command works with: the file named, else `TAILRACE_CONFIG`, else ./tailrace.yaml. Warnings go to stderr. */
export async function loadNamedConfig(
  named: string | undefined,
  components: ConfigComponents,
  use?: ConfigUse,
): Promise<Config> {
  const path = configPath(named);
  const { config, warnings } = await loadConfig(path, process.env, components, use);
  for (const warning of warnings) say(`warning: ${warning}`);
  return config;
}

function configPath(named: string | undefined): string {
  const path = named ?? process.env['TAILRACE_CONFIG'];
  if (path !== undefined && path !== '') return path;
  if (existsSync(DEFAULT_CONFIG_FILE)) return DEFAULT_CONFIG_FILE;
  throw new OperatingError(`there is no ${DEFAULT_CONFIG_FILE} here`, {
    code: 'CONFIG_FILE',
    hint: 'name a configuration with -c, or log files: tailrace run access.log',
    exitCode: EXIT.config,
  });
}
