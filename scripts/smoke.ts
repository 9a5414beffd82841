// `make smoke`: for whoever has Docker. Starts the stack of `make up` with containers and volumes of its own, proves it, and takes them
// away. What an earlier `make up` stored is not touched, and is no part of the proof: the files of its lines may be gone for long.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { UNAVAILABLE, composeCommand, missingCompose, needsDocker } from './stack/docker.ts';
import { countDocuments } from './stack/documents.ts';
import type { StackUnderProof } from './stack/proof.ts';
import { proveStack } from './stack/proof.ts';
import { ensureSecrets, readSecret, secretVariables } from './stack/secrets.ts';
import { readSettings } from './stack/settings.ts';

const SECRETS = 'secrets';
/** Without a hyphen: in the names of containers, the project ends at the first. */
const PROJECT = 'tailracesmoke';
const PATIENCE_MS = 180_000;
const DOCUMENTS_MIN = 2000;

const ownProject: NodeJS.ProcessEnv = { ...process.env, COMPOSE_PROJECT_NAME: PROJECT };

function compose(...args: readonly string[]): { readonly code: number; readonly output: string } {
  return composeIn(ownProject, ...args);
}

function composeIn(
  env: NodeJS.ProcessEnv,
  ...args: readonly string[]
): { readonly code: number; readonly output: string } {
  const [command = '', ...rest] = composeCommand() ?? [];
  const { status, stdout, stderr } = spawnSync(command, [...rest, ...args], {
    encoding: 'utf8',
    env: { ...env, ...secretVariables(SECRETS) },
  });
  return { code: status ?? 1, output: status === 0 ? stdout : `${stdout}${stderr}` };
}

const stack: StackUnderProof = {
  // In the warehouse's container, where the tables and the log files are; the configuration is named by its environment.
  tailrace: async (...args) => {
    const own = args.filter((arg, i) => arg !== '-c' && args[i - 1] !== '-c');
    return compose('exec', '-T', 'warehouse', 'tailrace', ...own);
  },
  countLines: async () => {
    const { output } = compose('exec', '-T', 'warehouse', 'sh', '-c', 'cat /var/log/demo/*.log* | wc -l');
    return Number(output);
  },
  countDocuments: () =>
    countDocuments({
      url: `http://127.0.0.1:${readSettings('.env')['ELASTICSEARCH_PORT']}`,
      password: readSecret(SECRETS, 'elastic_password'),
    }),
  kill: async (role) => {
    // Every process of the container but the first, which then ends: the engine of Docker starts it again, as after any crash.
    const { code, output } = compose('exec', '-T', role, 'sh', '-c', 'kill -s KILL -- -1');
    if (code !== 0 && code !== 137) throw new Error(output);
  },
  stopGenerator: async () => {
    const { code, output } = compose('stop', 'generator');
    if (code !== 0) throw new Error(output);
  },
  say: (line) => console.log(`  ${line}`),
};

async function main(): Promise<number> {
  const make = (verb: string, env: NodeJS.ProcessEnv = ownProject): number =>
    spawnSync(process.execPath, [join(import.meta.dirname, 'compose.ts'), verb], { stdio: 'inherit', env }).status ?? 1;
  const why = missingCompose();
  if (why !== undefined) {
    console.error(`${needsDocker('make smoke', why)}, and test/system/stack.test.ts proves it`);
    return UNAVAILABLE;
  }
  ensureSecrets(SECRETS);
  const running = composeIn(process.env, 'ps', '--quiet');
  if (running.code === 0 && running.output.trim() !== '') {
    console.log(
      'the stack that runs is stopped, since its ports are needed; make up starts it again with all it stored',
    );
    make('down', process.env);
  }
  // What a proof that was killed left behind.
  make('forget');
  try {
    const code = make('up');
    if (code !== 0) return code;
    const { lines, documents, audit } = await proveStack(stack, {
      documentsMin: DOCUMENTS_MIN,
      patienceMs: PATIENCE_MS,
    });
    console.log(`${audit.trimEnd()}\n${lines} lines = ${documents} documents = the rows of the audit: the stack holds`);
    return 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  } finally {
    make('forget');
  }
}

process.exitCode = await main();
