import { errors } from '@elastic/elasticsearch';
import type { StoredFoldedRow } from '../row-fold.ts';
import { HITS, POINT_IN_TIME, STORED_ROW, badAnswerError, checked } from './answer-shapes.ts';
import { type ElasticsearchClient, withElasticsearch } from './client.ts';
import { storedRow } from './rollup-document.ts';
import { rollupIndex } from './templates.ts';

/** Documents of one page: some megabytes. */
const PAGE_DOCUMENTS = 1000;
/** More windows are not kept open anywhere: a server that always has another page would fill the memory. */
const ROWS_MAX = 5_000_000;
const PIT_KEEP_ALIVE = '1m';

export interface OpenRowsQuery {
  readonly prefix: string;
  readonly pipeline: string;
  readonly rollup: string;
}

/**
 * Every row of a rollup whose document says that it is open; all of them, or an error. None where there is no index yet: an index that is lost
 * between two pages is an error.
 */
export async function openRows(
  client: ElasticsearchClient,
  query: OpenRowsQuery,
  signal: AbortSignal,
): Promise<StoredFoldedRow[]> {
  const index = rollupIndex(query.prefix, query.rollup);
  return await withElasticsearch(client, `open rows of ${query.rollup}`, async () => {
    const pit = await pointInTime(client, index, signal);
    return pit === undefined ? [] : await readAll(client, pit, query.pipeline, signal);
  });
}

/** Undefined where there is no such index. */
async function pointInTime(
  client: ElasticsearchClient,
  index: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    // A search sees what was refreshed; what was written a moment ago counts, too.
    await client.indices.refresh({ index }, { signal });
    const opened = await client.openPointInTime({ index, keep_alive: PIT_KEEP_ALIVE }, { signal });
    return checked(POINT_IN_TIME, opened, index).id;
  } catch (error) {
    if (error instanceof errors.ResponseError && error.statusCode === 404) return undefined;
    throw error;
  }
}

async function readAll(
  client: ElasticsearchClient,
  id: string,
  pipeline: string,
  signal: AbortSignal,
): Promise<StoredFoldedRow[]> {
  const rows: StoredFoldedRow[] = [];
  let after: readonly (string | number)[] | undefined;
  for (;;) {
    const answer = await client.search(
      {
        pit: { id, keep_alive: PIT_KEEP_ALIVE },
        // A shard that does not answer holds rows, too.
        allow_partial_search_results: false,
        size: PAGE_DOCUMENTS,
        track_total_hits: false,
        sort: [{ _shard_doc: 'asc' }],
        query: {
          bool: { filter: [{ term: { 'tailrace.status': 'open' } }, { term: { 'tailrace.pipeline': pipeline } }] },
        },
        _source: ['tailrace'],
        ...(after === undefined ? {} : { search_after: [...after] }),
      },
      { signal },
    );
    const { hits } = checked(HITS, answer, 'open rows').hits;
    for (const { _source: source } of hits) {
      if (source !== undefined) rows.push(storedRow(checked(STORED_ROW, source['tailrace'], 'an open row')));
    }
    if (hits.length < PAGE_DOCUMENTS) break;
    if (rows.length > ROWS_MAX) throw badAnswerError(`open rows: more than ${ROWS_MAX}, and still more pages`);
    after = hits.at(-1)?.sort as (string | number)[] | undefined;
    if (after === undefined) throw badAnswerError('open rows: a page that does not say where it ends');
  }
  await client.closePointInTime({ id }, { signal });
  return rows;
}
