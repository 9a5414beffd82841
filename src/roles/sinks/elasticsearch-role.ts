import { randomInt } from 'node:crypto';
import { sinkGroup } from '../../config/config.ts';
import { EXIT, OperatingError } from '../../lib/errors.ts';
import { seededRandom } from '../../lib/random.ts';
import {
  type ElasticsearchClient,
  type ElasticsearchEvent,
  waitForElasticsearch,
} from '../../sinks/elasticsearch/client.ts';
import { type TemplateChange, planTemplates, putTemplate } from '../../sinks/elasticsearch/provision.ts';
import { type RetentionEvent, keepRetention } from '../../sinks/elasticsearch/retention.ts';
import { RollupLane } from '../../sinks/elasticsearch/rollup-lane.ts';
import { runDocuments } from './elasticsearch-documents.ts';
import { elasticsearchTemplates, openElasticsearchSink } from './elasticsearch-client.ts';
import type { RoleContext, SinkRunOptions } from '../definitions.ts';
import { gateOf } from '../turn.ts';
import { type ElasticsearchSinkConfig, rollupGroup, rollupTopics } from './elasticsearch.ts';
import type { ElasticsearchRoleEvent } from './elasticsearch-text.ts';

/** A server that is just starting answers, and takes no template yet. */
const TEMPLATES_PAUSE_MS = 1000;

/** A part of the sink that works for itself until the signal aborts. */
type Lane = (signal: AbortSignal) => Promise<void>;

/** The role of one Elasticsearch sink: documents of lines, and beside them documents of rollup rows. */
export async function runElasticsearch(
  context: RoleContext<ElasticsearchRoleEvent>,
  name: string,
  sink: ElasticsearchSinkConfig,
  options: SinkRunOptions,
): Promise<void> {
  const { signal } = context;
  const client = openElasticsearchSink(sink);
  if (await prepare(context, name, sink, client)) {
    const documents: Lane = (both) => runDocuments({ ...context, signal: both }, { name, sink, client, ...options });
    await runLanes(signal, [
      ...(sink.documents.length === 0 ? [] : [documents]),
      ...(sink.retentionMs === null ? [] : [retentionLane(context, name, sink, client)]),
      ...(sink.rollups.length === 0 ? [] : [rollupLane(context, name, { sink, client, ...options })]),
    ]);
  }
  // Not waited for: a request that nobody answers would hold the stop up for half a minute.
  client.close().catch(() => undefined);
}

/** Waits until Elasticsearch is there and has the templates; false when the signal aborted. Throws only what the configuration must mend. */
async function prepare(
  { config, components, clock, signal, notify }: RoleContext<ElasticsearchRoleEvent>,
  name: string,
  sink: ElasticsearchSinkConfig,
  client: ElasticsearchClient,
): Promise<boolean> {
  let told = '';
  let awaySinceMs: number | undefined;
  const group = sinkGroup(config, name);
  const tell = (event: ElasticsearchEvent): void => notify({ type: 'elasticsearch', group, event });
  while (await waitForElasticsearch(client, { clock, signal, notify: tell })) {
    try {
      await bringTemplates({ config, components, notify }, sink, client);
      if (awaySinceMs !== undefined) tell({ type: 'back', awayMs: clock.monotonicMs() - awaySinceMs });
      return true;
    } catch (error) {
      if (!(error instanceof OperatingError) || error.exitCode === EXIT.config) throw error;
      if (error.message !== told) tell({ type: 'away', error });
      told = error.message;
      awaySinceMs ??= clock.monotonicMs();
      await clock.sleep(TEMPLATES_PAUSE_MS, signal);
    }
  }
  return false;
}

/** Lanes run side by side; what ends one with an error ends all. */
async function runLanes(signal: AbortSignal, lanes: readonly Lane[]): Promise<void> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const results = await Promise.allSettled(
    lanes.map((lane) =>
      lane(either).catch((error: unknown) => {
        stop.abort();
        throw error;
      }),
    ),
  );
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/**
 * An index must not be made without its template, nor with the one of a former configuration. One that somebody else has changed stays: its
 * owner meant it.
 */
async function bringTemplates(
  { config, components, notify }: Pick<RoleContext<ElasticsearchRoleEvent>, 'config' | 'components' | 'notify'>,
  sink: ElasticsearchSinkConfig,
  client: ElasticsearchClient,
): Promise<void> {
  try {
    const changes = await planTemplates(client, elasticsearchTemplates(config, sink, components));
    const isOurs = ({ kind, isUntouched }: TemplateChange): boolean =>
      kind === 'create' || (kind === 'update' && isUntouched);
    for (const change of changes) if (isOurs(change)) await putTemplate(client, change.template);
    const names = changes
      .filter((change) => change.kind === 'update' && !isOurs(change))
      .map(({ template }) => template.name);
    if (names.length > 0) notify({ type: 'templates_differ', names });
  } catch (error) {
    // A key that may only write is a good key: somebody else has made the templates.
    if (!(error instanceof OperatingError && error.code === 'ES_FORBIDDEN')) throw error;
    notify({ type: 'templates_forbidden' });
  }
}

function retentionLane(
  { config, clock, notify }: RoleContext<ElasticsearchRoleEvent>,
  name: string,
  sink: ElasticsearchSinkConfig,
  client: ElasticsearchClient,
): Lane {
  const options = { prefix: sink.indexPrefix, streams: sink.documents, retentionMs: sink.retentionMs ?? Infinity };
  const group = sinkGroup(config, name);
  const tell = (event: RetentionEvent): void => notify({ type: 'retention', group, event });
  return (signal) => keepRetention({ client, clock, options, notify: tell }, signal);
}

function rollupLane(
  { config, components, clock, log, notify }: RoleContext<ElasticsearchRoleEvent>,
  name: string,
  {
    sink,
    client,
    generation,
  }: SinkRunOptions & {
    readonly sink: ElasticsearchSinkConfig;
    readonly client: ElasticsearchClient;
  },
): Lane {
  const group = rollupGroup(config, name);
  const lane = new RollupLane({
    client,
    clock,
    random: seededRandom(randomInt(2 ** 31)),
    log,
    aggregates: components.aggregates,
    prefix: sink.indexPrefix,
    pipeline: config.pipeline.name,
    options: { group, topics: rollupTopics(config, sink), rollups: sink.rollups, ...gateOf(config, generation) },
    notify: (event) => notify({ type: 'elasticsearch', group, event }),
  });
  return (signal) => lane.run(signal);
}
