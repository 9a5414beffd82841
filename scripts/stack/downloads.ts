// What the first start has to fetch.
import { existsSync } from 'node:fs';
import { ELASTICSEARCH_VERSION } from '../../test/support/stack/elasticsearch.ts';
import { KAFKA_VERSION } from '../../test/support/stack/kafka.ts';
import { cached } from '../../test/support/stack/stack-cache.ts';

const SERVERS = [
  { name: 'Kafka', folder: `kafka-${KAFKA_VERSION}`, size: '54 MB' },
  { name: 'Elasticsearch', folder: `elasticsearch-${ELASTICSEARCH_VERSION}`, size: '96 MB' },
] as const;

/** Such as `Kafka (54 MB)`; empty where all is there. */
export const toDownload = (): string[] =>
  SERVERS.filter(({ folder }) => !existsSync(cached(folder))).map(({ name, size }) => `${name} (${size})`);
