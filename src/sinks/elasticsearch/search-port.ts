import { errors } from '@elastic/elasticsearch';
import { type ElasticsearchClient, withElasticsearch } from './client.ts';

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
          return answer.id;
        } catch (error) {
          if (error instanceof errors.ResponseError && error.statusCode === 404) return undefined;
          throw error;
        }
      }),
    search: (body) =>
      ask(async () => (await client.search({ ...body, allow_partial_search_results: false })).hits.hits),
    closePointInTime: async (id) => {
      await ask(() => client.closePointInTime({ id }));
    },
  };
}
