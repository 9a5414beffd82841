import { type AssignedPartition, rawTopic } from '../broker/broker.ts';
import { onceAborted } from '../lib/abort.ts';
import { present } from '../lib/assert.ts';
import type { EngineParts } from './engine-parts.ts';
import { type KeepEvent, keepTask } from './keep-task.ts';
import type { TaskEvent } from './task.ts';
import { rollupTasks } from './task-kind.ts';

export { ENGINE_DEFAULTS, type EngineOptions } from './engine-parts.ts';

export type EngineEvent =
  | TaskEvent
  | KeepEvent
  /** What this worker was given and what it gives up, as `<stream>/<partition>`, and how many it has now. */
  | {
      readonly type: 'assigned';
      readonly gained: readonly string[];
      readonly lost: readonly string[];
      readonly held: number;
    };

export interface EngineDependencies extends EngineParts {
  readonly notify?: (event: EngineEvent) => void;
}

/**
 * The engine role: one task for each partition that is this worker's, as long as it is. What a task cannot mend by itself ends them all; the
 * supervisor starts the role again.
 */
export class Engine {
  readonly #deps: EngineDependencies;
  readonly #stop = new AbortController();
  /** Partitions that are ours, by stream and number, and how to give each up. */
  readonly #held = new Map<string, AbortController>();
  /** Resolves when the last task of a partition has ended, the one that was given up: two of one worker would fence each other. */
  readonly #ended = new Map<string, Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(deps: EngineDependencies) {
    this.#deps = deps;
  }

  /** Runs until `signal` aborts, then drains. Throws what its first failing task threw. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, options, assignment } = this.#deps;
    const { pipeline, topicPrefix } = options;
    const kind =
      this.#deps.kind ??
      rollupTasks({ ...options, aggregates: this.#deps.aggregates, definitions: this.#deps.operators });
    await log.ensureTopics(kind.topics);
    const streams = new Map(Object.keys(pipeline.streams).map((stream) => [rawTopic(topicPrefix, stream), stream]));
    const topics = Object.entries(pipeline.streams).map(([stream, { partitions }]) => ({
      topic: rawTopic(topicPrefix, stream),
      partitions,
    }));
    const stopped = AbortSignal.any([signal, this.#stop.signal]);
    // Only when every task has ended are its partitions free for others: first the tasks stop, then the worker leaves.
    const leaving = new AbortController();
    const joined = assignment
      .join(topics, (assigned) => this.#reconcile(assigned, streams, stopped), leaving.signal)
      .catch((error: unknown) => this.#fail(error));
    await onceAborted(stopped);
    await Promise.all(this.#ended.values());
    leaving.abort();
    await joined;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Starts what is ours and not held yet, and gives up what went to others. */
  #reconcile(assigned: readonly AssignedPartition[], streams: ReadonlyMap<string, string>, stopped: AbortSignal): void {
    if (stopped.aborted) return;
    const ours = new Map(
      assigned.map(({ topic, partition }) => {
        const stream = present(streams.get(topic), `${topic} was given to be shared out`);
        return [`${stream}/${partition}`, { stream, partition }];
      }),
    );
    const lost = [...this.#held.keys()].filter((key) => !ours.has(key));
    const gained = [...ours].filter(([key]) => !this.#held.has(key));
    for (const key of lost) {
      this.#held.get(key)?.abort();
      this.#held.delete(key);
    }
    for (const [key, { stream, partition }] of gained) {
      const given = new AbortController();
      this.#held.set(key, given);
      const task = { pipeline: this.#deps.options.pipeline.name, stream, partition };
      const before = this.#ended.get(key) ?? Promise.resolve();
      const signal = AbortSignal.any([stopped, given.signal]);
      const ended = before.then(() => keepTask(this.#deps, task, signal)).catch((error: unknown) => this.#fail(error));
      this.#ended.set(key, ended);
    }
    this.#deps.notify?.({ type: 'assigned', gained: gained.map(([key]) => key), lost, held: this.#held.size });
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#stop.abort();
  }
}
