import type { Assignment } from '../broker/broker.ts';
import { groupAssignment } from '../broker/kafka/group-assignment.ts';
import { type Config, isShared, sinkGroup } from '../config/config.ts';
import { onceAborted } from '../lib/abort.ts';
import { GenerationGate } from '../sinks/generation-gate.ts';
import { kafkaClientOptions } from './kafka-client.ts';
import type { RoleContext } from './definitions.ts';

/** Of a process that shares a sink with others. */
export interface TurnEvent {
  readonly type: 'stands_by' | 'goes_on';
}

/** What a consumer group says of its brokers. */
export interface GroupEvent {
  readonly type: 'group';
  readonly line: string;
}

type Work = (signal: AbortSignal) => Promise<void>;

/**
 * Where several hosts run one pipeline, each of its sinks that has one store for all works on one host at a time: two would do everything
 * twice. The others stand by, and one of them goes on when that host is gone.
 */
export async function whenItsTurn(
  context: RoleContext<TurnEvent | GroupEvent>,
  sink: string,
  work: Work,
): Promise<void> {
  const { config, clock, signal, notify } = context;
  if (!isShared(config)) return work(signal);
  const group = `${config.broker.topicPrefix}.${sinkGroup(config, sink)}.turn`;
  const assignment = groupAssignment({
    clock,
    client: kafkaClientOptions(config.broker),
    group,
    notify: (line) => notify({ type: 'group', line }),
  });
  await new Turn({ assignment, name: group, work, notify }).run(signal);
}

/** For a sink that several hosts may run, one at a time. */
export function gateOf({ pipeline }: Config, generation: number | undefined): { readonly gate?: GenerationGate } {
  return generation === undefined ? {} : { gate: new GenerationGate({ pipeline, generation }) };
}

export interface TurnOptions {
  /** Of a single partition: whoever has it has the turn. */
  readonly assignment: Assignment;
  readonly name: string;
  /** Runs until its signal aborts. It may be called again, when the turn was lost and has come back. */
  readonly work: Work;
  readonly notify: (event: TurnEvent) => void;
}

export class Turn {
  readonly #options: TurnOptions;
  readonly #stop = new AbortController();
  #mine: AbortController | undefined;
  #ended: Promise<void> = Promise.resolve();
  #isStandingBy = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: TurnOptions) {
    this.#options = options;
  }

  /** Works whenever it is its turn, until `signal` aborts. Throws what the work threw, or why no turn can come. */
  async run(signal: AbortSignal): Promise<void> {
    const { assignment, name } = this.#options;
    const stopped = AbortSignal.any([signal, this.#stop.signal]);
    // The turn is given up when the work has ended, not before.
    const leaving = new AbortController();
    const joined = assignment
      .join([{ topic: name, partitions: 1 }], ({ length }) => this.#assigned(length > 0, stopped), leaving.signal)
      .catch((error: unknown) => this.#fail(error));
    await onceAborted(stopped);
    await this.#ended;
    leaving.abort();
    await joined;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #assigned(isMine: boolean, stopped: AbortSignal): void {
    if (stopped.aborted) return;
    if (!isMine) {
      this.#mine?.abort();
      this.#mine = undefined;
      if (!this.#isStandingBy) this.#options.notify({ type: 'stands_by' });
      this.#isStandingBy = true;
    } else if (this.#mine === undefined) {
      if (this.#isStandingBy) this.#options.notify({ type: 'goes_on' });
      this.#isStandingBy = false;
      this.#mine = new AbortController();
      this.#begin(AbortSignal.any([stopped, this.#mine.signal]));
    }
  }

  /** When what was begun before has ended. */
  #begin(signal: AbortSignal): void {
    this.#ended = this.#ended
      .then(() => (signal.aborted ? undefined : this.#options.work(signal)))
      .catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#stop.abort();
  }
}
