import { type Message, type OutgoingMessage, rawTopic } from '../broker/broker.ts';
import { isTrimmed } from '../broker/past-trims.ts';
import { encodeEpoch } from '../epoch/codec.ts';
import type { EpochEnvelope, Refusal } from '../epoch/epoch.ts';
import type { TaskId } from '../epoch/pipeline.ts';
import type { EpochWalk } from '../epoch/walk.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import { faultPoint } from '../lib/fault-point.ts';
import { isMutant } from '../lib/mutant.ts';
import type { EngineParts } from './engine-parts.ts';
import type { OtherKey } from '../operators/operator.ts';
import { type Restored, restoreTask } from './restore.ts';
import { EPOCH_BYTES_MAX } from './state.ts';
import { type TaskKind, rollupTasks } from './task-kind.ts';
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

/**
 * One partition's loop: folds its own epochs, then reads raw from where they end, and appends what it decides as epochs.
 * It trusts nothing it wrote before it has read it back as counted; whatever goes wrong, it ends, and the next one folds again.
 */
export class Task {
  readonly #deps: TaskDependencies;
  readonly #id: TaskId;
  readonly #rawTopic: string;
  readonly #epochTopic: string;
  readonly #kind: TaskKind;
  #restored!: Restored;
  /** Follows our own epoch partition by envelopes. */
  #walk!: EpochWalk;
  #signal!: AbortSignal;
  #inFlight: Promise<void> | undefined;
  #failure: unknown;
  #lastId = '';
  #lastN = 0;
  #lastTo = 0;
  #lastEpochAtMs = 0;
  /** When the last epoch with a line's fate in it was closed: a pipeline's first snapshot, or a file's announcement, must not make a row wait. */
  #lastFateAtMs = 0;
  #bytesSinceSnapshot = 0;
  #snapshotBytes = 0;
  #isSnapshotDue = false;
  /** First offsets of the counted snapshots that are still there, oldest first. */
  #snapshots: number[] = [];
  readonly #trimming: Trimming;

  constructor(deps: TaskDependencies, id: TaskId) {
    this.#deps = deps;
    this.#id = id;
    this.#rawTopic = rawTopic(deps.options.topicPrefix, id.stream);
    this.#kind =
      deps.kind ?? rollupTasks({ ...deps.options, aggregates: deps.aggregates, definitions: deps.operators });
    this.#epochTopic = this.#kind.epochTopic(id.stream);
    this.#trimming = new Trimming((error) => deps.notify({ type: 'trim_failed', task: id, error }));
  }

  /** Runs until `signal` aborts; then writes what it has decided, waits until it counts, and resolves. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    await this.#restore();
    const { finishBefore } = this.#restored;
    if (finishBefore !== undefined) {
      await this.#workAlone(finishBefore);
      if (signal.aborted) return;
      await this.#restore(true);
    }
    await this.#workAlone(Infinity);
  }

  /**
   * What is trimmed under a task at work was decided by another engine, which trims what it has passed: a process that was frozen finds it
   * so. Whether more is gone than that, the next task finds out when it folds.
   */
  async #workAlone(before: number): Promise<void> {
    try {
      await this.#work(this.#signal, before);
    } catch (error) {
      throw isTrimmed(error) ? this.#fenced(error) : error;
    }
  }

  /** Takes raw messages up to `before`, and commits them. */
  async #work(signal: AbortSignal, before: number): Promise<void> {
    const { state } = this.#restored;
    const { outlet } = state;
    const { log, clock } = this.#deps;
    // A generation is in the log before its first effect outside of it.
    if (outlet !== undefined && this.#isSnapshotDue) {
      await this.#checkpoint();
      await this.#inFlight;
      this.#throwFailure();
    }
    const reading = log.read(this.#rawTopic, this.#id.partition, state.to, {
      signal,
      isFollowing: true,
      waitMsMax: TICK_MS,
    });
    for await (const messages of state.to < before ? reading : []) {
      const isAtEnd = messages.length === 0;
      await this.#accept(messages, before);
      outlet?.poll(isAtEnd);
      if (this.#isDue(clock.monotonicMs(), isAtEnd)) await this.#checkpoint();
      // The append in flight needs a turn of the event loop; a busy reader alone would never give it one.
      if (this.#inFlight !== undefined) await new Promise((resolve) => setImmediate(resolve));
      this.#throwFailure();
      if (state.to >= before) break;
    }
    if (state.hasDecisions || state.to > this.#lastTo) await this.#checkpoint();
    await this.#inFlight;
    await this.#trimming.ended();
    this.#throwFailure();
  }

  async #accept(messages: readonly Message[], before: number): Promise<void> {
    const { state } = this.#restored;
    for (const message of messages) {
      if (message.offset >= before) break;
      if (state.changedBytes >= EPOCH_BYTES_MAX) {
        await this.#checkpoint();
        this.#throwFailure();
      }
      if (state.outlet !== undefined && !(await state.outlet.room(this.#signal))) return;
      state.accept(message);
    }
    for (const [rollup, first] of state.takeOtherKeys()) {
      this.#deps.notify({ type: 'rows_full', task: this.#id, rollup, first });
    }
    if (messages.length > 0) faultPoint('engine.processed');
  }

  /** An epoch is due at the interval when something was decided; positions alone wait for the longer one. */
  #isDue(nowMs: number, isAtEnd: boolean): boolean {
    const { state } = this.#restored;
    const { checkpoint, isOnce } = this.#deps.options;
    const busyIntervalMs = isAtEnd ? 0 : (state.outlet?.busyIntervalMs ?? 0);
    const intervalMs = Math.max(checkpoint.intervalMs, busyIntervalMs);
    if (this.#isSnapshotDue) return true;
    if (this.#inFlight !== undefined && state.changedBytes < EPOCH_BYTES_MAX) return false;
    const sinceMs = nowMs - this.#lastEpochAtMs;
    if (sinceMs < checkpoint.minPauseMs) return false;
    if (isOnce && isAtEnd) return state.hasDecisions || state.to > this.#lastTo;
    if (state.changedBytes >= EPOCH_BYTES_MAX) return true;
    if (state.hasFates && nowMs - this.#lastFateAtMs >= intervalMs) return true;
    if (state.hasDecisions) return sinceMs >= intervalMs;
    return state.to > this.#lastTo && sinceMs >= checkpoint.positionsIntervalMs;
  }

  /** Closes the epoch and sends it on its way; work goes on while it is in flight. One in flight at a time. */
  async #checkpoint(): Promise<void> {
    await this.#inFlight;
    this.#throwFailure();
    const { state } = this.#restored;
    // What is not settled when the task must end is done again by the next one.
    if (
      state.outlet !== undefined &&
      !isMutant('documents.cursor_before_bulk') &&
      !(await state.outlet.settle(this.#signal))
    )
      return;
    const { options, clock, newId } = this.#deps;
    const isSnapshot =
      this.#isSnapshotDue || this.#bytesSinceSnapshot >= Math.max(options.snapshotBytes, 4 * this.#snapshotBytes);
    const { hasFates: hadFates } = state;
    const body = state.takeBody(isSnapshot);
    for (const refusal of body.refusals) this.#deps.notify({ type: 'refused', task: this.#id, refusal });
    const envelope = {
      id: newId(),
      prev: this.#lastId,
      task: this.#id,
      n: this.#lastN + 1,
      from: this.#lastTo,
      to: state.to,
      rawLog: this.#restored.rawLog,
      rawId: state.rawId,
      isSnapshot,
      generation: state.generation,
      otherLines: Object.fromEntries(state.otherLines),
      ...state.marks.possible,
      part: 0,
      parts: 1,
    };
    const messages = encodeEpoch({ envelope, body }, options.partBytesMax);
    const sizeBytes = messages.reduce((sum, message) => sum + message.value.length, 0);
    this.#lastId = envelope.id;
    this.#lastN = envelope.n;
    this.#lastTo = envelope.to;
    this.#lastEpochAtMs = clock.monotonicMs();
    if (hadFates) this.#lastFateAtMs = this.#lastEpochAtMs;
    this.#isSnapshotDue = false;
    this.#bytesSinceSnapshot = isSnapshot ? 0 : this.#bytesSinceSnapshot + sizeBytes;
    if (isSnapshot) this.#snapshotBytes = sizeBytes;
    faultPoint('engine.before_append');
    this.#inFlight = this.#withTimeout(this.#commit(envelope, messages))
      .then(() => {
        // No checkpoint waits for it: what a sink held back for days is not deleted within a checkpoint's time.
        if (isSnapshot) this.#trimming.start(() => this.#trim());
        this.#deps.notify({
          type: 'checkpoint',
          task: this.#id,
          n: envelope.n,
          to: envelope.to,
          bytes: sizeBytes,
          watermarkMs: body.watermarkMs,
        });
      })
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#inFlight = undefined;
      });
  }

  /** Appends, and reads back: only an epoch that the fold counts is committed. */
  async #commit({ id, to, rawId, isSnapshot }: EpochEnvelope, messages: readonly OutgoingMessage[]): Promise<void> {
    const { log } = this.#deps;
    const { partition } = this.#id;
    if (isSnapshot && messages.length > 1) {
      // Each part is its own append, so that a crash can fall between them.
      for (const [part, message] of messages.entries()) {
        if (part === Math.ceil(messages.length / 2)) faultPoint('engine.snapshot_half');
        await log.append(this.#epochTopic, partition, [message]);
      }
    } else {
      if (isSnapshot) faultPoint('engine.snapshot_half');
      await log.append(this.#epochTopic, partition, messages);
    }
    faultPoint('engine.after_append');
    if (!isMutant('task.trusts_append')) await this.#readBack(id);
    await log.report(this.#kind.group, this.#rawTopic, partition, { offset: to, id: rawId });
  }

  /** A checkpoint that takes too long has failed; its outcome is unknown, so the task ends and the next one folds. */
  async #withTimeout(commit: Promise<void>): Promise<void> {
    const { clock, options } = this.#deps;
    const isDone = new AbortController();
    const timeout = clock.sleep(options.checkpoint.timeoutMs, isDone.signal).then(() => {
      if (isDone.signal.aborted) return;
      throw new OperatingError(`${this.#name()}: no answer to a checkpoint in ${options.checkpoint.timeoutMs} ms`, {
        code: 'CHECKPOINT_TIMEOUT',
        isRetryable: true,
        hint: 'look at the log: its disk is slow or full, or it is away',
      });
    });
    try {
      await Promise.race([commit, timeout]);
    } finally {
      isDone.abort();
      commit.catch(() => undefined);
    }
  }

  async #readBack(id: string): Promise<void> {
    const { options } = this.#deps;
    const counted = await this.#walk.all({ checksLast: true });
    for (const { envelope, firstOffset } of counted) if (envelope.isSnapshot) this.#snapshots.push(firstOffset);
    const last = counted.at(-1);
    if (last?.envelope.id === id) return;
    // Where the run has a number of its own, the next restore looks at the pipeline itself.
    const { generation } = this.#restored.state;
    if (options.generation === undefined && last !== undefined && last.envelope.generation > generation) {
      throw new OperatingError(
        `${this.#name()}: the log carries a newer pipeline (generation ${last.envelope.generation})`,
        {
          code: 'SUPERSEDED',
          exitCode: EXIT.superseded,
          hint: 'start this role again with the configuration that is in use',
        },
      );
    }
    throw this.#fenced();
  }

  #fenced(cause?: OperatingError): OperatingError {
    const fate = { code: 'FENCED', exitCode: EXIT.fenced };
    const { name } = this.#deps.options.pipeline;
    if (cause === undefined) {
      const hint = `stop the other engine, if pipeline ${name} should have one`;
      return new OperatingError(`${this.#name()}: another engine writes this task's epochs; mine do not count`, {
        ...fate,
        hint,
      });
    }
    const what = 'the log was trimmed past where this task stands: another engine has gone on, or messages are gone';
    return new OperatingError(`${this.#name()}: ${what}`, { ...fate, hint: 'the next start tells which', cause });
  }

  async #trim(): Promise<void> {
    const { log, clock, options } = this.#deps;
    const trimmed = await trimAfterSnapshot({
      log,
      nowMs: clock.nowMs(),
      retainMs: options.retainMs,
      partition: this.#id.partition,
      rawTopic: this.#rawTopic,
      epochTopic: this.#epochTopic,
      snapshots: this.#snapshots,
      committedTo: this.#walk.chain!.to,
      agents: [...this.#restored.state.marks.agents.values()],
      trimsRaw: this.#kind.trimsRaw,
    });
    this.#snapshots = this.#snapshots.filter((offset) => offset >= trimmed.epochsBefore);
    this.#deps.notify({ type: 'trimmed', task: this.#id, ...trimmed });
  }

  /** With `isFinished`, what an earlier generation had begun is done. */
  async #restore(isFinished = false): Promise<void> {
    const { log, clock, notify } = this.#deps;
    const startedAtMs = clock.monotonicMs();
    const { partition } = this.#id;
    await log.report(this.#kind.group, this.#rawTopic, partition, undefined);
    this.#restored = await restoreTask({
      ...this.#deps,
      task: this.#id,
      rawTopic: this.#rawTopic,
      epochTopic: this.#epochTopic,
      kind: this.#kind,
      isFinished,
    });
    const { state, walk, snapshots, isSwitch, epochs, rawEnd } = this.#restored;
    this.#walk = walk;
    this.#snapshots = snapshots;
    this.#lastId = walk.chain!.id;
    this.#lastN = walk.chain!.n;
    this.#lastTo = walk.chain!.to;
    this.#isSnapshotDue = isSwitch;
    this.#bytesSinceSnapshot = this.#restored.bytesSinceSnapshot;
    this.#snapshotBytes = this.#restored.snapshotBytes;
    this.#lastEpochAtMs = -Infinity;
    this.#lastFateAtMs = -Infinity;
    if (state.marks.historyFrom !== null)
      notify({ type: 'history_from', task: this.#id, offset: state.marks.historyFrom });
    faultPoint('engine.folded');
    const tookMs = clock.monotonicMs() - startedAtMs;
    notify({ type: 'restored', task: this.#id, epochs, to: state.to, rawEnd, tookMs });
  }

  #throwFailure(): void {
    this.#failure ??= this.#trimming.bug;
    if (this.#failure !== undefined) throw this.#failure;
  }

  #name(): string {
    return `${this.#id.pipeline}/${this.#id.stream}/${this.#id.partition}`;
  }
}
