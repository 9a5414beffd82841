import { isMutant } from '../lib/mutant.ts';
import type { Marks, OpenMark } from './marks.ts';

export interface WatermarkOptions {
  readonly outOfOrdernessMs: number;
  readonly idleTimeoutMs: number;
  readonly agentLostTimeoutMs: number;
}

/** A step between two messages counts at most this much of log time, so that a pause of the whole system is not an agent's silence. */
const LOG_TIME_STEP_MS_MAX = 10_000;

/**
 * The clock of a partition, a function of the log alone. Watermark = min over the sources that hold it of (largest event time − out of
 * orderness) − 1 ms, never going back. When none holds, the agents' own time stands for the event time, but it goes not beyond the last timer.
 */
export class Watermark {
  readonly #options: WatermarkOptions;
  readonly #marks: Marks;
  watermarkMs = -Infinity;
  logTimeMs = 0;
  lastAppendedAtMs = 0;

  constructor(options: WatermarkOptions, marks: Marks) {
    this.#options = options;
    this.#marks = marks;
  }

  /** Moves log time to a message. The first message of all is its origin. */
  onMessage(appendedAtMs: number): void {
    if (this.lastAppendedAtMs > 0) {
      this.logTimeMs += Math.min(LOG_TIME_STEP_MS_MAX, Math.max(0, appendedAtMs - this.lastAppendedAtMs));
    }
    this.lastAppendedAtMs = Math.max(this.lastAppendedAtMs, appendedAtMs);
  }

  /** The least event time among the holding sources other than `except`: Infinity if no other holds, −Infinity if one holds all time. */
  leastOfOthers(except: OpenMark): number {
    let least = Infinity;
    for (const mark of this.#marks.sources.values()) {
      if (mark !== except) least = Math.min(least, this.#heldAt(mark));
    }
    return least;
  }

  /** Looks at all sources again, after a beat. True if the watermark moved. */
  advance(lastTimerMs: number): boolean {
    let least = Infinity;
    for (const mark of this.#marks.sources.values()) least = Math.min(least, this.#heldAt(mark));
    const { outOfOrdernessMs } = this.#options;
    // With no source holding, time is the agents'; a pause in a replayed log must not run past what waits for it.
    const nextMs =
      least === Infinity
        ? Math.min(this.#agentsTimeMs() - outOfOrdernessMs - 1, lastTimerMs)
        : least - outOfOrdernessMs - 1;
    if (!(nextMs > this.watermarkMs)) return false;
    this.watermarkMs = nextMs;
    return true;
  }

  /** Event time at which a source holds the clock; Infinity if it does not hold. */
  #heldAt(mark: OpenMark): number {
    if (mark.state === 'closed') return Infinity;
    const agent = this.#marks.agents.get(mark.source.slice(0, mark.source.lastIndexOf('/')));
    if (agent !== undefined && this.logTimeMs - agent.logTimeMs > this.#options.agentLostTimeoutMs) return Infinity;
    const isStopped = mark.state === 'gap' || mark.state === 'unreadable';
    if (
      mark.state === 'caught_up' &&
      agent !== undefined &&
      agent.tMs - mark.quietSinceMs >= this.#options.idleTimeoutMs
    )
      return Infinity;
    if (mark.eventTimeMsMax !== null) return mark.eventTimeMsMax;
    if (isStopped || mark.leap !== undefined) return -Infinity;
    if (mark.position > mark.origin || isMutant('watermark.no_announced_hold')) return Infinity;
    return -Infinity;
  }

  /** The least time of the agents that are alive, −Infinity with none alive, Infinity when those that were have all ended. */
  #agentsTimeMs(): number {
    let least = Infinity;
    let hasAny = false;
    for (const agent of this.#marks.agents.values()) {
      if (this.logTimeMs - agent.logTimeMs > this.#options.agentLostTimeoutMs) continue;
      hasAny = true;
      if (!agent.hasEnded) least = Math.min(least, agent.tMs);
    }
    return hasAny ? least : -Infinity;
  }
}
