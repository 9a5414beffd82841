import type { AggregateDefinition } from '../aggregates/aggregate.ts';
import { type Assignment, type Log, type TopicSpec, epochTopic, rawTopic } from '../broker/broker.ts';
import type { CodecDefinition } from '../codecs/codec.ts';
import { EPOCH_MESSAGE_BYTES_MAX, PART_BYTES_MAX } from '../epoch/codec.ts';
import type { Pipeline } from '../epoch/pipeline.ts';
import type { Clock } from '../lib/clock.ts';
import { BLOCK_BYTES_MAX } from '../record/block.ts';
import { Task, type TaskEvent } from './task.ts';

export interface CheckpointOptions {
  readonly intervalMs: number;
  readonly minPauseMs: number;
  readonly timeoutMs: number;
  /** How long positions may move without an epoch when nothing was decided. */
  readonly positionsIntervalMs: number;
}

export interface EngineOptions {
  readonly pipeline: Pipeline;
  readonly topicPrefix: string;
  readonly checkpoint: CheckpointOptions;
  /** A snapshot is due after this many bytes of epochs, or four times the last snapshot, whichever is more. */
  readonly snapshotBytes: number;
  /** Larger epochs go in parts. */
  readonly partBytesMax: number;
  /** Raw messages younger than this are never trimmed. */
  readonly retainMs: number;
  /** Whether this engine may switch the log to its pipeline; otherwise a pipeline that differs from the log's is an error. Only `run` may. */
  readonly maySwitch: boolean;
  /** `run --once`: every position counts at once, since somebody waits for it. */
  readonly isOnce: boolean;
}

/** What is not said on the command line or in the configuration. */
export const ENGINE_DEFAULTS = {
  checkpoint: { intervalMs: 1_000, minPauseMs: 0, timeoutMs: 60_000, positionsIntervalMs: 30_000 },
  snapshotBytes: 64 * 1024 * 1024,
  partBytesMax: PART_BYTES_MAX,
  retainMs: 7 * 24 * 3600 * 1000,
  maySwitch: false,
  isOnce: false,
} as const;

export interface EngineDependencies {
  readonly clock: Clock;
  readonly log: Log;
  /** 128 random bits as 32 hex digits. */
  readonly newId: () => string;
  readonly assignment: Assignment;
  readonly codecs: Readonly<Record<string, CodecDefinition>>;
  readonly aggregates: Readonly<Record<string, AggregateDefinition>>;
  readonly options: EngineOptions;
  readonly notify?: (event: TaskEvent) => void;
}

/** The topics a pipeline needs; the agent makes the raw ones as well, whoever comes first. */
export function pipelineTopics(pipeline: Pipeline, topicPrefix: string): TopicSpec[] {
  return Object.entries(pipeline.streams).flatMap(([stream, { partitions }]) => [
    // A block's header may list the offset of every line, hence twice the block.
    { topic: rawTopic(topicPrefix, stream), partitions, messageBytesMax: 2 * BLOCK_BYTES_MAX },
    { topic: epochTopic(topicPrefix, pipeline.name, stream), partitions, messageBytesMax: EPOCH_MESSAGE_BYTES_MAX },
  ]);
}

/** The engine role: one task a partition of every stream. The first task to fail ends them all; the supervisor starts the role again. */
export class Engine {
  readonly #deps: EngineDependencies;

  constructor(deps: EngineDependencies) {
    this.#deps = deps;
  }

  /** Runs until `signal` aborts, then drains. Throws what its first failing task threw. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, options, assignment } = this.#deps;
    const { pipeline } = options;
    await log.ensureTopics(pipelineTopics(pipeline, options.topicPrefix));
    const stop = new AbortController();
    const all = AbortSignal.any([signal, stop.signal]);
    const tasks = Object.entries(pipeline.streams).flatMap(([stream, { partitions }]) =>
      assignment
        .partitions(rawTopic(options.topicPrefix, stream), partitions)
        .map(
          (partition) =>
            new Task({ notify: () => undefined, ...this.#deps }, { pipeline: pipeline.name, stream, partition }),
        ),
    );
    const results = await Promise.allSettled(
      tasks.map((task) =>
        task.run(all).catch((error: unknown) => {
          stop.abort();
          throw error;
        }),
      ),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}
