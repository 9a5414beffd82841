// `make clean`: removes what build and test made; with `--volumes`, what the stack and `tailrace` in this folder stored, too. Nothing
// of it while something runs that uses it: a role that starts again needs dist, and data is deleted under nobody.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { missingCompose } from './stack/docker.ts';
import { howToStop, runningIn, runningStack } from './stack/running.ts';
import { knownToContainers } from './stack/secrets.ts';

const MADE = ['dist', 'coverage'];
/** The `data_dir` of stack.yaml, and the one of whoever names none. */
const DATA_DIRS = ['stack-data/tailrace', 'tailrace-data'];
const STORED = ['stack-data', 'tailrace-data'];
const SECRETS = 'secrets';

/** What runs, and how to stop it. */
function inUse(): string | undefined {
  const stack = runningStack('.');
  if (stack !== undefined) return `\`make stack\` runs here: ${howToStop(stack)}`;
  for (const dataDir of DATA_DIRS) {
    const [first] = runningIn(join(dataDir, 'run'));
    if (first !== undefined) return `tailrace (${first.role}) runs on ${dataDir}: ${howToStop(first)}`;
  }
  return undefined;
}

/** Forgets what containers stored, where there is an engine to have them. Gives why the secrets must stay, if they must. */
function forgetContainers(): string | undefined {
  const why = missingCompose();
  if (why !== undefined) return knownToContainers(SECRETS) ? why : undefined;
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, 'compose.ts'), 'forget'], {
    stdio: 'inherit',
  });
  return status === 0 ? undefined : 'Compose failed, see above';
}

function remove(paths: readonly string[]): void {
  const there = paths.filter((path) => existsSync(path));
  for (const path of there) rmSync(path, { recursive: true, force: true, maxRetries: 10 });
  console.log(there.length === 0 ? 'nothing to remove' : `removed ${there.join(', ')}`);
}

function main(): number {
  const why = inUse();
  if (why !== undefined) {
    console.error(`nothing was removed: ${why}`);
    return 1;
  }
  if (!process.argv.includes('--volumes')) {
    remove(MADE);
    return 0;
  }
  const kept = forgetContainers();
  remove([...MADE, ...STORED, ...(kept === undefined ? [SECRETS] : [])]);
  if (kept === undefined) return 0;
  console.error(
    `kept secrets/, which the containers of \`make up\` know, and their volumes: ${kept}; mend that, then once more`,
  );
  return 1;
}

process.exitCode = main();
