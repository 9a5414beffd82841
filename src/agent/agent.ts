import { randomUUID } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../broker/broker.ts';
import { BLOCK_BYTES_MAX } from '../record/block.ts';
import type { AgentEvent } from './events.ts';
import { type AgentLimits, BLOCK_ROOM_BYTES, DEFAULT_LIMITS } from './limits.ts';
import { recover } from './recovery.ts';
import { AgentSession } from './session.ts';
import type { AgentInput } from './source-input.ts';

export type { AgentEvent } from './events.ts';
export { type AgentLimits, DEFAULT_LIMITS } from './limits.ts';
export type { AgentInput, FilesInput, TopicsInput } from './source-input.ts';

export interface AgentOptions {
  /** agent.json (id, version) and the registry live here. */
  readonly dataDir: string;
  readonly inputs: readonly AgentInput[];
  /** Reads what is there, closes each source at its end with its unterminated last line, sends the final beat, and ends. */
  readonly isOnce: boolean;
  /** In once mode: the final beat says that nothing will follow, so every window closes. Else the end of a run is a pause. */
  readonly closesAll?: boolean;
  /** Configured where several agents share a log; else it is minted once, or found again in the log. */
  readonly agentId?: string;
  readonly limits?: Partial<AgentLimits>;
}

/** Headers of blocks are small, but those of blocks of empty lines with a cut among them list every offset. */
const HEADER_BYTES_MAX = 2 * BLOCK_BYTES_MAX;

/** From file bytes to blocks and beats in the raw topics. It may be killed at any moment and started again: no line is lost or doubled. */
export class Agent {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #options: AgentOptions;
  readonly #notify: (event: AgentEvent) => void;

  constructor(deps: { clock: Clock; log: Log; options: AgentOptions; notify?: (event: AgentEvent) => void }) {
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#options = deps.options;
    this.#notify = deps.notify ?? (() => {});
  }

  /** Ends when `signal` aborts and what is in flight is settled, in once mode when everything is sent; rejects with an OperatingError. */
  async run(signal: AbortSignal): Promise<void> {
    const { dataDir, inputs, agentId } = this.#options;
    const topics = new Map(inputs.map((input) => [input.topic, input.partitions]));
    await this.#log.ensureTopics(
      [...topics].map(([topic, partitions]) => ({
        topic,
        partitions,
        messageBytesMax: BLOCK_ROOM_BYTES + HEADER_BYTES_MAX,
      })),
    );
    const lanes = [...topics].flatMap(([topic, partitions]) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
    );
    const { registry } = await recover({
      dataDir,
      agentId,
      log: this.#log,
      lanes,
      mintId: randomUUID,
      notify: this.#notify,
    });
    // However this life ends, no append of it goes on: the next one decides what to send again.
    const ending = new AbortController();
    const session = new AgentSession({
      clock: this.#clock,
      log: this.#log,
      notify: this.#notify,
      signal,
      sending: AbortSignal.any([signal, ending.signal]),
      registry,
      lanes,
      options: {
        dataDir,
        inputs,
        isOnce: this.#options.isOnce,
        closesAll: this.#options.closesAll === true,
        limits: { ...DEFAULT_LIMITS, ...this.#options.limits },
      },
    });
    try {
      await session.run();
    } finally {
      ending.abort();
      await session.close();
    }
  }
}
