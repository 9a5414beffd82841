import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { ensureSecrets, secretVariables } from '../scripts/stack/secrets.ts';
import { readSettings } from '../scripts/stack/settings.ts';

interface Service {
  readonly image?: string;
  readonly build?: { readonly args?: Readonly<Record<string, string>> };
  readonly restart?: string;
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly mem_limit?: string;
  readonly scale?: number;
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly privileged?: boolean;
  readonly secrets?: readonly { readonly source: string; readonly mode: string }[];
}

interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

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

test('make up without a Docker engine is one line that offers make stack', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/compose.ts', 'up'], {
    encoding: 'utf8',
    env: { ...process.env, DOCKER_HOST: 'unix:///nowhere/docker.sock' },
  });
  expect(status).toBe(69);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^make up needs a Docker engine with Compose, and [^\n]+: `make stack` [^\n]+\n$/);
});
