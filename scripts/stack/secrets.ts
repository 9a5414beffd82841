// The secrets of the stack: made once, kept in a folder that git ignores, each readable by its owner only.
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** File → the variable by which Compose gets it. */
const VARIABLES = {
  elastic_password: 'STACK_ELASTIC_PASSWORD',
  kibana_password: 'STACK_KIBANA_PASSWORD',
  kibana_key: 'STACK_KIBANA_KEY',
  grafana_password: 'STACK_GRAFANA_PASSWORD',
} as const;

export type SecretName = keyof typeof VARIABLES;

/** Makes what is missing. What is there stays: the volumes know it. */
export function ensureSecrets(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  for (const name of Object.keys(VARIABLES)) {
    const path = join(folder, name);
    if (!existsSync(path)) writeFileSync(path, randomBytes(16).toString('hex'), { mode: 0o600 });
  }
}

/** Beside the secrets while containers of `make up` may have volumes that only open with them. */
const CONTAINERS_MARK = 'known-to-containers';

export const markKnownToContainers = (folder: string): void => writeFileSync(join(folder, CONTAINERS_MARK), '');

export const knownToContainers = (folder: string): boolean => existsSync(join(folder, CONTAINERS_MARK));

export const readSecret = (folder: string, name: SecretName): string => readFileSync(join(folder, name), 'utf8').trim();

/** For Compose, which hands them to the containers as files. */
export function secretVariables(folder: string): Record<string, string> {
  const names = Object.keys(VARIABLES) as SecretName[];
  return Object.fromEntries(names.map((name) => [VARIABLES[name], readSecret(folder, name)]));
}
