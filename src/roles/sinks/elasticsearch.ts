import { resolve } from 'node:path';
import { z } from 'zod';
import type { WrittenExpression } from '../../expressions/tree.ts';
import { duration } from '../../lib/units.ts';
import { documentTopic, rawTopic } from '../../broker/broker.ts';
import { type Config, type SinkConfig, sinkGroup } from '../../config/config.ts';
import type { Report, Section, SinkContext, SinkNeighbours } from '../../config/definitions.ts';
import type { Path } from '../../config/document.ts';
import { namedKey } from '../../config/rollup-columns.ts';
import type { FoldedTopic, OpenStore, SinkDefinition } from '../definitions.ts';
import { expressionText } from '../../transforms/expression-option.ts';
import { engineTopics } from '../sink-readers.ts';
import { documentPipeline } from './document-pipeline.ts';
import { type ElasticsearchRoleEvent, elasticsearchText } from './elasticsearch-text.ts';
import { suggestion } from '../../config/nearest.ts';

/** What Elasticsearch takes as the name of an index, less what would be ours: `<prefix>-<stream>-<day>`. */
const INDEX_PREFIX = /^[a-z][a-z0-9_]{0,62}$/;
const INDEX_PREFIX_FORM = 'the beginning of index names: lower-case letters, digits and _, at most 63';

/** Streams whose indices would have the names of the sink's own. */
const RESERVED_STREAM = /^(dead-letters|rollups?)(-|$)/;

const text = z.string({ error: () => 'expects text' }).min(1, { error: () => 'must not be empty' });
const NODE_FORM = 'an address such as https://es1.example.org:9200, with username and password beside nodes';
/** What the role would find out at its start: a URL of http or https, without a name and password in it. */
function isWebAddress(node: string): boolean {
  const url = URL.canParse(node) ? new URL(node) : undefined;
  return url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
}

const count = (min: number, max: number): z.ZodNumber =>
  z
    .int({ error: () => 'expects a whole number' })
    .min(min, { error: () => `must be between ${min} and ${max}` })
    .max(max, { error: () => `must be between ${min} and ${max}` });
const names = z.array(text, { error: () => 'expects a list of names' });
const DOCUMENTS_FORM = 'expects the name of a stream, or { stream, where }';
const documentsOf = z.union([text, z.strictObject({ stream: text, where: expressionText.optional() })], {
  error: () => DOCUMENTS_FORM,
});

const options = z.strictObject({
  nodes: z
    .array(text.refine(isWebAddress, { error: () => `expects ${NODE_FORM}` }), {
      error: () => 'expects a list of addresses',
    })
    .min(1, { error: () => 'needs at least one address' })
    .max(32, { error: () => 'takes at most 32 addresses' })
    .describe('Addresses, such as `https://es1.example.org:9200`.'),
  api_key: text.optional().describe('An API key, encoded as Kibana shows it. Take it from `${file:…}`.'),
  username: text.optional().describe('With `password`, where there is no API key.'),
  password: text.optional().describe('Take it from `${file:…}`.'),
  tls: z
    .strictObject({
      ca: text.optional().describe("A PEM file: the authority that signed the server's certificate."),
      server_name: text.optional().describe("The name in the server's certificate, where it is not the address's."),
    })
    .optional()
    .describe('For https with an authority of your own.'),
  insecure: z
    .boolean({ error: () => 'expects true or false' })
    .prefault(false)
    .describe('Plain http to another machine is meant: whoever is on the way reads lines and key.'),
  documents: z
    .array(documentsOf, { error: () => 'expects a list of names' })
    .optional()
    .describe(
      'Streams whose lines become documents. All by default. `{ stream: access, where: http.response.status_code >= 400 }` takes the lines for which a condition in SQL is true.',
    ),
  rollups: names.optional().describe('Rollups whose rows become documents. All by default.'),
  retention: duration({ min: '1d', max: '36500d' })
    .optional()
    .describe(
      'Lines older than this when they were read are not indexed, and days older than this are deleted. Never by default.',
    ),
  index_prefix: z
    .string({ error: () => `expects ${INDEX_PREFIX_FORM}` })
    .regex(INDEX_PREFIX, { error: () => `expects ${INDEX_PREFIX_FORM}` })
    .prefault('tailrace')
    .describe(
      'Indices are named `<prefix>-<stream>-<UTC day of event time>`. Pipelines that read different logs need different ones: `audit` counts what an index holds.',
    ),
  shards: count(1, 64).prefault(1).describe('Primary shards of an index that is made.'),
  replicas: count(0, 8).prefault(1).describe('Replicas of an index that is made: 0 on a single node.'),
});

/** The section as it is understood: every default filled in, paths absolute. */
export interface ElasticsearchSinkConfig extends SinkConfig {
  readonly type: 'elasticsearch';
  readonly nodes: readonly string[];
  readonly auth: { readonly apiKey: string } | { readonly username: string; readonly password: string } | null;
  readonly tls: { readonly caFile: string | null; readonly serverName: string | null } | null;
  readonly isInsecureAllowed: boolean;
  /** Streams. */
  readonly documents: readonly string[];
  /** Stream → the condition of the lines that become documents; left out where there is none. */
  readonly conditions?: Readonly<Record<string, WrittenExpression>>;
  readonly rollups: readonly string[];
  /** Null: everything is kept. */
  readonly retentionMs: number | null;
  readonly indexPrefix: string;
  readonly shards: number;
  readonly replicas: number;
}

/** What the schema of one section alone does not see: names that must be there, and keys that belong together. */
function check(path: Path, section: Section, known: SinkNeighbours, report: Report): void {
  const documents = entriesOf(section);
  const listed = documents?.map(({ stream }) => (stream === '' ? undefined : stream));
  checkNames([...path, 'documents'], listed, 'stream', known.streams, report);
  for (const [i, { stream, where }] of (documents ?? []).entries()) {
    if (where !== undefined) known.condition([...path, 'documents', i, 'where'], stream, where);
    if (stream === '' || listed!.indexOf(stream) === i) continue;
    const message = `the stream ${stream} is there already`;
    report([...path, 'documents', i], 'value', { code: 'CONFIG_VALUE', message, hint: 'leave one out' });
  }
  checkNames([...path, 'rollups'], section['rollups'], 'rollup', known.rollups, report);
  const isNone = (key: string): boolean => Array.isArray(section[key]) && section[key].length === 0;
  if (isNone('documents') && isNone('rollups')) {
    const hint = 'leave documents or rollups out, which takes all of them';
    report([...path, 'documents'], 'key', {
      code: 'CONFIG_UNUSED',
      message: 'the sink takes neither lines nor rows',
      hint,
    });
  }
  const has = (key: string): boolean => section[key] !== undefined;
  if (has('username') !== has('password')) {
    const [given, missing] = has('username') ? ['username', 'password'] : ['password', 'username'];
    report([...path, given], 'key', { code: 'CONFIG_MISSING_KEY', message: `${given} needs a ${missing} beside it` });
  } else if (has('api_key') && has('username')) {
    const hint = 'leave one of them out';
    report([...path, 'api_key'], 'key', {
      code: 'CONFIG_VALUE',
      message: 'api_key and username are two ways in',
      hint,
    });
  }
  checkKeys(section, known, report);
  for (const stream of streamsOf(section, known.streams)) {
    if (!RESERVED_STREAM.test(stream)) continue;
    const message = `the stream ${stream} would have indices with the names of the sink's own`;
    report(path, 'key', { code: 'CONFIG_VALUE', message, hint: 'give the stream another name' });
  }
}

/** Streams that a section sends to Elasticsearch. */
function streamsOf(section: Section, streams: readonly string[]): readonly string[] {
  const documents = entriesOf(section);
  if (documents === undefined) return streams;
  return streams.filter((one) => documents.some(({ stream }) => stream === one));
}

/** What `documents` lists, as far as it can be read; undefined where there is no list. */
function entriesOf({
  documents,
}: Section): { readonly stream: string; readonly where?: string | undefined }[] | undefined {
  if (!Array.isArray(documents)) return undefined;
  return documents.map((entry) => {
    const { data } = documentsOf.safeParse(entry);
    return typeof data === 'object' ? data : { stream: String(data ?? '') };
  });
}

/** What the document of a row says itself. */
const OWN_FIELD = /^(@timestamp|(ecs|tailrace)(\..*)?)$/;

/** Keys of rows are fields under their own names, dots and all. */
function checkKeys({ rollups }: Section, { specs }: SinkNeighbours, report: Report): void {
  for (const [name, { by }] of Object.entries(specs)) {
    if (Array.isArray(rollups) && !rollups.includes(name)) continue;
    for (const [i, { field, as = field }] of by.entries()) {
      if (!OWN_FIELD.test(as)) continue;
      const message = `the key ${as} and a field of every document would both be ${as}`;
      const problem = { code: 'CONFIG_COLUMN_CLASH', message, hint: namedKey(field) };
      report(['rollups', name, 'by', i], 'value', problem);
    }
  }
}

function checkNames(path: Path, listed: unknown, what: string, known: readonly string[], report: Report): void {
  if (!Array.isArray(listed)) return;
  for (const [i, name] of listed.entries()) {
    if (typeof name !== 'string' || known.includes(name)) continue;
    const hint = suggestion(name, known) ?? `add it under ${what}s`;
    report([...path, i], 'value', {
      code: `CONFIG_UNKNOWN_${what.toUpperCase()}`,
      message: `there is no ${what} "${name}"`,
      hint,
    });
  }
}

function resolveSink(section: Section, { pipeline, folder, condition }: SinkContext): ElasticsearchSinkConfig {
  const parsed = section as z.output<typeof options>;
  const entries = entriesOf(section);
  const conditions = (entries ?? []).flatMap(({ stream, where }) => {
    const read = where === undefined ? undefined : condition([], stream, where);
    return read === undefined ? [] : [[stream, read] as const];
  });
  const { api_key: apiKey, username, password, tls } = parsed;
  return {
    type: 'elasticsearch',
    nodes: parsed.nodes,
    auth:
      apiKey !== undefined
        ? { apiKey }
        : username !== undefined && password !== undefined
          ? { username, password }
          : null,
    tls:
      tls === undefined
        ? null
        : { caFile: tls.ca === undefined ? null : resolve(folder, tls.ca), serverName: tls.server_name ?? null },
    isInsecureAllowed: parsed.insecure,
    documents: entries?.map(({ stream }) => stream) ?? Object.keys(pipeline.streams),
    ...(conditions.length === 0 ? {} : { conditions: Object.fromEntries(conditions) }),
    rollups: parsed.rollups ?? Object.keys(pipeline.rollups),
    retentionMs: parsed.retention ?? null,
    indexPrefix: parsed.index_prefix,
    shards: parsed.shards,
    replicas: parsed.replicas,
  };
}

/** The consumer group of the lane that makes documents of rollup rows. */
export function rollupGroup(config: Config, name: string): string {
  return `${sinkGroup(config, name)}.rollups`;
}

/** What that lane folds: as the warehouse, all rows of the engine, so that its cursor means the same. */
export function rollupTopics(config: Config, { rollups }: ElasticsearchSinkConfig): FoldedTopic[] {
  return rollups.length === 0 ? [] : engineTopics(config);
}

/** Only an audit with documents loads a client. */
async function openStore(name: string, sink: ElasticsearchSinkConfig, nowMs: number): Promise<OpenStore | undefined> {
  const { documents: streams, indexPrefix: prefix, retentionMs } = sink;
  if (streams.length === 0) return undefined;
  const { openElasticsearchSink } = await import('./elasticsearch-client.ts');
  const { indexSums } = await import('../../sinks/elasticsearch/index-sums.ts');
  const { parseIndexName } = await import('../../sinks/elasticsearch/index-name.ts');
  const client = openElasticsearchSink(sink);
  return {
    store: {
      sink: name,
      streams,
      sums: (stream) => indexSums(client, { prefix, stream }),
      isExpired: (index, stream) => {
        const parsed = parseIndexName(index, { prefix, stream });
        return retentionMs !== null && parsed !== undefined && parsed.endMs <= nowMs - retentionMs;
      },
    },
    close: () => client.close(),
  };
}

/** Documents of lines, and of rollup rows. */
export const elasticsearchSink: SinkDefinition<ElasticsearchSinkConfig, ElasticsearchRoleEvent> = {
  type: 'elasticsearch',
  summary:
    'Lines as ECS documents, one index a stream and day, and rollup rows. Each line is there exactly once: its id is its place in its source.',
  options,
  example: { nodes: ['https://es1.example.org:9200'], api_key: '${file:/etc/tailrace/api-key}', retention: '30d' },
  isShared: true,
  // Its store may be away for days, and rows go on.
  waits: false,
  check,
  streamsOf,
  resolve: resolveSink,
  readers: (config, name, sink) => [
    ...rollupTopics(config, sink).map(({ topic, partitions }) => ({
      group: rollupGroup(config, name),
      topic,
      partitions,
    })),
    ...sink.documents.map((stream) => ({
      group: sinkGroup(config, name),
      topic: rawTopic(config.broker.topicPrefix, stream),
      partitions: config.pipeline.streams[stream]!.partitions,
    })),
  ],
  epochs: (config, name, { documents, conditions }) =>
    documents.map((stream) => {
      const spec = config.pipeline.streams[stream]!;
      return {
        stream,
        topic: documentTopic(config.broker.topicPrefix, config.name, name, stream),
        partitions: spec.partitions,
        sink: name,
        pipeline: documentPipeline(config, stream, spec, conditions?.[stream]),
      };
    }),
  conditionOf: ({ conditions }, stream) => conditions?.[stream]?.text,
  openStore,
  text: elasticsearchText,
  run: async (context, name, sink, given) =>
    (await import('./elasticsearch-role.ts')).runElasticsearch(context, name, sink, given),
};

export interface NamedElasticsearchSink {
  readonly name: string;
  readonly sink: ElasticsearchSinkConfig;
}

/** The sinks of this kind in a configuration. */
export function elasticsearchSinks({ sinks }: Pick<Config, 'sinks'>): NamedElasticsearchSink[] {
  return Object.entries(sinks).flatMap(([name, sink]) =>
    sink.type === elasticsearchSink.type ? [{ name, sink: sink as ElasticsearchSinkConfig }] : [],
  );
}
