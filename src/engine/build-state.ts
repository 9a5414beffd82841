import type { Pipeline, TaskId } from '../epoch/pipeline.ts';
import { fingerprints } from '../epoch/fingerprint.ts';
import { present } from '../lib/assert.ts';
import { Batch, type FieldType } from '../record/batch.ts';
import type { EngineDependencies } from './engine.ts';
import { TumblingWindow } from './operators/tumbling-window.ts';
import { TaskState } from './state.ts';

export interface BuildRequest extends Pick<EngineDependencies, 'codecs' | 'aggregates'> {
  readonly task: TaskId;
  readonly pipeline: Pipeline;
  readonly rawLog: string;
  readonly rollupSinceMs: Readonly<Record<string, number>>;
}

/** An empty state of a task: the operators of its stream's rollups over a decoder that makes just the fields they use. */
export function buildState({ task, pipeline, rawLog, rollupSinceMs, codecs, aggregates }: BuildRequest): TaskState {
  const stream = present(pipeline.streams[task.stream], `no stream ${task.stream}`);
  const rollups = Object.entries(pipeline.rollups).filter(([, spec]) => spec.from === task.stream);
  const fields = projectedFields(rollups.map(([, spec]) => spec));
  const operators = rollups.map(
    ([name, spec]) => new TumblingWindow({ name, spec, fields, aggregates, sinceMs: rollupSinceMs[name] ?? -Infinity }),
  );
  const { type, ...codecOptions } = stream.codec;
  const codec = present(codecs[type], `no codec ${type}`);
  const { eventTime } = stream;
  const decode = codec.compile(codecOptions, {
    fields,
    ...(eventTime.field === 'read_at' ? {} : { eventTimeField: eventTime.field }),
  });
  const state = new TaskState({
    task,
    eventTime,
    operators,
    decode,
    batch: new Batch(fields.map((field) => field.type)),
    rawLog,
    pipeline,
    fingerprints: fingerprints(pipeline),
  });
  state.rollupSinceMs = { ...rollupSinceMs };
  return state;
}

/** Every field that a key or a measure uses, once. */
function projectedFields(rollups: readonly Pipeline['rollups'][string][]): { name: string; type: FieldType }[] {
  const fields = new Map<string, FieldType>();
  for (const { by, measures } of rollups) {
    for (const key of by) fields.set(key.field, key.type);
    for (const { field, fieldType } of measures)
      if (field !== undefined) fields.set(field, present(fieldType, `type of ${field}`));
  }
  return [...fields].map(([name, type]) => ({ name, type }));
}
