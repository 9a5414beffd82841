import { type LineSum, emptySum } from '../../record/line-id.ts';
import { INDICES, SUMS, checked } from './answer-shapes.ts';
import { type ElasticsearchClient, withElasticsearch } from './client.ts';
import { parseIndexName } from './index-name.ts';

/**
 * Sums of an aggregation are doubles, exact up to 2^53: so the documents are added up in as many groups, by the value of one lane, as an index
 * of the 2^31 documents that a shard can hold needs.
 */
const GROUP_WIDTH = 2 ** 22;

/** How many documents each index of a stream holds, with the sums of their line-id hashes, by the index's name. */
export async function indexSums(
  client: ElasticsearchClient,
  of: { readonly prefix: string; readonly stream: string },
): Promise<Map<string, LineSum>> {
  const pattern = `${of.prefix}-${of.stream}-*`;
  return withElasticsearch(client, `documents of ${of.stream}`, async () => {
    const found = await client.indices.get({ index: pattern, features: ['settings'] });
    const names = Object.keys(checked(INDICES, found, `documents of ${of.stream}`)).filter(
      (name) => parseIndexName(name, of) !== undefined,
    );
    const sums = new Map<string, LineSum>();
    for (const name of names.toSorted()) {
      // What was stored a moment ago must be seen.
      await client.indices.refresh({ index: name });
      sums.set(name, await sumOf(client, name));
    }
    return sums;
  });
}

async function sumOf(client: ElasticsearchClient, index: string): Promise<LineSum> {
  // An answer without a sum must not look like a loss either.
  const found = await client.search({
    index,
    // What one shard does not answer must not look like a loss.
    allow_partial_search_results: false,
    size: 0,
    track_total_hits: true,
    request_cache: false,
    aggs: {
      groups: {
        histogram: { field: 'tailrace.hash_a', interval: GROUP_WIDTH, min_doc_count: 1 },
        aggs: { a: { sum: { field: 'tailrace.hash_a' } }, b: { sum: { field: 'tailrace.hash_b' } } },
      },
    },
  });
  const { hits, aggregations } = checked(SUMS, found, `documents in ${index}`);
  const sum = emptySum();
  sum.lines = hits.total.value;
  for (const { a, b } of aggregations.groups.buckets) {
    sum.a = (sum.a + (a.value % 2 ** 32)) % 2 ** 32;
    sum.b = (sum.b + (b.value % 2 ** 32)) % 2 ** 32;
  }
  return sum;
}
