import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Elasticsearch } from './elasticsearch.ts';
import { startElasticsearch } from './elasticsearch.ts';
import { SERVER_START_MS, describeWith } from './require-stack.ts';

describeWith('elasticsearch', 'openssl')('an Elasticsearch with security', () => {
  let elasticsearch: Elasticsearch;

  beforeAll(async () => {
    elasticsearch = await startElasticsearch({ security: true });
  }, SERVER_START_MS);

  afterAll(async () => await elasticsearch?.stop());

  test(
    'asks for the password',
    async () => {
      expect(elasticsearch.url).toMatch(/^https:/);
      expect(await elasticsearch.ask('/kept/_create/1', 'PUT', { line: 'one' })).toMatchObject({ status: 201 });
      expect(await elasticsearch.ask('/kept/_doc/1')).toMatchObject({
        status: 200,
        body: { _source: { line: 'one' } },
      });
      expect(await elasticsearch.ask('/kept/_create/1', 'PUT', {})).toMatchObject({ status: 409 });
      expect(await elasticsearch.ask('/kept/_doc/1', 'GET', undefined, 'wrong')).toMatchObject({ status: 401 });
    },
    SERVER_START_MS,
  );
});
