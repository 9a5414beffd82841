// `make smoke`: for whoever has Docker. Starts the stack, proves it, and stops it; what it stored stays.
import { spawnSync } from 'node:child_process';
import { composeCommand, missingEngine } from './stack/docker.ts';
import { countDocuments } from './stack/documents.ts';
import type { StackUnderProof } from './stack/proof.ts';
import { proveStack } from './stack/proof.ts';
import { ensureSecrets, readSecret, secretVariables } from './stack/secrets.ts';
import { readSettings } from './stack/settings.ts';

const SECRETS = 'secrets';
const PATIENCE_MS = 180_000;
const DOCUMENTS_MIN = 2000;

function compose(...args: readonly string[]): { readonly code: number; readonly output: string } {
  const [command = '', ...rest] = composeCommand() ?? [];
  const { status, stdout, stderr } = spawnSync(command, [...rest, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...secretVariables(SECRETS) },
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
  const make = (verb: string): number =>
    spawnSync(process.execPath, ['scripts/compose.ts', verb], { stdio: 'inherit' }).status ?? 1;
  if (missingEngine() !== undefined) return make('up');
  ensureSecrets(SECRETS);
  const code = make('up');
  if (code !== 0) return code;
  try {
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
    make('down');
  }
}

process.exitCode = await main();
