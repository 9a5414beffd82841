import type { AssignedPartition, Assignment } from '../../src/broker/broker.ts';

/** An assignment that a test moves by hand. */
export class ScriptedAssignment implements Assignment {
  readonly isFixed: boolean;
  readonly #topic: string;
  confirmed = 0;
  #tell: (assigned: readonly AssignedPartition[]) => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;

  constructor(topic: string, isFixed = false) {
    this.#topic = topic;
    this.isFixed = isFixed;
  }

  join(
    _topics: unknown,
    onAssigned: (assigned: readonly AssignedPartition[]) => void,
    signal: AbortSignal,
  ): Promise<void> {
    this.#tell = onAssigned;
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  give(...partitions: readonly number[]): void {
    this.#tell(partitions.map((partition) => ({ topic: this.#topic, partition })));
  }

  fail(error: unknown): void {
    this.#fail(error);
  }

  async confirm(): Promise<void> {
    this.confirmed++;
  }
}
