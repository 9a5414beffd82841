import { expect, test } from '@jest/globals';
import { writeFileSync, chmodSync } from 'node:fs';
import { join } from 'node:path';
import { resolveText } from '../support/configs.ts';
import { maskSecrets, withoutSecrets } from '../../src/config/secrets.ts';
import { RIGHT_CONFIG, changed, folderWith } from '../support/broken-config.ts';

test('passwords and keys are hidden wherever they stand, and nothing else is', () => {
  const config = {
    broker: { sasl: { mechanism: 'plain', username: 'u', password: 'p' }, tls: null },
    sinks: [{ auth: { apiKey: 'k' } }, { auth: null }, { nodes: ['https://me:pass@es:9200'] }],
    dataDir: '/data',
  };
  expect(withoutSecrets(config)).toEqual({
    broker: { sasl: { mechanism: 'plain', username: 'u', password: '***' }, tls: null },
    sinks: [{ auth: { apiKey: '***' } }, { auth: null }, { nodes: ['https://me:***@es:9200'] }],
    dataDir: '/data',
  });
});

/** What a user sees of a configuration that is wrong. */
function picture(text: string, environment: Readonly<Record<string, string>> = {}, folder = ''): string {
  try {
    resolveText(text, join(folder, 'tailrace.yaml'), environment, 'part');
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

const sasl = (inner: string): string =>
  changed('version: 1\n', `version: 1\nbroker: { type: kafka, brokers: ["k:1"], sasl: { ${inner} } }\n`);
const nodes = (node: string): string =>
  `${RIGHT_CONFIG}sinks: { es: { type: elasticsearch, nodes: [${node}], x: 1 } }\n`;

test.each([
  ['beside what is wrong', sasl('mechanism: nope, username: u, password: hunter2')],
  ['in quotes', sasl('mechanism: nope, username: u, password: "hunter2"')],
  ['as the wrong value', sasl('mechanism: plain, username: u, password: [hunter2]')],
  ['that looks like a number', sasl('mechanism: plain, username: u, password: 17002')],
  ['in a block', changed('name: web', 'name: web\npassword: |\n  hunter2\n')],
  ['in no YAML at all', sasl('mechanism: plain, username: u, password: hunter2 [')],
  ['in an address', nodes('"https://me:hunter2@es:9200"')],
  ['in an address that is none', nodes('"htp//me:hunter2@es"')],
])('a secret %s is not in the picture of an error', (_what, text) => {
  const shown = picture(text);
  expect(shown).toMatch(/^error /);
  expect(shown).not.toMatch(/hunter2|17002/);
});

test('a secret from the environment or a file is shown as its reference, wherever it was put', () => {
  const text = changed('name: web', 'name: "${env:SECRET}"');
  expect(picture(text, { SECRET: 'Hunter 2!' })).toContain('name is "${env:SECRET}"');
  const folder = folderWith('key');
  writeFileSync(join(folder, 'key'), 'Hunter 2!\n');
  chmodSync(join(folder, 'key'), 0o600);
  expect(picture(changed('name: web', 'name: "${file:key}"'), {}, folder)).toContain('name is "${file:key}"');
});

test('what is masked keeps its place, and references stay', () => {
  const text = 'a: { password: "x y", b: 1 }\nurl: https://me:pw@h\npassword: "${env:P}"\n';
  expect(maskSecrets(text, [])).toBe('a: { password: "***", b: 1 }\nurl: https://me:**@h\npassword: "${env:P}"\n');
});

test('a password that looks like a number stays as it is, from a variable as well as from a reference', () => {
  const text = sasl('mechanism: scram-sha-512, username: u, password: "${env:P}"');
  const passwordOf = (environment: Readonly<Record<string, string>>): unknown => {
    const { broker } = resolveText(text, 'tailrace.yaml', environment).config;
    return broker.type === 'kafka' ? broker.sasl?.password : undefined;
  };
  for (const password of ['0123', '1e5', 'true', '0x1F', '12345678901234567890', 'null', '~']) {
    expect(passwordOf({ P: password })).toBe(password);
    expect(passwordOf({ P: 'x', TAILRACE_BROKER_SASL_PASSWORD: password })).toBe(password);
  }
});

test('settings that are numbers or truth values take them from variables', () => {
  const text = sasl('mechanism: scram-sha-512, username: u, password: p').replace(
    'version: 1',
    'version: 1\nengine: { workers: 2 }',
  );
  const environment = { TAILRACE_ENGINE_WORKERS: '3', TAILRACE_BROKER_SINGLE_BROKER: 'true' };
  const { config } = resolveText(text, 'tailrace.yaml', environment);
  expect(config.engine.workers).toBe(3);
  expect(config.broker).toMatchObject({ isSingleBroker: true });
});
