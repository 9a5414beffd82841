// What the stack without containers needs of this machine, looked at before anything is started.
import { existsSync } from 'node:fs';
import { ELASTICSEARCH_VERSION } from '../../test/support/stack/elasticsearch.ts';
import { KAFKA_VERSION } from '../../test/support/stack/kafka.ts';
import { missing } from '../../test/support/stack/missing-part.ts';
import { cached } from '../../test/support/stack/stack-cache.ts';

const PARTS = ['kafka', 'elasticsearch', 'prometheus', 'alertmanager'] as const;
const DOWNLOADS = [
  { name: 'Kafka', folder: `kafka-${KAFKA_VERSION}`, size: '54 MB' },
  { name: 'Elasticsearch', folder: `elasticsearch-${ELASTICSEARCH_VERSION}`, size: '96 MB' },
] as const;

/** What cannot be had here and the ways to get it, in one line; nothing if all can. */
export function missingForStack(): string | undefined {
  const lacking = PARTS.flatMap((part) => {
    const why = missing(part);
    return why === undefined ? [] : [`${part} (${why})`];
  });
  return lacking.length === 0 ? undefined : `make stack needs ${lacking.join(' and ')}`;
}

/** What the first start has to fetch, such as `Kafka (54 MB)`; empty where all is there. */
export const toDownload = (): string[] =>
  DOWNLOADS.filter(({ folder }) => !existsSync(cached(folder))).map(({ name, size }) => `${name} (${size})`);
