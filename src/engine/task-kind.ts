import { type TopicSpec, epochTopic, rawTopic } from '../broker/broker.ts';
import { EPOCH_MESSAGE_BYTES_MAX } from '../epoch/codec.ts';
import { type Pipeline, inReadingOrder, inputTable } from '../epoch/pipeline.ts';
import { present } from '../lib/assert.ts';
import { type WantedField, nameOfTree } from '../expressions/made-columns.ts';
import { BLOCK_BYTES_MAX } from '../record/block.ts';
import type { Aggregates } from '../aggregates/aggregate.ts';
import type { Operator, OperatorDefinition } from '../operators/operator.ts';
import { TableFeed } from './table-feed.ts';

export interface OperatorsRequest {
  readonly pipeline: Pipeline;
  readonly stream: string;
  readonly partition: number;
  readonly rollupSinceMs: Readonly<Record<string, number>>;
  /** Of the pipeline in the log: 1 for the first, and one more for each that took its place. */
  readonly generation: number;
}

export interface TaskOperators {
  /** What the decoder makes of each line, in the order of the batch's columns. */
  readonly fields: readonly WantedField[];
  /** Those that read the stream. */
  readonly operators: readonly Operator[];
  /** Those that read tables, each table behind the one that it is made of. */
  readonly feeds?: readonly TableFeed[];
  /** Where effects go that leave the process before the epoch that says so. */
  readonly outlet?: Outlet;
}

/**
 * Effects outside of the log, such as documents in a store: they leave before the epoch that accounts for them, and are such that doing them
 * again changes nothing. So a task waits for all of them before it closes an epoch, and whatever a crash leaves open is done once more.
 */
export interface Outlet {
  /** Resolves when there is room for what one more message makes; false when the task is to end. */
  room(signal: AbortSignal): Promise<boolean>;
  /** Called after each batch of messages, at the log's end at least four times a second: sends what has waited long enough. */
  poll(isAtEnd: boolean): void;
  /** Resolves when everything taken so far has its fate; false when the task is to end and it has not. */
  settle(signal: AbortSignal): Promise<boolean>;
  /** While messages keep coming, epochs are at least this far apart: each has to wait for what is in flight. */
  readonly busyIntervalMs: number;
}

/** What a task works for: the rollups of its stream, or a sink's documents. The protocol is the same for all. */
export interface TaskKind {
  readonly topics: readonly TopicSpec[];
  epochTopic(stream: string): string;
  /** Group under which the position in raw is reported. */
  readonly group: string;
  /** Whether it is this kind of task that trims raw; each trims its own epochs. */
  readonly trimsRaw: boolean;
  /** Whether lines that do not decode are listed in its epochs, with their bytes: once for all kinds. */
  readonly listsBadLines: boolean;
  operators(request: OperatorsRequest): TaskOperators;
}

/** What rollups are made with. */
export interface RollupParts {
  readonly aggregates: Aggregates;
  /** Operators by type. */
  readonly definitions: Readonly<Record<string, OperatorDefinition>>;
}

export interface RollupTasks extends RollupParts {
  readonly pipeline: Pipeline;
  readonly topicPrefix: string;
}

/** The engine's own tasks: windows over the fields that the stream's rollups use. */
export function rollupTasks({ pipeline, topicPrefix, ...parts }: RollupTasks): TaskKind {
  return {
    topics: pipelineTopics(pipeline, topicPrefix),
    epochTopic: (stream) => epochTopic(topicPrefix, pipeline.name, stream),
    group: `pipeline.${pipeline.name}`,
    trimsRaw: true,
    listsBadLines: true,
    operators: (request) => rollupOperators(request, parts),
  };
}

export function rollupOperators(
  { pipeline, stream, rollupSinceMs }: Omit<OperatorsRequest, 'partition' | 'generation'>,
  { aggregates, definitions }: RollupParts,
): TaskOperators {
  const { rollups, tables } = pipeline;
  const byInput = Map.groupBy(
    inReadingOrder(rollups).filter((name) => tables[name]!.stream === stream),
    (name) => inputTable(rollups, name),
  );
  const made = new Map<string, Operator>();
  const readersOf = (input: string | undefined): Pick<TaskOperators, 'fields' | 'operators'> => {
    const names = byInput.get(input) ?? [];
    const fields = projectedFields(names.map((name) => rollups[name]!));
    const operators = names.map((name) => {
      const spec = rollups[name]!;
      const { type } = spec.window;
      const sinceMs = rollupSinceMs[name] ?? -Infinity;
      const isRead = byInput.has(name);
      const definition = present(definitions[type], `operator ${type} is known`);
      const operator = definition.create({ name, spec, fields, aggregates, sinceMs, isRead });
      made.set(name, operator);
      return operator;
    });
    return { fields, operators };
  };
  const ofStream = readersOf(undefined);
  const feeds = [...byInput.keys()].flatMap((name) => {
    if (name === undefined) return [];
    const { fields, operators: readers } = readersOf(name);
    return [new TableFeed({ schema: tables[name]!, input: made.get(name)!, readers, fields, aggregates })];
  });
  return { ...ofStream, feeds };
}

/** Every field that a key or a measure uses, and what measures are made of, once. */
function projectedFields(rollups: readonly Pipeline['rollups'][string][]): WantedField[] {
  const fields = new Map<string, WantedField>();
  for (const { by, measures, where } of rollups) {
    for (const { field: name, type } of by) fields.set(name, { name, type });
    if (where !== undefined) {
      const name = nameOfTree(where.tree);
      fields.set(name, { name, type: 'boolean', expression: where.tree });
    }
    for (const { field: name, fieldType, expression } of measures) {
      if (name === undefined) continue;
      const type = present(fieldType, `type of ${name}`);
      fields.set(name, { name, type, ...(expression === undefined ? {} : { expression }) });
    }
  }
  return [...fields.values()];
}

/** The topics a pipeline needs; the agent makes the raw ones as well, whoever comes first. */
export function pipelineTopics(pipeline: Pipeline, topicPrefix: string): TopicSpec[] {
  return Object.entries(pipeline.streams).flatMap(([stream, { partitions }]) => [
    // A block's header may list the offset of every line, hence twice the block.
    { topic: rawTopic(topicPrefix, stream), partitions, messageBytesMax: 2 * BLOCK_BYTES_MAX },
    { topic: epochTopic(topicPrefix, pipeline.name, stream), partitions, messageBytesMax: EPOCH_MESSAGE_BYTES_MAX },
  ]);
}
