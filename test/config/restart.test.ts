import { expect, test } from '@jest/globals';
import { RESTART_DEFAULTS } from '../../src/supervisor/restart-strategy.ts';
import { RIGHT_CONFIG, problemsOf } from '../support/broken-config.ts';
import { resolveText } from '../support/configs.ts';

const withRestart = (section: string): string =>
  RIGHT_CONFIG.replace('version: 1\n', `version: 1\nrestart: ${section}\n`);

test.each([
  ['{}', RESTART_DEFAULTS],
  [
    '{ strategy: exponential_delay, initial: 2s, max: 5m, multiplier: 2, jitter: 0, reset_after: 2h, attempts: 100 }',
    {
      strategy: 'exponential_delay',
      initialMs: 2000,
      maxMs: 300_000,
      multiplier: 2,
      jitter: 0,
      resetMs: 7_200_000,
      attemptsMax: 100,
    },
  ],
  ['{ strategy: fixed_delay }', { strategy: 'fixed_delay', delayMs: 1000, attemptsMax: 1 }],
  ['{ strategy: failure_rate }', { strategy: 'failure_rate', delayMs: 1000, failuresMax: 1, windowMs: 60_000 }],
  ['{ strategy: none }', { strategy: 'none' }],
])('restart: %s', (section, restart) => {
  expect(resolveText(withRestart(section), 'tailrace.yaml', {}).config.restart).toEqual(restart);
});

test.each<[section: string, ...problems: string[]]>([
  ['{ strategy: none, delay: 1s }', '2:28 VALUE: restart.delay is not a setting of none — leave it out'],
  [
    '{ strategy: failure_rate, attempts: 3 }',
    '2:36 VALUE: restart.attempts is not a setting of failure_rate — it has delay, failures, within',
  ],
  ['{ attempts: 0 }', '2:22 VALUE: restart.attempts is 0 — must be a whole number between 1 and 1000000'],
  ['{ jitter: 2 }', '2:20 VALUE: restart.jitter is 2 — must be a number between 0 and 1'],
  [
    '{ strategy: exponential }',
    '2:22 VALUE: restart.strategy is "exponential" — expects one of exponential_delay, fixed_delay, failure_rate, none',
  ],
])('restart: %s is refused', (section, ...problems) => {
  expect(problemsOf(withRestart(section))).toEqual(problems);
});
