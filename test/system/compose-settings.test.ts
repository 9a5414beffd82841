// The settings of docker-compose.yml, given to the programs that read them in the containers: a real Kafka, and `tailrace check`.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { copyStackFiles } from '../../scripts/stack/native.ts';
import { ensureSecrets, readSecret } from '../../scripts/stack/secrets.ts';
import { kafkaJars } from '../support/stack/kafka.ts';
import { awaitBrokers } from '../support/stack/kafka-probe.ts';
import { SERVER_START_MS, describeWith } from '../support/stack/require-stack.ts';
import { ServerProcess, freePorts } from '../support/stack/server-process.ts';
import { findJava } from '../support/stack/tools.ts';

type Environment = Readonly<Record<string, string | number>>;

interface Service {
  readonly image: string;
  readonly environment: Environment;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
}

const { services } = parse(readFileSync('docker-compose.yml', 'utf8'), { merge: true }) as {
  services: Readonly<Record<string, Service>>;
};
const folder = mkdtempSync(join(tmpdir(), 'tailrace-compose-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** As the image's start script makes server.properties of its environment. */
function propertiesOf(environment: Environment): string[] {
  return Object.entries(environment)
    .filter(([name]) => name.startsWith('KAFKA_') && name !== 'KAFKA_HEAP_OPTS')
    .map(([name, value]) => `${name.slice('KAFKA_'.length).toLowerCase().replaceAll('_', '.')}=${value}`);
}

describeWith('kafka')('the Kafka of docker-compose.yml', () => {
  test(
    'starts with its settings, at addresses of this machine',
    async () => {
      const environment = services['kafka']?.environment ?? {};
      const [inside = 0, outside = 0, controller = 0] = await freePorts(3);
      const here = (text: string): string =>
        text
          .replaceAll('kafka:', '127.0.0.1:')
          .replaceAll('://:', '://127.0.0.1:')
          .replaceAll(':19092', `:${inside}`)
          .replaceAll(':29093', `:${controller}`)
          .replaceAll(/:9092|:\$\{KAFKA_PORT\}/g, `:${outside}`)
          .replace('/var/lib/kafka/data', join(folder, 'data'));
      const file = join(folder, 'server.properties');
      writeFileSync(file, here(propertiesOf(environment).join('\n')));
      const java = join(findJava(17)?.home ?? '', 'bin', 'java');
      const classpath = ['-Xmx512m', '-cp', join(await kafkaJars(), '*')];
      const format = ['format', '--cluster-id', String(environment['CLUSTER_ID']), '--config', file];
      execFileSync(java, [...classpath, 'kafka.tools.StorageTool', ...format], { stdio: 'pipe' });
      const args = [...classpath, 'kafka.Kafka', file];
      const server = new ServerProcess({ name: 'the Kafka of Compose', command: java, args, folder });
      try {
        for (const port of [inside, outside]) {
          await server.ready(() => awaitBrokers(`127.0.0.1:${port}`, [1]), SERVER_START_MS / 2);
        }
      } finally {
        await server.end('SIGKILL');
      }
    },
    SERVER_START_MS,
  );
});

test.each(['agent', 'warehouse', 'search'])(
  'stack.yaml with the environment of %s is a right configuration, and only who needs it gets the password',
  (role) => {
    const place = join(folder, role);
    copyStackFiles(place);
    ensureSecrets(join(place, 'secrets'));
    const { TAILRACE_CONFIG: _, ...environment } = services[role]?.environment ?? {};
    const given = Object.entries(environment).map(([name, value]) => [
      name,
      // Compose makes `$` of `$$`, and the secret lies in another folder here.
      String(value).replaceAll('$$', '$').replace('/run/secrets/', `${place}/secrets/`),
    ]);
    const env = { PATH: process.env['PATH'], ...(Object.fromEntries(given) as Record<string, string>) };
    const said = execFileSync('./tailrace', ['check', '-c', join(place, 'stack.yaml')], { encoding: 'utf8', env });
    expect(said).toContain('stream access: combined lines of /var/log/demo/*.log*');
    const getsPassword = Object.values(env).join('\n').includes('secrets/elastic_password');
    expect(getsPassword).toBe(role !== 'agent');
    expect(said).not.toContain(readSecret(join(place, 'secrets'), 'elastic_password'));
  },
);

/** What containers call `tailrace` with: as their role, and to see whether it is well. */
const CALLS = Object.values(services)
  .filter(({ image }) => image.startsWith('tailrace:'))
  .flatMap(({ entrypoint, command = [], healthcheck }) => {
    const [, program, ...check] = healthcheck?.test ?? [];
    return [...(entrypoint === undefined ? [command] : []), ...(program === 'tailrace' ? [check] : [])];
  });

test.each(CALLS.map((args) => [args.join(' '), args] as const))('tailrace %s is understood', (_, args) => {
  const env = { PATH: process.env['PATH'], TAILRACE_CONFIG: join(folder, 'nothing.yaml') };
  const { status, stderr } = spawnSync('./tailrace', args, { encoding: 'utf8', env });
  // Not 2, which is wrong usage: what is missed is the configuration.
  expect(stderr).toContain('nothing.yaml does not exist');
  expect(status).toBe(3);
});

test('every role and every check was among them', () => {
  expect(CALLS.map(([verb]) => verb).toSorted()).toEqual(
    ['agent', 'engine', 'lag', 'lag', 'lag', 'lag', 'provision', 'provision', 'sink', 'sink'].toSorted(),
  );
});
