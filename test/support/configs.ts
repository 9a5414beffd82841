import { COMPONENTS } from '../../src/components.ts';
import {
  type ConfigUse,
  type LoadedConfig,
  resolveText as resolveWith,
  resolveTextNow,
} from '../../src/config/load.ts';
import { SqlParser } from '../../src/expressions/sql-parser.ts';
import { type MadeConfig, configOfLogs as madeOf } from '../../src/config/zero-config.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Of the program's own components: a text without expressions. */
export function resolveText(
  text: string,
  path: string,
  environment: Environment,
  use: ConfigUse = 'part',
): LoadedConfig {
  return resolveTextNow(text, path, environment, COMPONENTS, use, new SqlParser());
}

/** The same of a text that may have expressions. */
export function resolveSqlText(text: string, environment: Environment = {}): Promise<LoadedConfig> {
  return resolveWith(text, 'tailrace.yaml', environment, COMPONENTS, 'whole');
}

export function configOfLogs(paths: readonly string[], dataDir: string): MadeConfig {
  return madeOf(paths, dataDir, COMPONENTS);
}
