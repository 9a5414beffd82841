import { expect, test } from '@jest/globals';
import { questionFor } from '../../src/cli/run.ts';
import { resolveText } from '../support/configs.ts';
import { RIGHT_CONFIG } from '../support/broken-config.ts';

const DOCUMENTS = RIGHT_CONFIG.slice(0, RIGHT_CONFIG.indexOf('rollups:'));
const SEARCH = "search: { type: elasticsearch, nodes: ['http://e:9200'] }";

const question = (text: string, sinks: string): string | undefined =>
  questionFor(resolveText(`${text}sinks: { ${sinks} }\n`, 'tailrace.yaml', {}).config);

test('a run says how to ask what it fills', () => {
  const sql = 'sql -c tailrace.yaml "from traffic order by window_start desc limit 10"';
  expect(question(RIGHT_CONFIG, `tables: { type: duckdb }, ${SEARCH}`)).toBe(sql);
  expect(question(RIGHT_CONFIG, SEARCH)).toBe('search -c tailrace.yaml');
  expect(question(DOCUMENTS, `tables: { type: duckdb }, ${SEARCH}`)).toBe('search -c tailrace.yaml');
  expect(question(RIGHT_CONFIG, '')).toBeUndefined();
});
