import type { AgentEvent } from '../agent/events.ts';

type HeldEvent = Extract<AgentEvent, { type: 'backpressure_began' | 'backpressure_ended' }>;

/** Says of partitions that are held up by the same trouble once that there is some, and once that it is over. */
export class HeldPartitions {
  /** By code and cause. Bound: the partitions of the agent's streams. */
  readonly #held = new Map<string, Set<string>>();
  readonly #heldMost = new Map<string, number>();

  /** The line for a person, or undefined where it was said. */
  line(event: HeldEvent): string | undefined {
    const name = `${event.topic}/${event.partition}`;
    return event.type === 'backpressure_began' ? this.#began(name, event.code, event.reason) : this.#ended(name);
  }

  #began(name: string, code: string, reason: string): string | undefined {
    // One code may have several causes; the place is what differs where the cause is one.
    const trouble = `${code} ${reason.replaceAll(name, '')}`;
    const held = this.#held.get(trouble) ?? new Set();
    this.#held.set(trouble, held.add(name));
    this.#heldMost.set(trouble, Math.max(held.size, this.#heldMost.get(trouble) ?? 0));
    return held.size === 1 ? `${name} takes no more: ${reason}; files wait` : undefined;
  }

  #ended(name: string): string | undefined {
    for (const [trouble, held] of this.#held) {
      if (!held.delete(name)) continue;
      if (held.size > 0) return undefined;
      const most = this.#heldMost.get(trouble) ?? 1;
      this.#held.delete(trouble);
      this.#heldMost.delete(trouble);
      return most > 1 ? 'all partitions take blocks again' : `${name} takes blocks again`;
    }
    return undefined;
  }
}
