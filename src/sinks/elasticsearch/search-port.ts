import { errors } from '@elastic/elasticsearch';
import { HITS, POINT_IN_TIME, checked } from './answer-shapes.ts';
import { type ElasticsearchClient, withElasticsearch } from './client.ts';

/** A page of a thousand lines, which have a megabyte each at the most and some hundred bytes as a rule. */
const PAGE_BYTES_MAX = 64 * 1024 * 1024;

/** A hit as Elasticsearch answers it. */
export interface Hit {
  readonly _id?: string | undefined;
  readonly _index: string;
  readonly _source?: unknown;
  readonly sort?: readonly unknown[] | undefined;
  readonly matched_queries?: readonly string[] | Readonly<Record<string, number>> | undefined;
}

/** What `src/query/search.ts` asks Elasticsearch, through the client. */
export function searchPort(client: ElasticsearchClient): {
  openPointInTime(index: string, keepAlive: string): Promise<string | undefined>;
  search(body: Readonly<Record<string, unknown>>): Promise<readonly Hit[]>;
  closePointInTime(id: string): Promise<void>;
} {
  const ask = <T>(request: () => Promise<T>): Promise<T> => withElasticsearch(client, 'search', request);
  return {
    openPointInTime: (index, keepAlive) =>
      ask(async () => {
        try {
          const answer = await client.openPointInTime({ index, keep_alive: keepAlive, ignore_unavailable: true });
          return checked(POINT_IN_TIME, answer, 'search').id;
        } catch (error) {
          if (error instanceof errors.ResponseError && error.statusCode === 404) return undefined;
          throw error;
        }
      }),
    search: (body) =>
      ask(async () => {
        const answer = await client.search(
          { ...body, allow_partial_search_results: false },
          { maxResponseSize: PAGE_BYTES_MAX, maxCompressedResponseSize: PAGE_BYTES_MAX },
        );
        return checked(HITS, answer, 'search').hits.hits;
      }),
    closePointInTime: async (id) => {
      await ask(() => client.closePointInTime({ id }));
    },
  };
}
