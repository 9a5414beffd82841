import { expect, test } from '@jest/globals';
import { COMPONENTS } from '../../src/components.ts';
import { resolveText } from '../support/configs.ts';
import { sourcesOf } from '../../src/roles/input-sources.ts';
import { RIGHT_CONFIG } from '../support/broken-config.ts';

function said(source: string): string {
  const text = RIGHT_CONFIG.replace(/web: .*/, `web: { ${source}, stream: access }`);
  const [{ input, definition } = undefined!] = sourcesOf(resolveText(text, 'tailrace.yaml', {}).config, COMPONENTS);
  return definition.nothingIn(input);
}

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
