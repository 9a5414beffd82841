import { readFileSync } from 'node:fs';
import { CODECS } from '../components.ts';
import type { Config } from '../config/config.ts';
import type { ElasticsearchSinkConfig } from '../config/elasticsearch-sink.ts';
import { suggestion } from '../config/nearest.ts';
import { EXIT, OperatingError, systemErrorCode } from '../lib/errors.ts';
import {
  type ElasticsearchClient,
  type ElasticsearchOptions,
  openElasticsearch,
} from '../sinks/elasticsearch/client.ts';
import { type IndexTemplate, templatesOf } from '../sinks/elasticsearch/templates.ts';

/**
 * How long a command that somebody waits for tries again before it says that Elasticsearch or Kibana is away: over a lost connection, and no
 * longer. Whoever starts a server waits until it is well before asking it, as `make up` does.
 */
export const COMMAND_WAIT_MS = 1000;

export interface NamedElasticsearchSink {
  readonly name: string;
  readonly sink: ElasticsearchSinkConfig;
}

/** The Elasticsearch sink that a command means: the one it names, or the only one there is. */
export function elasticsearchSinkNamed(config: Config, named: string | undefined): NamedElasticsearchSink {
  const sinks = Object.entries(config.sinks).flatMap(([name, sink]) =>
    sink.type === 'elasticsearch' ? [{ name, sink }] : [],
  );
  const refuse = (message: string, hint: string): OperatingError =>
    new OperatingError(message, { code: 'SINK_UNKNOWN', exitCode: EXIT.usage, hint });
  const [first, second] = sinks;
  if (first === undefined) {
    throw refuse('the configuration has no sink of type elasticsearch', 'add one under sinks, with its nodes');
  }
  const names = sinks.map(({ name }) => name);
  if (named === undefined) {
    if (second === undefined) return first;
    throw refuse(`there are several Elasticsearch sinks: ${names.join(', ')}`, 'say which with --sink');
  }
  const found = sinks.find(({ name }) => name === named);
  if (found !== undefined) return found;
  const hint = suggestion(named, names) ?? `its Elasticsearch sinks are ${names.join(', ')}`;
  throw refuse(`there is not an Elasticsearch sink "${named}"`, hint);
}

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
export function elasticsearchTemplates(config: Config, sink: ElasticsearchSinkConfig): IndexTemplate[] {
  const { pipeline } = config;
  const fieldsOf = (stream: string): ReturnType<(typeof CODECS)[number]['fields']> => {
    const { type, ...codec } = pipeline.streams[stream]!.codec;
    return CODECS.find((definition) => definition.type === type)!.fields(codec);
  };
  return templatesOf({
    prefix: sink.indexPrefix,
    shards: sink.shards,
    replicas: sink.replicas,
    pipeline,
    documents: Object.fromEntries(sink.documents.map((stream) => [stream, fieldsOf(stream)])),
    rollups: sink.rollups,
  });
}
