import { afterEach, expect, test } from '@jest/globals';
import { OperatingError } from '../../../src/lib/errors.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { type ElasticsearchClient, openElasticsearch } from '../../../src/sinks/elasticsearch/client.ts';
import { indexSums } from '../../../src/sinks/elasticsearch/index-sums.ts';
import { openRows } from '../../../src/sinks/elasticsearch/open-rows.ts';
import { keepRetention } from '../../../src/sinks/elasticsearch/retention.ts';
import { searchPort } from '../../../src/sinks/elasticsearch/search-port.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../../support/scripted-http.ts';

const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

async function begin(
  script: Script,
): Promise<{ readonly client: ElasticsearchClient; readonly server: ScriptedServer }> {
  const server = await startScriptedServer(script);
  const client = openElasticsearch({ nodes: [server.url] });
  opened.push(() => server.stop());
  return { client, server };
}

const QUERY = { prefix: 'tailrace', pipeline: 'web', rollup: 'traffic' };
const NEVER = new AbortController().signal;
const LOST = {
  status: 404,
  body: { error: { type: 'search_context_missing_exception', reason: 'No search context' } },
};
const open = (client: ElasticsearchClient, signal = NEVER): Promise<unknown> => openRows(client, QUERY, signal);

test('where there is no index, there are no open rows', async () => {
  const { client } = await begin(() => ({ status: 404, body: { error: { type: 'index_not_found_exception' } } }));
  expect(await open(client)).toEqual([]);
});

test('a point in time that is lost between two pages is an error, and not the end of the rows', async () => {
  const stored = {
    rollup: 'traffic',
    cells: { window_start: 0, window_end: 60_000, is_other: 0 },
    parts: [],
    status: 'open',
  };
  const page = Array.from({ length: 1000 }, (_, i) => ({
    _index: 'tailrace-rollup-traffic',
    _source: { tailrace: stored },
    sort: [i],
  }));
  let pages = 0;
  const { client, server } = await begin(({ path }) => {
    if (path.includes('_pit')) return { status: 200, body: { id: 'pit' } };
    if (!path.includes('_search')) return { status: 200, body: {} };
    return ++pages === 1 ? { status: 200, body: { hits: { hits: page } } } : LOST;
  });
  await expect(open(client)).rejects.toBeInstanceOf(OperatingError);
  expect(pages).toBe(2);
  const searches = server.requests.filter(({ path }) => path.includes('_search'));
  for (const { path } of searches) expect(path).toContain('allow_partial_search_results=false');
});

test('an audit and a search take no answer of a part of the shards either', async () => {
  const { client, server } = await begin(({ path }) => {
    if (path.includes('_search'))
      return {
        status: 200,
        body: { hits: { hits: [], total: { value: 0 } }, aggregations: { groups: { buckets: [] } } },
      };
    return { status: 200, body: { 'tailrace-access-2026.11.26': {} } };
  });
  await indexSums(client, { prefix: 'tailrace', stream: 'access' });
  await searchPort(client).search({ query: {} });
  const searches = server.requests.filter(({ path }) => path.includes('_search'));
  expect(searches).toHaveLength(2);
  for (const { path } of searches) expect(path).toContain('allow_partial_search_results=false');
});

test.each([
  [
    'open rows',
    async (client: ElasticsearchClient, signal: AbortSignal) => open(client, signal).catch(() => undefined),
  ],
  [
    'the retention',
    (client: ElasticsearchClient, signal: AbortSignal) =>
      keepRetention(
        {
          client,
          clock: systemClock,
          options: { prefix: 'tailrace', streams: ['access'], retentionMs: 1 },
          notify: () => undefined,
        },
        signal,
      ),
  ],
] as const)('a server that answers nothing does not hold up the stop of %s', async (_, run) => {
  const stop = new AbortController();
  const { client } = await begin(() => {
    setImmediate(() => stop.abort());
    return undefined;
  });
  const startedMs = performance.now();
  await run(client, stop.signal);
  expect(performance.now() - startedMs).toBeLessThan(10_000);
});
