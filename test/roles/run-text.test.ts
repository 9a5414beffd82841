import { expect, test } from '@jest/globals';
import { type RunEvent, runText } from '../../src/roles/run-text.ts';

test.each<[string, Exclude<RunEvent, { type: 'progress' }>]>([
  ['caught up: 1,204,000 lines', { type: 'caught_up', lines: 1_204_000 }],
  ['following; Ctrl-C stops', { type: 'following' }],
  ['sink warehouse: a\\x1b[31mb', { type: 'role_line', role: 'sink warehouse', line: 'a\u001b[31mb' }],
  ['Kafka answers again after 2s', { type: 'cluster', brokers: ['k:9092'], event: { type: 'back', awayMs: 1800 } }],
  [
    'ALARM engine ended (fenced): starting it again in 1000 ms',
    { type: 'restarted', service: 'engine', reason: 'fenced', pauseMs: 1000, isAlarm: true },
  ],
])('says %p', (line, event) => {
  expect(runText(event)).toBe(line);
});
