import { expect, test } from '@jest/globals';
import { nothingIn } from '../../src/cli/input-places.ts';
import { resolveText } from '../../src/config/load.ts';
import { RIGHT_CONFIG } from '../support/broken-config.ts';

const said = (source: string): string =>
  nothingIn(
    resolveText(RIGHT_CONFIG.replace(/web: .*/, `web: { ${source}, stream: access }`), 'tailrace.yaml', {}).config
      .inputs[0]!,
  );
const KAFKA = "type: kafka, brokers: ['k:9092']";

test('of what nothing was read no more is said than is known', () => {
  expect(said('type: file, include: [a.log, b.log]')).toBe('no file matches a.log, b.log');
  expect(said(`${KAFKA}, topics: [a, b]`)).toBe('no record is in topic a, b on k:9092');
  expect(said(`${KAFKA}, topics: [a], start: latest`)).toBe(
    'no record is in topic a after its starting point on k:9092',
  );
  expect(said(`${KAFKA}, topics: [a], start: { a: { 0: 5 } }`)).toContain('after its starting point');
  expect(said(`${KAFKA}, topic_pattern: 's.*'`)).toBe('no topic that matches /s.*/ has a record on k:9092');
});
