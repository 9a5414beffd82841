import { afterAll, expect, test } from '@jest/globals';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveText } from '../support/configs.ts';
import { RIGHT_CONFIG, changed, problemsOf, refuses, problemsOfSql } from '../support/broken-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'tailrace-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

refuses(
  'a reference to the environment that is not there',
  'name: web',
  'name: ${env:TAILRACE_TEST_NOT_THERE}',
  '2:7 REFERENCE: the environment has no TAILRACE_TEST_NOT_THERE — export TAILRACE_TEST_NOT_THERE=…',
);
refuses(
  'a reference of an unknown kind',
  'name: web',
  'name: ${vault:name}',
  '2:7 REFERENCE: "${vault:name}" is not a reference — write ${env:NAME} or ${file:path}, or $${ for a plain ${',
);
refuses(
  'a secret file that is not there',
  'name: web',
  'name: ${file:no-such-secret}',
  '2:7 REFERENCE: no-such-secret cannot be read: ENOENT — paths begin at the folder of this file',
);

test('a variable takes the place of a setting, also of one the file leaves out', () => {
  const environment = {
    TAILRACE_NAME: 'site',
    TAILRACE_ENGINE_CHECKPOINT_INTERVAL: '250ms',
    TAILRACE_STREAMS_ACCESS_EVENT_TIME_OUT_OF_ORDERNESS: '5s',
    TAILRACE_SOURCES_WEB_INCLUDE_0: '/var/log/other.log',
  };
  const { config, warnings } = resolveText(RIGHT_CONFIG, 'tailrace.yaml', environment);
  expect(config.name).toBe('site');
  expect(config.checkpoint.intervalMs).toBe(250);
  expect(config.pipeline.streams['access']?.eventTime.outOfOrdernessMs).toBe(5000);
  expect(config.inputs[0]).toMatchObject({ include: ['/var/log/other.log'] });
  expect(warnings).toEqual([]);
});

test('a wrong value of a variable names the variable', () => {
  expect(problemsOf(RIGHT_CONFIG, { TAILRACE_ENGINE_CHECKPOINT_INTERVAL: 'often' })).toEqual([
    '- VALUE: engine.checkpoint.interval is "often" (from TAILRACE_ENGINE_CHECKPOINT_INTERVAL) — ' +
      'expects a duration: a whole number and ms, s, m, h or d, such as 30s',
  ]);
});

test('a variable that names no setting is a warning with the nearest name', () => {
  const { warnings } = resolveText(RIGHT_CONFIG, 'tailrace.yaml', {
    TAILRACE_NAM: 'x',
    TAILRACE_PORT: 'tcp://10.0.0.1',
  });
  expect(warnings).toEqual(['TAILRACE_NAM names no setting of this file: did you mean TAILRACE_NAME?']);
});

test('a variable that could mean two settings is refused', () => {
  const text = changed(
    'sources:',
    'sources:\n  a-b: { type: file, include: [x], stream: access }\n  a_b: { type: file, include: [x], stream: access }',
  );
  expect(problemsOf(text, { TAILRACE_SOURCES_A_B_STREAM: 'access' })).toEqual([
    '- ENVIRONMENT: TAILRACE_SOURCES_A_B_STREAM could mean sources.a-b.stream or sources.a_b.stream — rename one',
  ]);
});

test('references are replaced; a doubled dollar is a dollar', () => {
  const text = changed('name: web', 'name: ${env:NAME}\ndata_dir: ${env:ROOT}/$${x}');
  const { config } = resolveText(text, '/etc/tailrace.yaml', { NAME: 'site', ROOT: '/srv' });
  expect(config).toMatchObject({ name: 'site', dataDir: '/srv/${x}' });
});

test('a secret is read from a file that is its own', () => {
  const secret = join(folder, 'secret');
  writeFileSync(secret, 'site\n', { mode: 0o600 });
  const text = changed('name: web', 'name: ${file:secret}');
  expect(resolveText(text, join(folder, 'tailrace.yaml'), {}).config.name).toBe('site');
  chmodSync(secret, 0o644);
  expect(() => resolveText(text, join(folder, 'tailrace.yaml'), {})).toThrow(
    /secret can be read by others[^]*chmod 600 secret/,
  );
});

test('of a reference that cannot be read, an expression says nothing more', async () => {
  const filter = '    transforms: [{ type: filter, where: "url.path = \'${env:NONE}\' and 1 = 2" }]\n';
  const text = RIGHT_CONFIG.replace('    event_time:', () => `${filter}    event_time:`);
  const problems = await problemsOfSql(text);
  expect(problems).toEqual([expect.stringContaining('the environment has no NONE')]);
});
