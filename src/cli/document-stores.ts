import type { Config } from '../config/config.ts';
import type { DocumentStore } from '../query/audit-documents.ts';

/** The stores of documents that a configuration names, for an audit. Clients are opened when they are asked, and closed with `close`. */
export async function documentStores(
  config: Config | undefined,
  nowMs: number,
): Promise<{ readonly stores: DocumentStore[]; readonly close: () => Promise<void> }> {
  const named = Object.entries(config?.sinks ?? {}).flatMap(([sink, options]) =>
    options.type === 'elasticsearch' && options.documents.length > 0 ? [{ sink, options }] : [],
  );
  // An audit of rows alone loads no client.
  if (named.length === 0) return { stores: [], close: () => Promise.resolve() };
  const { openElasticsearchSink } = await import('../roles/elasticsearch-client.ts');
  const { indexSums } = await import('../sinks/elasticsearch/index-sums.ts');
  const { parseIndexName } = await import('../sinks/elasticsearch/index-name.ts');
  const opened = named.map(({ sink, options }) => {
    const { documents: streams, indexPrefix: prefix, retentionMs } = options;
    const client = openElasticsearchSink(options);
    const store: DocumentStore = {
      sink,
      streams,
      sums: (stream) => indexSums(client, { prefix, stream }),
      isExpired: (index, stream) => {
        const parsed = parseIndexName(index, { prefix, stream });
        return retentionMs !== null && parsed !== undefined && parsed.endMs <= nowMs - retentionMs;
      },
    };
    return { store, client };
  });
  return {
    stores: opened.map(({ store }) => store),
    close: async () => {
      for (const { client } of opened) await client.close();
    },
  };
}
