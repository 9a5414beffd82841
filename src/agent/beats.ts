import { type Beat, encodeBeat, type SourceReport } from '../record/beat.ts';
import type { AgentLimits } from './limits.ts';

/** When beats are due. Times are those of a monotonic clock. */
export class BeatSchedule {
  readonly #limits: AgentLimits;
  #lastMs = -Infinity;
  #lastFullMs = -Infinity;
  #changedMs = -Infinity;

  constructor(limits: AgentLimits) {
    this.#limits = limits;
  }

  /** Something was read, found, closed or became readable. */
  change(nowMs: number): void {
    this.#changedMs = nowMs;
  }

  /** What a scan that began at `nowMs` should tell the log. */
  due(nowMs: number): 'full' | 'changes' | 'nothing' {
    const { beatMs, beatIdleMs, beatActiveMs, beatFullMs } = this.#limits;
    if (nowMs - this.#lastFullMs >= beatFullMs) return 'full';
    const isActive = nowMs - this.#changedMs < beatActiveMs;
    return nowMs - this.#lastMs >= (isActive ? beatMs : beatIdleMs) ? 'changes' : 'nothing';
  }

  sent(nowMs: number, isFull: boolean): void {
    this.#lastMs = nowMs;
    if (isFull) this.#lastFullMs = nowMs;
  }
}

/** Encodes a beat, in parts where it has very many sources: one append carries all parts. */
export function encodeBeats(
  beat: Omit<Beat, 'part' | 'parts' | 'sources'>,
  sources: readonly SourceReport[],
  sourcesMax: number,
): Uint8Array[] {
  const parts = Math.max(1, Math.ceil(sources.length / sourcesMax));
  if (parts === 1) return [encodeBeat({ ...beat, sources })];
  return Array.from({ length: parts }, (_, part) =>
    encodeBeat({ ...beat, sources: sources.slice(part * sourcesMax, (part + 1) * sourcesMax), part, parts }),
  );
}
