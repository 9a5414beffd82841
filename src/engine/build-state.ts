import { fingerprints } from '../epoch/fingerprint.ts';
import type { Pipeline, TaskId } from '../epoch/pipeline.ts';
import { present } from '../lib/assert.ts';
import { Batch } from '../record/batch.ts';
import type { EngineDependencies } from './engine.ts';
import { TaskState } from './state.ts';
import { type TaskKind, rollupOperators } from './task-kind.ts';

export interface BuildRequest extends Pick<EngineDependencies, 'codecs' | 'aggregates'> {
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
  const { task, pipeline, rawLog, rollupSinceMs, codecs, aggregates, kind, generation = 1 } = request;
  const stream = present(pipeline.streams[task.stream], `no stream ${task.stream}`);
  const { fields, operators, outlet } =
    kind === undefined
      ? rollupOperators({ pipeline, stream: task.stream, rollupSinceMs }, aggregates)
      : kind.operators({ pipeline, stream: task.stream, partition: task.partition, rollupSinceMs, generation });
  const { type, ...codecOptions } = stream.codec;
  const codec = present(codecs[type], `no codec ${type}`);
  const { eventTime } = stream;
  const decodeRequest = {
    fields,
    ...(eventTime.field === 'read_at' ? {} : { eventTimeField: eventTime.field }),
    ...(eventTime.timeZone === undefined ? {} : { timeZone: eventTime.timeZone }),
  };
  const state = new TaskState({
    task,
    eventTime,
    operators,
    outlet,
    decode: codec.compile(codecOptions, decodeRequest),
    explain: codec.explain?.(codecOptions, decodeRequest),
    batch: new Batch(fields.map((field) => field.type)),
    rawLog,
    pipeline,
    fingerprints: fingerprints(pipeline),
    listsBadLines: kind?.listsBadLines ?? true,
  });
  state.rollupSinceMs = { ...rollupSinceMs };
  state.generation = generation;
  return state;
}
