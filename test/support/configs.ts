import { COMPONENTS } from '../../src/components.ts';
import { type ConfigUse, type LoadedConfig, resolveText as resolveWith } from '../../src/config/load.ts';
import { type MadeConfig, configOfLogs as madeOf } from '../../src/config/zero-config.ts';

/** Of the program's own components. */
export function resolveText(
  text: string,
  path: string,
  environment: Readonly<Record<string, string | undefined>>,
  use?: ConfigUse,
): LoadedConfig {
  return resolveWith(text, path, environment, COMPONENTS, use);
}

export function configOfLogs(paths: readonly string[], dataDir: string): MadeConfig {
  return madeOf(paths, dataDir, COMPONENTS);
}
