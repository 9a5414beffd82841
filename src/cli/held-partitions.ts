import type { AgentEvent } from '../agent/events.ts';

type HeldEvent = Extract<AgentEvent, { type: 'backpressure_began' | 'backpressure_ended' }>;

/** Says of partitions that are held up by the same trouble once that there is some, and once that it is over. */
export class HeldPartitions {
  /** By the code of the error. Bound: the partitions of the agent's streams. */
  readonly #held = new Map<string, Set<string>>();
  readonly #heldMost = new Map<string, number>();

  /** The line for a person, or undefined where it was said. */
  line(event: HeldEvent): string | undefined {
    const name = `${event.topic}/${event.partition}`;
    return event.type === 'backpressure_began' ? this.#began(name, event.code, event.reason) : this.#ended(name);
  }

  #began(name: string, code: string, reason: string): string | undefined {
    const held = this.#held.get(code) ?? new Set();
    this.#held.set(code, held.add(name));
    this.#heldMost.set(code, Math.max(held.size, this.#heldMost.get(code) ?? 0));
    return held.size === 1 ? `${name} takes no more: ${reason}; files wait` : undefined;
  }

  #ended(name: string): string | undefined {
    for (const [code, held] of this.#held) {
      if (!held.delete(name)) continue;
      if (held.size > 0) return undefined;
      const most = this.#heldMost.get(code) ?? 1;
      this.#held.delete(code);
      this.#heldMost.delete(code);
      return most > 1 ? 'all partitions take blocks again' : `${name} takes blocks again`;
    }
    return undefined;
  }
}
