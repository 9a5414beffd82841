import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { COMPONENTS } from '../../src/components.ts';
import { combined } from '../../src/codecs/combined.ts';
import { systemClock } from '../../src/lib/clock.ts';
import {
  type ElasticsearchClient,
  type ElasticsearchOptions,
  openElasticsearch,
  waitForElasticsearch,
} from '../../src/sinks/elasticsearch/client.ts';
import { planTemplates, putTemplate } from '../../src/sinks/elasticsearch/provision.ts';
import { deleteOldIndices } from '../../src/sinks/elasticsearch/retention.ts';
import { type IndexTemplate, rollupIndex, templatesOf } from '../../src/sinks/elasticsearch/templates.ts';
import { pipelineOf } from '../support/epochs.ts';
import { type Elasticsearch, startElasticsearch } from '../support/stack/elasticsearch.ts';
import { SERVER_START_MS, describeWith } from '../support/stack/require-stack.ts';

const DAY_MS = 86_400_000;

function templates(prefix: string, documents: Record<string, ReturnType<typeof combined.fields>>): IndexTemplate[] {
  return templatesOf({
    prefix,
    shards: 1,
    replicas: 0,
    pipeline: pipelineOf(),
    documents,
    rollups: ['traffic'],
    aggregates: COMPONENTS.aggregates,
  });
}

describeWith('elasticsearch', 'openssl')('an Elasticsearch with security', () => {
  let elasticsearch: Elasticsearch;
  let trusted: Pick<ElasticsearchOptions, 'nodes' | 'tls'>;
  let client: ElasticsearchClient;

  beforeAll(async () => {
    elasticsearch = await startElasticsearch({ security: true });
    trusted = { nodes: [elasticsearch.url], tls: { ca: readFileSync(elasticsearch.tls!.caFile, 'utf8') } };
    const { username, password } = elasticsearch;
    client = openElasticsearch({ ...trusted, auth: { username: username!, password: password! } });
  }, SERVER_START_MS);

  afterAll(async () => {
    await client?.close();
    await elasticsearch?.stop();
  });

  const wait = async (options: ElasticsearchOptions): Promise<boolean> => {
    const other = openElasticsearch(options);
    return await waitForElasticsearch(other, { clock: systemClock, timeoutMs: 20_000 }).finally(() => other.close());
  };

  // This distribution cannot make an API key: the index of keys needs an analyser that it lacks. How one is sent: client.test.ts.
  describe('lets in', () => {
    test('a user with a password, by a certificate of its own authority', async () => {
      expect(await waitForElasticsearch(client, { clock: systemClock })).toBe(true);
    });

    test('nobody else', async () => {
      const auth = { username: 'elastic', password: 'wrong' };
      await expect(wait({ ...trusted, auth })).rejects.toMatchObject({ code: 'ES_AUTH' });
      await expect(wait({ ...trusted, auth })).rejects.not.toThrow('wrong');
      await expect(wait(trusted)).rejects.toMatchObject({ code: 'ES_AUTH' });
      await expect(wait({ ...trusted, auth: { apiKey: 'bm9uZTpzdWNo' } })).rejects.toMatchObject({ code: 'ES_AUTH' });
    });

    test('no one is let in by us whose certificate is not trusted, or has another name', async () => {
      const auth = { username: elasticsearch.username!, password: elasticsearch.password! };
      await expect(wait({ nodes: trusted.nodes, auth })).rejects.toMatchObject({ code: 'ES_TLS' });
      const tls = { ...trusted.tls, serverName: 'other.example.org' };
      await expect(wait({ nodes: trusted.nodes, tls, auth })).rejects.toMatchObject({ code: 'ES_TLS' });
    });
  });

  describe('index templates', () => {
    test('are made once, and what somebody changed is seen', async () => {
      const wanted = templates('tmpl', { access: combined.fields({}) });
      const kinds = async (of: readonly IndexTemplate[]): Promise<string[]> =>
        (await planTemplates(client, of)).map(({ kind, isUntouched }) => `${kind}${isUntouched ? '' : ' touched'}`);
      expect(await kinds(wanted)).toEqual(['create touched', 'create touched', 'create touched']);
      for (const template of wanted) await putTemplate(client, template);
      expect(await kinds(wanted)).toEqual(['same', 'same', 'same']);
      // Another pipeline: ours to change.
      const other = templates('tmpl', { access: { ...combined.fields({}), extra: 'long' } });
      expect(await kinds(other)).toEqual(['update', 'same', 'same']);
      // Another hand: not ours.
      const [first] = wanted as [IndexTemplate];
      const settings = { ...first.body.template.settings, 'index.number_of_shards': '3' };
      await putTemplate(client, { ...first, body: { ...first.body, template: { ...first.body.template, settings } } });
      expect(await kinds(wanted)).toEqual(['update touched', 'same', 'same']);
    });

    test('map the fields of the pipeline, and nothing that a line brings along', async () => {
      const wanted = templates('mapped', { access: combined.fields({}), 'access-eu': { 'url.path': 'long', x: 'ip' } });
      for (const template of wanted) await putTemplate(client, template);
      const document = { '@timestamp': DAY_MS, message: 'GET /', 'url.path': '7', brought: { along: 1 } };
      for (const index of ['mapped-access-2026.11.26', 'mapped-access-eu-2026.11.26', rollupIndex('mapped', 'traffic')])
        await client.index({ index, document });
      const mappings = await client.indices.getMapping({ index: 'mapped-*' });
      const fieldOf = (index: string, field: string): unknown =>
        field
          .split('.')
          .reduce<unknown>(
            (at, step) => (at as { properties?: Record<string, unknown> } | undefined)?.properties?.[step],
            mappings[index]!.mappings,
          );
      expect(fieldOf('mapped-access-2026.11.26', 'url.path')).toMatchObject({ type: 'keyword' });
      expect(fieldOf('mapped-access-2026.11.26', 'message')).toMatchObject({ type: 'text', norms: false });
      expect(fieldOf('mapped-access-2026.11.26', 'brought')).toBeUndefined();
      // The longer name is the nearer template.
      expect(fieldOf('mapped-access-eu-2026.11.26', 'url.path')).toEqual({ type: 'long' });
      expect(fieldOf('mapped-access-eu-2026.11.26', 'http')).toBeUndefined();
      expect(fieldOf('mapped-rollup-traffic', 'tailrace.measures.bytes')).toEqual({ type: 'double' });
    });
  });

  test('retention deletes days that are wholly past, of its own streams only', async () => {
    const kept = [
      'kept-access-2026.11.20',
      'kept-access-2026.11.19-g2',
      'kept-access-2026.11',
      'kept-other-2026.01.01',
      'kept-access-something-2026.01.01',
      'kept-dead-letters-2026.11.25',
      'kept-rollup-access',
    ];
    const old = ['kept-access-2026.11.18', 'kept-access-2026.10-g2', 'kept-dead-letters-2026.11.01'];
    for (const index of [...kept, ...old, 'kept-access-old']) await client.indices.create({ index });
    const nowMs = Date.UTC(2026, 10, 26, 12);
    const options = { prefix: 'kept', streams: ['access'], retentionMs: 7 * DAY_MS };
    // A year and more: nobody knows how old the lines of `old` are.
    expect(await deleteOldIndices(client, { ...options, retentionMs: 500 * DAY_MS }, nowMs)).toEqual([]);
    expect(await deleteOldIndices(client, options, nowMs)).toEqual([...old, 'kept-access-old'].sort());
    expect(await deleteOldIndices(client, options, nowMs)).toEqual([]);
    expect(Object.keys(await client.indices.get({ index: 'kept-*' })).sort()).toEqual(kept.sort());
    expect(await deleteOldIndices(client, { ...options, prefix: 'nothing' }, nowMs)).toEqual([]);
  });
});
