import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { Config } from '../config/config.ts';
import { OperatingError } from '../lib/errors.ts';
import type { Components } from '../roles/definitions.ts';
import { loadNamedConfig } from './config-option.ts';

export interface RoleOptions {
  readonly config?: string;
  readonly resolved?: string;
}

/** The options all roles share. `--resolved` is what `run` hands over: the configuration as it loaded it. */
export function withRoleOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'the configuration (default: ./tailrace.yaml)')
    .addOption(new Option('--resolved <file>', 'a configuration that `run` has written').hideHelp());
}

/** The configuration a role works with. */
export async function configOfRole({ config, resolved }: RoleOptions, components: Components): Promise<Config> {
  return resolved === undefined ? loadNamedConfig(config, components) : readResolvedConfig(resolved);
}

export function readResolvedConfig(path: string): Config {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Config;
  } catch (error) {
    throw new OperatingError(`${path} is not a configuration that run has written: ${String(error)}`, {
      code: 'CONFIG_FILE',
      hint: 'use -c with a YAML file',
      cause: error,
    });
  }
}
