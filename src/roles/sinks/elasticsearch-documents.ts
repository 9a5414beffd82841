import { randomBytes } from 'node:crypto';
import { type TopicSpec, documentTopic, rawTopic } from '../../broker/broker.ts';
import { staticAssignment } from '../../broker/static-assignment.ts';
import { type Config, sinkGroup } from '../../config/config.ts';
import type { ElasticsearchSinkConfig } from './elasticsearch.ts';
import { Engine } from '../../engine/engine.ts';
import type { TaskKind } from '../../engine/task-kind.ts';
import { EPOCH_MESSAGE_BYTES_MAX } from '../../epoch/codec.ts';
import { BLOCK_BYTES_MAX } from '../../record/block.ts';
import { BulkLanes } from '../../sinks/elasticsearch/bulk-lanes.ts';
import { BulkSender } from '../../sinks/elasticsearch/bulk-sender.ts';
import { bulkTransport } from '../../sinks/elasticsearch/bulk-transport.ts';
import type { ElasticsearchClient } from '../../sinks/elasticsearch/client.ts';
import { documentFields } from '../../sinks/elasticsearch/document-writer.ts';
import { Documents } from '../../sinks/elasticsearch/documents.ts';
import { deadLetterIndex } from '../../sinks/elasticsearch/index-name.ts';
import { streamPlan } from '../../transforms/stream-plan.ts';
import { documentPipeline } from './document-pipeline.ts';
import { engineOptions, newEpochId } from '../engine.ts';
import type { RoleContext } from '../definitions.ts';
import type { DocumentsEvent } from './elasticsearch-text.ts';

export interface DocumentTasks {
  readonly name: string;
  readonly sink: ElasticsearchSinkConfig;
  readonly client: ElasticsearchClient;
  readonly maySwitch: boolean;
  readonly isOnce: boolean;
  /** Of each stream, where other hosts may run the sink. */
  readonly documentGenerations: Readonly<Record<string, number>>;
}

/** Under this name the ledger has what became of a sink's documents. No rollup can have it. */
export function documentConsumer(sink: string): string {
  return `documents.${sink}`;
}

/**
 * The tasks of a document sink, which are the engine's own in all but what they make of the lines (docs/decisions/0008-document-sink.md). Each
 * stream is a pipeline of its own, so that a change of one starts no new indices for another.
 */
export async function runDocuments(context: RoleContext<DocumentsEvent>, tasks: DocumentTasks): Promise<void> {
  const { config, components, clock, log, signal, notify } = context;
  const { sink, client, maySwitch, isOnce, documentGenerations } = tasks;
  const sender = new BulkSender({
    transport: bulkTransport(client),
    clock,
    random: () => randomBytes(4).readUInt32BE() / 0x1_0000_0000,
    deadLetterIndex: (json) => deadLetterIndex(sink.indexPrefix, timestampOf(json)),
    notify: (event) => notify({ type: 'documents', event }),
  });
  const streams = sink.documents.map((stream) => ({ stream, spec: config.pipeline.streams[stream]! }));
  const partitions = streams.reduce((sum, { spec }) => sum + spec.partitions, 0);
  const lanes = new BulkLanes(sender, partitions);
  const stop = new AbortController();
  const engines = streams.map(({ stream, spec }) => {
    const engine = new Engine({
      clock,
      log,
      meter: context.meter,
      newId: newEpochId,
      assignment: staticAssignment(0, 1),
      ...components,
      kind: documentKind(context, tasks, lanes, stream),
      options: engineOptions(config, documentPipeline(config, stream, spec, sink.conditions?.[stream]), {
        maySwitch,
        isOnce,
        generation: documentGenerations[stream],
      }),
      notify: (event) => notify({ type: 'document_task', event }),
    });
    return engine.run(AbortSignal.any([signal, stop.signal])).catch((error: unknown) => {
      stop.abort();
      throw error;
    });
  });
  const results = await Promise.allSettled(engines);
  sender.close();
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function documentKind(
  { config, components, clock }: RoleContext<DocumentsEvent>,
  { name, sink }: DocumentTasks,
  lanes: BulkLanes,
  stream: string,
): TaskKind {
  return {
    topics: documentTopics(config, name, stream),
    epochTopic: (of) => documentTopic(config.broker.topicPrefix, config.name, name, of),
    group: sinkGroup(config, name),
    trimsRaw: false,
    listsBadLines: false,
    operators({ pipeline, generation }) {
      const fields = documentFields(streamPlan(pipeline.streams[stream]!, components).fields);
      const documents = new Documents({
        clock,
        lanes,
        options: {
          name: documentConsumer(name),
          index: { prefix: sink.indexPrefix, stream, generation },
          fields,
          retentionMs: sink.retentionMs,
        },
      });
      return { fields, operators: [documents], outlet: documents };
    },
  };
}

/** Raw, and the sink's own epochs. */
export function documentTopics({ name, pipeline, broker }: Config, sink: string, stream: string): TopicSpec[] {
  const { partitions } = pipeline.streams[stream]!;
  const { topicPrefix } = broker;
  return [
    { topic: rawTopic(topicPrefix, stream), partitions, messageBytesMax: 2 * BLOCK_BYTES_MAX },
    {
      topic: documentTopic(topicPrefix, name, sink, stream),
      partitions,
      messageBytesMax: EPOCH_MESSAGE_BYTES_MAX,
    },
  ];
}

function timestampOf(json: string): number {
  const ms = Date.parse(String((JSON.parse(json) as Record<string, unknown>)['@timestamp']));
  return Number.isNaN(ms) ? 0 : ms;
}
