import { expect, test } from '@jest/globals';
import { RIGHT_CONFIG, problemsOf } from '../support/broken-config.ts';
import { resolveText } from '../support/configs.ts';

const withObserve = (section: string): string =>
  RIGHT_CONFIG.replace('version: 1\n', `version: 1\nobserve: ${section}\n`);
const TOKEN = '0123456789abcdef';

test.each([
  ['{}', { listen: null, token: null }],
  ['{ listen: 127.0.0.1:9309 }', { listen: { host: '127.0.0.1', port: 9309 }, token: null }],
  ['{ listen: "[::1]:9309" }', { listen: { host: '::1', port: 9309 }, token: null }],
  [`{ listen: 0.0.0.0:9309, token: ${TOKEN} }`, { listen: { host: '0.0.0.0', port: 9309 }, token: TOKEN }],
])('observe: %s', (section, observe) => {
  expect(resolveText(withObserve(section), 'tailrace.yaml', {}).config.observe).toEqual(observe);
});

test.each<[section: string, ...problems: string[]]>([
  [
    '{ listen: 9309.5 }',
    '2:20 WRONG_TYPE: observe.listen is the number 9309.5 — expects a host and a port, such as 127.0.0.1:9309',
  ],
  [
    '{ listen: localhost }',
    '2:20 VALUE: localhost is not an address — write a host and a port, such as 127.0.0.1:9309',
  ],
  [
    '{ listen: 0.0.0.0:9309 }',
    '2:20 VALUE: 0.0.0.0 is reached from other machines, and nothing guards it — listen on 127.0.0.1, or set observe.token',
  ],
])('observe: %s is refused', (section, ...problems) => {
  expect(problemsOf(withObserve(section))).toEqual(problems);
});

test('a short token is refused and not shown', () => {
  expect(problemsOf(withObserve('{ token: hunter2 }'))).toEqual([
    '2:19 VALUE: observe.token is too short — it must have at least 16 characters: make one with openssl rand -hex 32',
  ]);
});
