import type {
  Cursor,
  Log,
  Message,
  OutgoingMessage,
  PartitionEnds,
  ReadOptions,
  Report,
  TopicSpec,
} from '../../../src/broker/broker.ts';
import { OperatingError } from '../../../src/lib/errors.ts';
import type { MemoryStore } from '../../support/memory-log.ts';
import type { Random } from '../../support/random.ts';
import type { Network } from './network.ts';

const EMPTY = new Uint8Array(0);

/** A process of the simulation: everything it asks of the outside waits here until the simulation lets it happen. */
export class Process {
  isDead = false;
  readonly name: string;
  readonly #random: Random;
  #waiting: Array<() => void> = [];

  constructor(name: string, random: Random) {
    this.name = name;
    this.#random = random;
  }

  get canStep(): boolean {
    return this.#waiting.length > 0;
  }

  /** Lets one thing happen that it waits for. */
  step(): void {
    const next = this.#waiting.splice(this.#random.below(this.#waiting.length), 1)[0];
    next?.();
  }

  /** As SIGKILL: nothing it waits for ever happens. */
  kill(): void {
    this.isDead = true;
    this.#waiting = [];
  }

  later(happen: () => void): void {
    if (!this.isDead) this.#waiting.push(happen);
  }

  gate<T>(perform: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.later(() => {
        try {
          resolve(perform());
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }
}

/** A process's view of the log in memory: the same contract, one step at a time. */
export class SteppedLog implements Log {
  readonly #process: Process;
  readonly #store: MemoryStore;
  readonly #network: Network;
  readonly #random: Random;
  /** One past the highest offset that a following reader has got. */
  readTo = 0;

  constructor(parts: { process: Process; store: MemoryStore; network: Network; random: Random }) {
    this.#process = parts.process;
    this.#store = parts.store;
    this.#network = parts.network;
    this.#random = parts.random;
  }

  async ensureTopics(specs: readonly TopicSpec[]): Promise<void> {
    for (const spec of specs) this.#store.ensureTopic(spec);
  }

  append(topic: string, _partition: number, messages: readonly OutgoingMessage[]): Promise<number> {
    return new Promise((resolve, reject) => {
      const done = (offset: number | undefined): void =>
        this.#process.later(() => {
          if (offset === undefined) reject(failure('LOG_FAILED', 'the outcome is unknown'));
          else resolve(offset);
        });
      this.#network.send({ from: this.#process.name, topic, messages, done });
    });
  }

  async *read(
    topic: string,
    partition: number,
    from: number,
    options: ReadOptions,
  ): AsyncGenerator<readonly Message[]> {
    const { isFollowing, hasValues = true, signal, batchBytesMax } = options;
    let next = from;
    while (!hasAborted(signal)) {
      const batch = await this.#process.gate(() => this.#take(topic, partition, next, batchBytesMax === 1));
      if (hasAborted(signal)) return;
      if (batch.length === 0 && !isFollowing) return;
      next += batch.length;
      if (isFollowing) this.readTo = Math.max(this.readTo, next);
      yield hasValues ? batch : batch.map((message) => ({ ...message, value: EMPTY }));
    }
  }

  ends(topic: string): Promise<readonly PartitionEnds[]> {
    return this.#process.gate(() => this.#store.partitionsOf(topic).map(({ start, end }) => ({ start, end })));
  }

  trim(topic: string, partition: number, before: number): Promise<void> {
    return this.#process.gate(() => this.#store.trim(topic, partition, before));
  }

  report(group: string, topic: string, partition: number, cursor: Cursor | undefined): Promise<void> {
    return this.#process.gate(() => this.#store.report(group, topic, partition, cursor));
  }

  reports(topic: string): Promise<readonly Report[]> {
    return this.#process.gate(() => this.#store.reports(topic));
  }

  async forget(group: string): Promise<void> {
    this.#store.forget(group);
  }

  async close(): Promise<void> {}

  #take(topic: string, partition: number, next: number, isOne: boolean): readonly Message[] {
    const { messages, start, end } = this.#store.partition(topic, partition);
    if (next < start) throw failure('LOG_TRIMMED', `offset ${next}, the log begins at ${start}`);
    if (next > end) throw failure('LOG_FORKED', `offset ${next}, the log ends at ${end}`);
    const count = isOne ? 1 : 1 + this.#random.below(6);
    return messages.slice(next - start, next - start + count);
  }
}

function hasAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function failure(code: string, what: string): OperatingError {
  return new OperatingError(`simulated log: ${what}`, { code, isRetryable: true });
}
