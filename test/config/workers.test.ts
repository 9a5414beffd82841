import { expect, test } from '@jest/globals';
import { resolveText } from '../support/configs.ts';
import { workerNotes } from '../../src/config/workers.ts';
import { RIGHT_CONFIG, refuses } from '../support/broken-config.ts';

const ENGINE = '\nengine: { workers: 4 }\n';

refuses(
  'no workers',
  RIGHT_CONFIG,
  `${RIGHT_CONFIG}engine: { workers: 0 }\n`,
  '15:20 VALUE: engine.workers is 0 — must be between 1 and 64',
);
refuses(
  'a group without Kafka',
  RIGHT_CONFIG,
  `${RIGHT_CONFIG}engine: { assignment: group }\n`,
  '15:23 VALUE: assignment: group is a consumer group of Kafka, and this broker is embedded — leave it out: the workers of one machine share the partitions by their numbers',
);

test('one worker for one partition is nothing to speak of', () => {
  expect(workerNotes(resolveText(RIGHT_CONFIG, 'tailrace.yaml', {}).config)).toEqual([]);
});

test.each([
  [
    3,
    [
      '4 workers for 3 partitions: 1 of them has nothing to do (lower engine.workers, or give a new stream more partitions)',
    ],
  ],
  [4, []],
  [6, ['6 partitions for 4 workers do not divide evenly: 2 of them have 2, the others 1']],
  [9, ['9 partitions for 4 workers do not divide evenly: 1 of them has 3, the others 2']],
  [16, []],
])('%d partitions for four workers', (partitions, notes) => {
  const text = RIGHT_CONFIG.replace('    event_time', `    partitions: ${partitions}\n    event_time`) + ENGINE;
  expect(workerNotes(resolveText(text, 'tailrace.yaml', {}).config)).toEqual(notes);
});
