import type { BulkTransport } from './bulk-sender.ts';
import { type ElasticsearchClient, withElasticsearch } from './client.ts';

/** All that is read of an answer: a fifth of what the server would say of each document. */
const ANSWER_FIELDS = [
  'items.create._id',
  'items.create.status',
  'items.create.error.type',
  'items.create.error.reason',
  'items.create.error.caused_by',
  'items.create.failure_store',
  'error',
  'status',
].join(',');

const HEADERS = {
  'content-encoding': 'gzip',
  'content-type': 'application/vnd.elasticsearch+x-ndjson; compatible-with=9',
  accept: 'application/vnd.elasticsearch+json; compatible-with=9',
};

/** Bulks by the official client. It gets bytes that are packed already: its own packing is three times slower. */
export function bulkTransport(client: ElasticsearchClient): BulkTransport {
  return {
    send: (body) =>
      withElasticsearch(client, 'documents', () =>
        client.transport.request(
          {
            method: 'POST',
            path: '/_bulk',
            querystring: { filter_path: ANSWER_FIELDS },
            bulkBody: asBuffer(body) as never,
          },
          { headers: HEADERS, compression: false },
        ),
      ),
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
