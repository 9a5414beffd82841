import { readFileSync } from 'node:fs';
import type { Config } from '../../config/config.ts';
import type { Components } from '../definitions.ts';
import type { ElasticsearchSinkConfig } from './elasticsearch.ts';
import { EXIT, OperatingError, systemErrorCode } from '../../lib/errors.ts';
import {
  type ElasticsearchClient,
  type ElasticsearchOptions,
  openElasticsearch,
} from '../../sinks/elasticsearch/client.ts';
import type { Fields } from '../../record/batch.ts';
import { type IndexTemplate, templatesOf } from '../../sinks/elasticsearch/templates.ts';
import { streamPlan } from '../../transforms/stream-plan.ts';

export function openElasticsearchSink(sink: ElasticsearchSinkConfig): ElasticsearchClient {
  return openElasticsearch({ nodes: sink.nodes, ...accessOf(sink) });
}

/** Kibana is asked as Elasticsearch is: with the same key or user, and the same authority. */
export function accessOf({
  auth,
  tls,
  isInsecureAllowed,
}: ElasticsearchSinkConfig): Omit<ElasticsearchOptions, 'nodes'> {
  return {
    isInsecureAllowed,
    ...(auth === null ? {} : { auth }),
    ...(tls === null ? {} : { tls: readTls(tls) }),
  };
}

function readTls({ caFile, serverName }: NonNullable<ElasticsearchSinkConfig['tls']>): {
  ca?: string;
  serverName?: string;
} {
  return {
    ...(caFile === null ? {} : { ca: readCertificates(caFile) }),
    ...(serverName === null ? {} : { serverName }),
  };
}

function readCertificates(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new OperatingError(`tls.ca ${path} cannot be read: ${systemErrorCode(error) ?? String(error)}`, {
      code: 'ES_TLS',
      exitCode: EXIT.config,
      hint: "name a file with the authority's certificate",
      cause: error,
    });
  }
}

/** The templates of everything the sink writes. */
export function elasticsearchTemplates(
  { pipeline }: Pick<Config, 'pipeline'>,
  sink: ElasticsearchSinkConfig,
  components: Components,
): IndexTemplate[] {
  const fieldsOf = (stream: string): Fields => streamPlan(pipeline.streams[stream]!, components).fields;
  return templatesOf({
    prefix: sink.indexPrefix,
    shards: sink.shards,
    replicas: sink.replicas,
    pipeline,
    documents: Object.fromEntries(sink.documents.map((stream) => [stream, fieldsOf(stream)])),
    rollups: sink.rollups,
    aggregates: components.aggregates,
  });
}
