import { type Message, rawTopic } from '../broker/broker.ts';
import { isTrimmed } from '../broker/past-trims.ts';
import type { Refusal } from '../epoch/epoch.ts';
import type { TaskId } from '../epoch/pipeline.ts';
import type { OperatingError } from '../lib/errors.ts';
import { faultPoint } from '../lib/fault-point.ts';
import { isMutant } from '../lib/mutant.ts';
import type { OtherKey } from '../operators/operator.ts';
import { CheckpointPolicy } from './checkpoint-policy.ts';
import type { EngineParts } from './engine-parts.ts';
import { EpochWriter, type SentEpoch } from './epoch-writer.ts';
import { passedError } from './fence.ts';
import { type Restored, restoreTask } from './restore.ts';
import { EPOCH_BYTES_MAX, type TaskState } from './state.ts';
import { type TaskKind, rollupTasks } from './task-kind.ts';
import { TaskMeter } from './task-meter.ts';
import { Trimming, trimAfterSnapshot } from './trimming.ts';

export type TaskDependencies = Omit<EngineParts, 'assignment'> & {
  readonly notify: (event: TaskEvent) => void;
};

export type TaskEvent =
  | {
      readonly type: 'restored';
      readonly task: TaskId;
      readonly epochs: number;
      readonly to: number;
      readonly rawEnd: number;
      readonly tookMs: number;
    }
  | { readonly type: 'refused'; readonly task: TaskId; readonly refusal: Refusal }
  | {
      readonly type: 'checkpoint';
      readonly task: TaskId;
      readonly n: number;
      readonly to: number;
      readonly bytes: number;
      readonly watermarkMs: number;
    }
  | { readonly type: 'trimmed'; readonly task: TaskId; readonly rawBefore: number; readonly epochsBefore: number }
  /** Said once, until it works again: nothing is lost, and the log grows. */
  | { readonly type: 'trim_failed'; readonly task: TaskId; readonly error: OperatingError }
  /** A table has more keys than it has rows for: the lines of all further ones share a row. Said once a table. */
  | {
      readonly type: 'rows_full';
      readonly task: TaskId;
      readonly rollup: string;
      readonly first: OtherKey;
    }
  | { readonly type: 'history_from'; readonly task: TaskId; readonly offset: number };

/** How long the raw reader waits for a message before the task looks at the clock again. */
const TICK_MS = 250;

/** What a task has besides its state. */
interface TaskContext {
  readonly deps: TaskDependencies;
  readonly id: TaskId;
  readonly kind: TaskKind;
  readonly rawTopic: string;
  readonly epochTopic: string;
  readonly trimming: Trimming;
  readonly meter: TaskMeter;
}

/**
 * One partition's loop: folds its own epochs, then reads raw from where they end, and appends what it decides as epochs. Whatever goes wrong,
 * it ends, and the next one folds again. Runs until `signal` aborts; then it writes what it has decided, waits until it counts, and resolves.
 */
export async function runTask(deps: TaskDependencies, id: TaskId, signal: AbortSignal): Promise<void> {
  const kind = deps.kind ?? rollupTasks({ ...deps.options, aggregates: deps.aggregates, definitions: deps.operators });
  const context: TaskContext = {
    deps,
    id,
    kind,
    rawTopic: rawTopic(deps.options.topicPrefix, id.stream),
    epochTopic: kind.epochTopic(id.stream),
    trimming: new Trimming((error) => deps.notify({ type: 'trim_failed', task: id, error })),
    meter: new TaskMeter(deps, id),
  };
  try {
    await runGenerations(context, signal);
  } finally {
    context.meter.ended();
  }
}

async function runGenerations(context: TaskContext, signal: AbortSignal): Promise<void> {
  const restored = await restore(context);
  const { finishBefore } = restored;
  if (finishBefore === undefined) return new Task(context, restored, signal).run();
  await new Task(context, restored, signal).run(finishBefore);
  if (!signal.aborted) await new Task(context, await restore(context, true), signal).run();
}

/** With `isFinished`, what an earlier generation had begun is done. */
async function restore(context: TaskContext, isFinished = false): Promise<Restored> {
  const { deps, id, kind, rawTopic, epochTopic } = context;
  const { log, clock, notify } = deps;
  const startedAtMs = clock.monotonicMs();
  await log.report(kind.group, rawTopic, id.partition, undefined);
  const restored = await restoreTask({ ...deps, task: id, rawTopic, epochTopic, kind, isFinished });
  const { state, epochs, rawEnd } = restored;
  if (state.marks.historyFrom !== null) notify({ type: 'history_from', task: id, offset: state.marks.historyFrom });
  faultPoint('engine.folded');
  const tookMs = clock.monotonicMs() - startedAtMs;
  notify({ type: 'restored', task: id, epochs, to: state.to, rawEnd, tookMs });
  return restored;
}

/** A restored task at work: it reads, takes what it reads into its state, asks the policy whether an epoch is due, and hands it to the writer. */
class Task {
  readonly #context: TaskContext;
  readonly #state: TaskState;
  readonly #policy: CheckpointPolicy;
  readonly #writer: EpochWriter;
  readonly #signal: AbortSignal;

  constructor(context: TaskContext, restored: Restored, signal: AbortSignal) {
    const { deps, id, kind } = context;
    this.#context = context;
    this.#state = restored.state;
    this.#policy = new CheckpointPolicy(deps.options, restored);
    this.#writer = new EpochWriter({ ...context, ...restored, task: id, group: kind.group });
    this.#signal = signal;
  }

  /** Takes raw messages up to `before`, and commits them. */
  async run(before = Infinity): Promise<void> {
    try {
      await this.#work(before);
    } catch (error) {
      this.#context.meter.failed();
      throw isTrimmed(error) ? passedError(this.#context.id, error) : error;
    }
  }

  async #work(before: number): Promise<void> {
    const { deps, id, rawTopic, trimming, meter } = this.#context;
    const state = this.#state;
    const { outlet } = state;
    // A generation is in the log before its first effect outside of it.
    if (outlet !== undefined && this.#policy.isSwitch) {
      await this.#checkpoint();
      await this.#writer.settled();
    }
    const reading = deps.log.read(rawTopic, id.partition, state.to, {
      signal: this.#signal,
      isFollowing: true,
      waitMsMax: TICK_MS,
    });
    meter.is('idle');
    for await (const messages of state.to < before ? reading : []) {
      meter.is('busy');
      const isAtEnd = messages.length === 0;
      await this.#accept(messages, before);
      outlet?.poll(isAtEnd);
      if (this.#isDue(isAtEnd)) await this.#checkpoint();
      meter.is('idle');
      // The append in flight needs a turn of the event loop; a busy reader alone would never give it one.
      if (this.#writer.isInFlight) await new Promise((resolve) => setImmediate(resolve));
      this.#throwIfFailed();
      if (state.to >= before) break;
    }
    if (state.hasDecisions || state.to > this.#writer.sentTo) await this.#checkpoint();
    try {
      await this.#writer.settled();
    } finally {
      await trimming.ended();
    }
    trimming.throwIfBroken();
  }

  async #accept(messages: readonly Message[], before: number): Promise<void> {
    const { deps, id, meter } = this.#context;
    const state = this.#state;
    for (const message of messages) {
      if (message.offset >= before) break;
      if (state.changedBytes >= EPOCH_BYTES_MAX) {
        await this.#checkpoint();
        this.#throwIfFailed();
      }
      if (state.outlet !== undefined) {
        meter.is('backPressured');
        if (!(await state.outlet.room(this.#signal))) return;
        meter.is('busy');
      }
      state.accept(message);
    }
    for (const [rollup, first] of state.otherLines.takeUnsaid())
      deps.notify({ type: 'rows_full', task: id, rollup, first });
    if (messages.length > 0) faultPoint('engine.processed');
  }

  #isDue(isAtEnd: boolean): boolean {
    const state = this.#state;
    return this.#policy.isDue({
      nowMs: this.#context.deps.clock.monotonicMs(),
      isAtEnd,
      isInFlight: this.#writer.isInFlight,
      changedBytes: state.changedBytes,
      hasFates: state.hasFates,
      hasDecisions: state.hasDecisions,
      hasMoved: state.to > this.#writer.sentTo,
      busyIntervalMs: state.outlet?.busyIntervalMs ?? 0,
    });
  }

  /** Closes the epoch and sends it on its way; work goes on while it is in flight. */
  async #checkpoint(): Promise<void> {
    const { deps, id, meter } = this.#context;
    const state = this.#state;
    meter.is('backPressured');
    await this.#writer.settled();
    this.#context.trimming.throwIfBroken();
    const mustSettle = state.outlet !== undefined && !isMutant('documents.cursor_before_bulk');
    // What is not settled when the task must end is done again by the next one.
    if (mustSettle && !(await state.outlet.settle(this.#signal))) return;
    meter.is('busy');
    const { hasFates: hadFates, to, rawId, generation } = state;
    const { isSnapshot } = this.#policy;
    const body = state.takeBody(isSnapshot);
    for (const refusal of body.refusals) deps.notify({ type: 'refused', task: id, refusal });
    meter.closed(body, state.eventTimeMsMax, state.ledger.totals);
    const draft = {
      to,
      rawId,
      isSnapshot,
      generation,
      otherLines: state.otherLines.byTable,
      ...state.marks.possible,
      body,
    };
    const { sizeBytes } = this.#writer.send(draft, ({ n, sizeBytes: bytes }: SentEpoch) => {
      meter.counted(bytes);
      // No checkpoint waits for it: what a sink held back for days is not deleted within a checkpoint's time.
      if (isSnapshot) this.#context.trimming.start(() => this.#trim());
      deps.notify({ type: 'checkpoint', task: id, n, to, bytes, watermarkMs: body.watermarkMs });
    });
    this.#policy.closed({ atMs: deps.clock.monotonicMs(), sizeBytes, isSnapshot, hadFates });
  }

  async #trim(): Promise<void> {
    const { deps, id, kind, rawTopic, epochTopic } = this.#context;
    const { snapshots, committedTo } = this.#writer;
    const trimmed = await trimAfterSnapshot({
      log: deps.log,
      nowMs: deps.clock.nowMs(),
      retainMs: deps.options.retainMs,
      partition: id.partition,
      rawTopic,
      epochTopic,
      snapshots,
      committedTo,
      agents: [...this.#state.marks.agents.values()],
      trimsRaw: kind.trimsRaw,
    });
    this.#writer.forgetSnapshots(trimmed.epochsBefore);
    deps.notify({ type: 'trimmed', task: id, ...trimmed });
  }

  #throwIfFailed(): void {
    this.#writer.throwIfFailed();
    this.#context.trimming.throwIfBroken();
  }
}
