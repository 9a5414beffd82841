import { fingerprints } from '../epoch/fingerprint.ts';
import type { Pipeline, TaskId } from '../epoch/pipeline.ts';
import { present } from '../lib/assert.ts';
import { type LineComponents, streamPlan } from '../transforms/stream-plan.ts';
import type { EngineParts } from './engine-parts.ts';
import { TaskState } from './state.ts';
import { type TaskKind, rollupOperators } from './task-kind.ts';

export interface BuildRequest extends LineComponents, Pick<EngineParts, 'aggregates' | 'operators'> {
  readonly task: TaskId;
  readonly pipeline: Pipeline;
  readonly rawLog: string;
  readonly rollupSinceMs: Readonly<Record<string, number>>;
  /** Default 1. */
  readonly generation?: number;
  /** Default: the pipeline's rollups. */
  readonly kind?: Pick<TaskKind, 'operators' | 'listsBadLines'>;
}

/** An empty state of a task: its operators over a decoder that makes just the fields they use. */
export function buildState(request: BuildRequest): TaskState {
  const { task, pipeline, rawLog, rollupSinceMs, aggregates, kind, generation = 1 } = request;
  const definitions = request.operators;
  const stream = present(pipeline.streams[task.stream], `no stream ${task.stream}`);
  const {
    fields,
    operators,
    feeds = [],
    outlet,
  } = kind === undefined
    ? rollupOperators({ pipeline, stream: task.stream, rollupSinceMs }, { aggregates, definitions })
    : kind.operators({ pipeline, stream: task.stream, partition: task.partition, rollupSinceMs, generation });
  const state = new TaskState({
    task,
    eventTime: stream.eventTime,
    operators,
    feeds,
    outlet,
    reader: streamPlan(stream, request).reader(fields, stream.eventTime),
    rawLog,
    pipeline,
    fingerprints: fingerprints(pipeline),
    listsBadLines: kind?.listsBadLines ?? true,
  });
  state.rollupSinceMs = { ...rollupSinceMs };
  state.generation = generation;
  return state;
}
