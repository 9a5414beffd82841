// Counts in Elasticsearch what the document sink has written, past all of our own code.
import { setTimeout as sleep } from 'node:timers/promises';

export interface ElasticsearchAddress {
  readonly url: string;
  /** Of `elastic`. */
  readonly password: string;
}

/** Indices of lines, as stack.yaml names them: not those of rollups or dead letters. */
const INDICES = 'tailrace-access-*,tailrace-shop-*';
const PAGE = 5000;

interface Hits {
  readonly hits: { readonly hits: readonly { readonly _id: string; readonly sort: readonly unknown[] }[] };
}

export async function countDocuments(
  address: ElasticsearchAddress,
): Promise<{ readonly documents: number; readonly ids: number }> {
  await ask(address, `/${INDICES}/_refresh`, 'POST');
  const count = (await ask(address, `/${INDICES}/_count`)) as { count?: number };
  const documents = count.count ?? 0;
  return { documents, ids: documents === 0 ? 0 : await countIds(address) };
}

/** Ids are unique in an index by Elasticsearch's word; over all indices they are counted here. */
async function countIds(address: ElasticsearchAddress): Promise<number> {
  const ids = new Set<string>();
  const pit = (await ask(address, `/${INDICES}/_pit?keep_alive=1m`, 'POST')) as { id: string };
  let after: readonly unknown[] | undefined;
  for (;;) {
    const page = (await ask(address, '/_search', 'POST', {
      size: PAGE,
      _source: false,
      pit: { id: pit.id, keep_alive: '1m' },
      sort: ['_shard_doc'],
      ...(after === undefined ? {} : { search_after: after }),
    })) as Hits;
    const { hits } = page.hits;
    for (const { _id } of hits) ids.add(_id);
    after = hits.at(-1)?.sort;
    if (after === undefined) break;
  }
  await ask(address, '/_pit', 'DELETE', { id: pit.id });
  return ids.size;
}

/** An index that was made a moment ago has no shard that answers yet, and a busy server asks for patience. */
const NOT_YET = new Set([429, 503]);
const NOT_YET_MS = 15_000;

async function ask(address: ElasticsearchAddress, path: string, method = 'GET', body?: unknown): Promise<unknown> {
  const giveUpMs = performance.now() + NOT_YET_MS;
  for (;;) {
    const response = await askOnce(address, path, method, body);
    if (response.ok) return await response.json();
    if (!NOT_YET.has(response.status) || performance.now() > giveUpMs)
      throw new Error(`Elasticsearch answers ${response.status} to ${method} ${path}`);
    await response.arrayBuffer();
    await sleep(250);
  }
}

async function askOnce(
  { url, password }: ElasticsearchAddress,
  path: string,
  method: string,
  body: unknown,
): Promise<Response> {
  return await fetch(`${url}${path}`, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(`elastic:${password}`).toString('base64')}`,
      'content-type': 'application/json',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
  });
}
