import type { OutgoingMessage } from '../broker/broker.ts';
import { encodeEpoch } from '../epoch/codec.ts';
import type { EpochBody, EpochEnvelope } from '../epoch/epoch.ts';
import type { ChainEnd } from '../epoch/fold.ts';
import type { TaskId } from '../epoch/pipeline.ts';
import type { EpochWalk } from '../epoch/walk.ts';
import { assert, present } from '../lib/assert.ts';
import { OperatingError } from '../lib/errors.ts';
import { faultPoint } from '../lib/fault-point.ts';
import { isMutant } from '../lib/mutant.ts';
import type { EngineParts } from './engine-parts.ts';
import { fencedError, supersededError, taskName } from './fence.ts';

export interface EpochWriterParts {
  readonly deps: Pick<EngineParts, 'log' | 'clock' | 'newId' | 'options'>;
  readonly task: TaskId;
  readonly epochTopic: string;
  readonly rawTopic: string;
  /** Under which the position in raw is reported. */
  readonly group: string;
  readonly rawLog: string;
  /** Along the task's own epochs, by envelopes; stands at their end. */
  readonly walk: EpochWalk;
  /** First offsets of counted snapshots, oldest first. */
  readonly snapshots: readonly number[];
}

/** An epoch without what its place in the chain gives it. */
export type EpochDraft = Omit<EpochEnvelope, 'id' | 'prev' | 'task' | 'n' | 'from' | 'rawLog' | 'part' | 'parts'> & {
  readonly body: EpochBody;
};

export interface SentEpoch {
  readonly n: number;
  readonly sizeBytes: number;
}

/**
 * Writes the epochs of one task, one at a time. It trusts nothing it wrote before it has read it back as counted; after an epoch that failed
 * it writes no other.
 */
export class EpochWriter {
  readonly #parts: EpochWriterParts;
  /** The last epoch that was sent. */
  #last: ChainEnd;
  #inFlight: Promise<void> | undefined;
  #failure: unknown;
  #snapshots: readonly number[];

  constructor(parts: EpochWriterParts) {
    this.#parts = parts;
    this.#last = present(parts.walk.chain, 'the partition has its genesis, or a snapshot');
    this.#snapshots = parts.snapshots;
  }

  /** Whether an epoch is on its way. */
  get isInFlight(): boolean {
    return this.#inFlight !== undefined;
  }

  /** Raw offset behind the last epoch that was sent. */
  get sentTo(): number {
    return this.#last.to;
  }

  /** Raw offset behind the last epoch that counts. */
  get committedTo(): number {
    return this.#parts.walk.chain!.to;
  }

  /** First offsets of the counted snapshots that are still there, oldest first. */
  get snapshots(): readonly number[] {
    return this.#snapshots;
  }

  forgetSnapshots(before: number): void {
    this.#snapshots = this.#snapshots.filter((offset) => offset >= before);
  }

  /** Sends an epoch on its way; `onCounted` is called when it counts. None may be in flight. */
  send({ body, ...draft }: EpochDraft, onCounted: (sent: SentEpoch) => void): SentEpoch {
    assert(
      this.#inFlight === undefined && this.#failure === undefined,
      'one epoch in flight, and none behind a failed one',
    );
    const { deps, task, rawLog } = this.#parts;
    const { id: prev, n, to: from } = this.#last;
    const envelope = { id: deps.newId(), prev, task, n: n + 1, from, rawLog, ...draft, part: 0, parts: 1 };
    const messages = encodeEpoch({ envelope, body }, deps.options.partBytesMax);
    const sent = { n: envelope.n, sizeBytes: messages.reduce((sum, { value }) => sum + value.length, 0) };
    this.#last = { id: envelope.id, n: envelope.n, to: envelope.to };
    faultPoint('engine.before_append');
    this.#inFlight = this.#withTimeout(this.#commit(envelope, messages))
      .then(() => onCounted(sent))
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#inFlight = undefined;
      });
    return sent;
  }

  /** Resolves when no epoch is in flight. Throws what the last one failed with. */
  async settled(): Promise<void> {
    await this.#inFlight;
    this.throwIfFailed();
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Appends, and reads back: only an epoch that counts is committed. */
  async #commit(envelope: EpochEnvelope, messages: readonly OutgoingMessage[]): Promise<void> {
    const { deps, task, epochTopic, rawTopic, group } = this.#parts;
    const { log } = deps;
    if (envelope.isSnapshot && messages.length > 1) {
      // Each part is its own append, so that a crash can fall between them.
      for (const [part, message] of messages.entries()) {
        if (part === Math.ceil(messages.length / 2)) faultPoint('engine.snapshot_half');
        await log.append(epochTopic, task.partition, [message]);
      }
    } else {
      if (envelope.isSnapshot) faultPoint('engine.snapshot_half');
      await log.append(epochTopic, task.partition, messages);
    }
    faultPoint('engine.after_append');
    if (!isMutant('task.trusts_append')) await this.#readBack(envelope);
    await log.report(group, rawTopic, task.partition, { offset: envelope.to, id: envelope.rawId });
  }

  async #readBack({ id, generation }: EpochEnvelope): Promise<void> {
    const { deps, task, walk } = this.#parts;
    const counted = await walk.all({ checksLast: true });
    const last = counted.at(-1);
    if (last?.envelope.id === id) {
      if (last.envelope.isSnapshot) this.#snapshots = [...this.#snapshots, last.firstOffset];
      return;
    }
    // Where the run has a number of its own, the next restore looks at the pipeline itself.
    if (deps.options.generation === undefined && last !== undefined && last.envelope.generation > generation)
      throw supersededError(task, last.envelope.generation);
    throw fencedError(task);
  }

  /** An epoch that takes too long has failed; its outcome is unknown, so the task ends and the next one folds. */
  async #withTimeout(commit: Promise<void>): Promise<void> {
    const { deps, task } = this.#parts;
    const { timeoutMs } = deps.options.checkpoint;
    const isDone = new AbortController();
    const timeout = deps.clock.sleep(timeoutMs, isDone.signal).then(() => {
      if (isDone.signal.aborted) return;
      throw new OperatingError(`${taskName(task)}: no answer to a checkpoint in ${timeoutMs} ms`, {
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
}
