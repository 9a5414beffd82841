import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { suggestion } from '../config/nearest.ts';
import { EXIT, OperatingError, systemErrorCode } from '../lib/errors.ts';
import { type ElasticsearchClient, openElasticsearch } from '../sinks/elasticsearch/client.ts';

/** The options of a sink of type elasticsearch, with their defaults. */
export interface ElasticsearchSinkConfig {
  readonly type: 'elasticsearch';
  readonly nodes: readonly string[];
  readonly auth: { readonly apiKey: string } | { readonly username: string; readonly password: string } | null;
  readonly tls: { readonly caFile: string | null; readonly serverName: string | null } | null;
  readonly isInsecureAllowed: boolean;
  readonly documents: readonly string[];
  readonly rollups: readonly string[];
  readonly indexPrefix: string;
  readonly shards: number;
  readonly replicas: number;
}

export interface NamedElasticsearchSink {
  readonly name: string;
  readonly sink: ElasticsearchSinkConfig;
}

/** The Elasticsearch sink that a command means: the one it names, or the only one there is. */
export function elasticsearchSinkNamed(config: Config, named: string | undefined): NamedElasticsearchSink {
  const all = Object.entries(config.sinks) as unknown as readonly [
    string,
    ElasticsearchSinkConfig | { type: 'duckdb' },
  ][];
  const sinks = all.flatMap(([name, sink]) => (sink.type === 'elasticsearch' ? [{ name, sink }] : []));
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
  throw refuse(`there is no Elasticsearch sink "${named}"`, hint);
}

export function openElasticsearchSink(sink: ElasticsearchSinkConfig): ElasticsearchClient {
  const { nodes, auth, tls, isInsecureAllowed } = sink;
  return openElasticsearch({
    nodes,
    isInsecureAllowed,
    ...(auth === null ? {} : { auth }),
    ...(tls === null ? {} : { tls: readTls(tls) }),
  });
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
