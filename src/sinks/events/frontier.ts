import type { EpochBody, EpochEnvelope, SourceMark } from '../../epoch/epoch.ts';

interface PartitionTime {
  /** Of the last epoch that was folded; 0 before the first. */
  n: number;
  /** Raw offsets below it are decided. */
  to: number;
  watermarkMs: number;
  logTimeMs: number;
  readonly sources: Map<string, Pick<SourceMark, 'state' | 'quietSinceMs'>>;
  readonly agents: Map<string, { readonly tMs: number; readonly logTimeMs: number }>;
}

/** How far all partitions of a stream together are. */
export interface Reach {
  /** The watermark of the stream: nobody who holds time back is behind it. */
  readonly watermarkMs: number;
  /** Partitions that hold nothing back, as far as they have read. */
  readonly idle: readonly number[];
}

export interface FrontierOptions {
  readonly partitions: number;
  readonly idleTimeoutMs: number;
  readonly agentLostTimeoutMs: number;
}

/**
 * The event time of a stream over its partitions. Each partition's own watermark says nothing of the others, and what has been written as final
 * cannot be taken back: so here a partition holds time back as long as it has a source that may still bring lines, by the same rules as in the
 * engine (engine/watermark.ts); and one that has not begun holds everything.
 */
export class Frontier {
  readonly #options: FrontierOptions;
  readonly #partitions: readonly PartitionTime[];

  constructor(options: FrontierOptions) {
    this.#options = options;
    this.#partitions = Array.from({ length: options.partitions }, () => ({
      n: 0,
      to: 0,
      watermarkMs: -Infinity,
      logTimeMs: 0,
      sources: new Map(),
      agents: new Map(),
    }));
  }

  apply(partition: number, { n, to, isSnapshot }: EpochEnvelope, body: EpochBody): void {
    const time = this.#partitions[partition]!;
    if (isSnapshot) {
      time.sources.clear();
      time.agents.clear();
    }
    time.n = n;
    time.to = to;
    time.watermarkMs = body.watermarkMs;
    time.logTimeMs = body.logTimeMs;
    for (const { source, state, quietSinceMs } of body.sources) {
      if (state === 'closed' || state === 'forgotten') time.sources.delete(source);
      else time.sources.set(source, { state, quietSinceMs });
    }
    for (const { agent, tMs, logTimeMs } of body.agents) time.agents.set(agent, { tMs, logTimeMs });
  }

  watermarkOf(partition: number): number {
    return this.#partitions[partition]!.watermarkMs;
  }

  /** The last epoch of each partition. */
  get position(): readonly number[] {
    return this.#partitions.map(({ n }) => n);
  }

  /** Whether a partition has decided everything below a raw offset. */
  hasRead(partition: number, offset: number): boolean {
    return this.#partitions[partition]!.to >= offset;
  }

  reach(): Reach {
    const holding = this.#partitions.filter((time) => this.#holds(time));
    const idle = [...this.#partitions.keys()].filter((partition) => !holding.includes(this.#partitions[partition]!));
    const watermarkMs =
      holding.length > 0
        ? Math.min(...holding.map((time) => time.watermarkMs))
        : Math.max(...this.#partitions.map((time) => time.watermarkMs));
    return { watermarkMs, idle };
  }

  #holds(time: PartitionTime): boolean {
    if (time.n === 0) return true;
    const { idleTimeoutMs, agentLostTimeoutMs } = this.#options;
    for (const [source, { state, quietSinceMs }] of time.sources) {
      const agent = time.agents.get(source.slice(0, source.lastIndexOf('/')));
      if (agent === undefined) return true;
      if (time.logTimeMs - agent.logTimeMs > agentLostTimeoutMs) continue;
      if (state !== 'caught_up' || agent.tMs - quietSinceMs < idleTimeoutMs) return true;
    }
    return false;
  }
}
