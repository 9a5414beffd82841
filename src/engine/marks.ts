import type { AgentMark, Refusal, SourceMark } from '../epoch/epoch.ts';
import { isMutant } from '../lib/mutant.ts';
import { type Beat, type SourceReport, isLastPart } from '../record/beat.ts';
import type { BlockHeader } from '../record/block.ts';
import type { DeclaredLoss } from '../record/control.ts';
import { EMPTY_TAIL, type SourceId, agentOf, numberOf, sourceId } from '../record/source.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export type OpenMark = Mutable<SourceMark>;
export type OpenAgent = Mutable<AgentMark>;

/** What a block's lines say of time. */
export interface Admitted {
  readonly eventTimeMsMax: number;
  readonly leap?: SourceMark['leap'];
}

export type Verdict =
  /** The block counts: its lines from `from` on are new. */
  | { readonly type: 'counts'; readonly mark: OpenMark; readonly from: number }
  /** Everything in it was decided before. */
  | { readonly type: 'duplicate' }
  /** It says nothing of a source whose marks are still to come in its agent's full beat. */
  | { readonly type: 'before_history' }
  | { readonly type: 'refused'; readonly reason: Refusal['reason'] };

/**
 * What a task knows of agents and their sources: the block rule, and the bookkeeping of beats. All safety against agents that send
 * twice, late, from an old registry or under a borrowed id is here. How many sources there are is bounded by their agents, each of which
 * takes no more than it has room for (agent/limits.ts).
 */
export class Marks {
  readonly sources = new Map<SourceId, OpenMark>();
  readonly agents = new Map<string, OpenAgent>();
  readonly #changedSources = new Set<OpenMark>();
  readonly #changedAgents = new Set<OpenAgent>();
  /** Set when raw had been trimmed before this pipeline began: agents' first full beats then bring the marks. */
  historyFrom: number | null = null;

  /** The block rule: counts iff the identity is the mark's, `prev` ≤ mark < `end`, and, where `start` is the mark, the tail is the mark's. */
  judge(header: BlockHeader): Verdict {
    const agent = agentOf(header.source);
    if (this.#awaitsHistory(agent)) return { type: 'before_history' };
    const mark = this.sources.get(header.source) ?? this.#adopt(agent, header, header.source);
    if (mark === undefined) return { type: 'refused', reason: 'forgotten_source' };
    if (mark.identity !== header.identity) return { type: 'refused', reason: 'wrong_identity' };
    if (isMutant('block.no_high_water_mark')) return { type: 'counts', mark, from: header.start };
    if (header.end <= mark.position) return { type: 'duplicate' };
    if (header.prev > mark.position && !isMutant('block.no_prev')) {
      this.#gap(mark, header.prev);
      return { type: 'refused', reason: 'gap' };
    }
    // Below an origin above 0 nobody but the agent has read: until it says the tail there, there is nothing to compare with.
    const isForeign = header.start === mark.position && mark.tail !== '' && header.tail !== mark.tail;
    if (isForeign) return { type: 'refused', reason: 'wrong_tail' };
    return { type: 'counts', mark, from: Math.max(mark.position, header.start) };
  }

  /** Moves the mark over a block that counts. `eventTimeMsMax` is the largest believed event time of its lines, −Infinity for none. */
  advance(mark: OpenMark, header: BlockHeader, { eventTimeMsMax, leap }: Admitted): void {
    mark.position = header.end;
    mark.tail = header.endTail;
    mark.quietSinceMs = Math.max(mark.quietSinceMs, header.readAtMs);
    if (mark.gapEnd === null) mark.state = 'reading';
    else this.#fill(mark, mark.gapEnd);
    if (eventTimeMsMax !== -Infinity) mark.eventTimeMsMax = Math.max(mark.eventTimeMsMax ?? -Infinity, eventTimeMsMax);
    if (leap !== undefined && leap.lines > 0) mark.leap = leap;
    else delete mark.leap;
    this.#changedSources.add(mark);
  }

  /** Takes in a beat; returns the sources it forgets, whose ledgers fold into their agent's. */
  beat(beat: Beat, offset: number, logTimeMs: number): SourceId[] {
    const isFirstSight = this.#awaitsHistory(beat.agent);
    if (isFirstSight && !beat.isFull) return [];
    const known = this.agents.get(beat.agent) ?? this.#newAgent(beat.agent, logTimeMs);
    const forgottenBefore = forgottenMax(known);
    const forgotten: SourceId[] = [];
    for (const report of beat.sources) {
      const source = sourceId(beat.agent, report.number);
      let mark = this.sources.get(source);
      if (mark === undefined && report.number > forgottenBefore) {
        mark = this.#open(source, report.identity, report.origin, known);
        mark.path = report.path;
        mark.quietSinceMs = report.quietSinceMs;
        if (isFirstSight)
          Object.assign(mark, { position: report.position, tail: report.tail, origin: report.position });
      }
      if (mark === undefined || mark.identity !== report.identity) continue;
      if (!this.#report(mark, report)) continue;
      forgotten.push(source);
      known.forgottenMax = Math.max(forgottenMax(known), report.number);
      this.#changedAgents.add(known);
    }
    // What the first full beat does not list was forgotten before this pipeline began.
    if (isFirstSight && isLastPart(beat)) known.forgottenMax = Math.max(known.numberMax, beat.numberMax ?? 0);
    // Time moves with the last part only: before it, not every source of the round has been announced.
    if (isLastPart(beat)) this.#beatTime(known, beat, offset, logTimeMs);
    return forgotten;
  }

  /** Moves a mark over what nobody has any more. Returns the number of bytes, 0 if the control does not fit the mark. */
  declareLoss(loss: DeclaredLoss): number {
    const mark = this.sources.get(loss.source);
    if (mark === undefined || mark.position !== loss.from || loss.to <= loss.from) return 0;
    mark.position = loss.to;
    mark.tail = loss.tail;
    if (mark.gapEnd !== null) this.#fill(mark, mark.gapEnd);
    this.#changedSources.add(mark);
    return loss.to - loss.from;
  }

  /** Sums over all sources: bytes of files, records of topics. */
  get possible(): { readonly possibleLossBytes: number; readonly possibleDoubleBytes: number } {
    let possibleLossBytes = 0;
    let possibleDoubleBytes = 0;
    for (const mark of this.sources.values()) {
      possibleLossBytes += mark.possibleLossBytes;
      possibleDoubleBytes += mark.possibleDoubleBytes;
    }
    return { possibleLossBytes, possibleDoubleBytes };
  }

  /** Marks and agents that changed since the last call. */
  takeChanges(): { sources: SourceMark[]; agents: AgentMark[] } {
    const changes = {
      sources: [...this.#changedSources].map((mark) => ({ ...mark })),
      agents: [...this.#changedAgents].map((a) => ({ ...a })),
    };
    this.#changedSources.clear();
    this.#changedAgents.clear();
    return changes;
  }

  /** Whether a source's state changed; agents' beat times alone are not a reason for an epoch. */
  get hasSourceChanges(): boolean {
    return this.#changedSources.size > 0;
  }

  all(): { sources: SourceMark[]; agents: AgentMark[] } {
    return {
      sources: [...this.sources.values()].map((mark) => ({ ...mark })),
      agents: [...this.agents.values()].map((agent) => ({ ...agent })),
    };
  }

  restore(sources: readonly SourceMark[], agents: readonly AgentMark[]): void {
    for (const mark of sources) {
      if (mark.state === 'forgotten') this.sources.delete(mark.source);
      else this.sources.set(mark.source, { ...mark });
    }
    for (const agent of agents) this.agents.set(agent.agent, { ...agent });
  }

  #awaitsHistory(agent: string): boolean {
    return this.historyFrom !== null && this.agents.get(agent)?.fullBeatOffset == null;
  }

  #adopt(agent: string, header: BlockHeader, source: SourceId): OpenMark | undefined {
    const known = this.agents.get(agent) ?? this.#newAgent(agent, 0);
    if (numberOf(source) <= forgottenMax(known)) return undefined;
    // A new source begins at its origin, never at its first block: what lies between would be lost in silence.
    const origin = isMutant('block.any_first_block') ? header.start : header.origin;
    return this.#open(
      source,
      header.identity,
      origin,
      known,
      isMutant('block.any_first_block') ? header.tail : undefined,
    );
  }

  #open(source: SourceId, identity: string, origin: number, agent: OpenAgent, tail?: string): OpenMark {
    const mark: OpenMark = {
      source,
      identity,
      path: '',
      origin,
      position: origin,
      tail: tail ?? '',
      state: 'announced',
      eventTimeMsMax: null,
      quietSinceMs: 0,
      gapEnd: null,
      agentSum: null,
      possibleLossBytes: 0,
      possibleDoubleBytes: 0,
    };
    if (origin === 0) mark.tail = EMPTY_TAIL;
    this.sources.set(source, mark);
    agent.numberMax = Math.max(agent.numberMax, numberOf(source));
    this.#changedSources.add(mark);
    this.#changedAgents.add(agent);
    return mark;
  }

  #newAgent(agent: string, logTimeMs: number): OpenAgent {
    const mark = { agent, numberMax: 0, forgottenMax: 0, tMs: 0, logTimeMs, hasEnded: false, fullBeatOffset: null };
    this.agents.set(agent, mark);
    this.#changedAgents.add(mark);
    return mark;
  }

  #gap(mark: OpenMark, end: number): void {
    mark.state = 'gap';
    mark.gapEnd = Math.max(mark.gapEnd ?? 0, end);
    this.#changedSources.add(mark);
  }

  /** A gap is one until the mark has passed it. */
  #fill(mark: OpenMark, gapEnd: number): void {
    if (mark.position < gapEnd) return;
    mark.state = mark.isOver === true && mark.position === gapEnd ? 'closed' : 'reading';
    mark.gapEnd = null;
    mark.isOver = false;
  }

  /**
   * True when the source is forgotten. A report holds only for a reader that stands where the agent stood; but that nothing more will
   * come holds for a reader that has more than the agent remembers, too: it died before it registered, and the file was gone when it
   * came back. Such a source would hold the clock for ever.
   */
  #report(mark: OpenMark, report: SourceReport): boolean {
    if (report.position > mark.position && !isMutant('beat.position_ignored')) {
      mark.isOver = report.state === 'closed' || report.state === 'forgotten';
      this.#gap(mark, report.position);
      return false;
    }
    if (report.position < mark.position && !isMutant('beat.position_ignored')) {
      if (report.state === 'closed') this.#close(mark);
      if (report.state !== 'forgotten') return false;
    }
    if (report.state === 'forgotten') {
      mark.state = 'forgotten';
      this.sources.delete(mark.source);
      this.#changedSources.add(mark);
      return true;
    }
    const before = JSON.stringify(mark);
    // A gap stays one until the missing bytes have come or are declared lost, whatever an agent says that stands at its begin.
    if (mark.gapEnd === null) mark.state = report.state;
    mark.path = report.path;
    // A mark made from a beat at an origin above 0 takes the tail below it from the agent, who alone has read it.
    if (mark.tail === '') mark.tail = report.tail;
    mark.quietSinceMs = report.quietSinceMs;
    mark.agentSum = report.sum ?? mark.agentSum;
    mark.possibleLossBytes = report.possibleLossBytes ?? mark.possibleLossBytes;
    mark.possibleDoubleBytes = report.possibleDoubleBytes ?? mark.possibleDoubleBytes;
    // Whatever differs must be in the epoch: the next task judges time by it.
    if (before !== JSON.stringify(mark)) this.#changedSources.add(mark);
    return false;
  }

  #close(mark: OpenMark): void {
    if (mark.gapEnd !== null || mark.state === 'closed') return;
    mark.state = 'closed';
    this.#changedSources.add(mark);
  }

  #beatTime(agent: OpenAgent, beat: Beat, offset: number, logTimeMs: number): void {
    agent.logTimeMs = logTimeMs;
    agent.hasEnded = beat.hasEnded;
    // A full beat that a client wrote once more, late, does not list what its agent knows now: raw is kept for the newer one.
    if (beat.isFull && beat.tMs >= agent.tMs) agent.fullBeatOffset = offset - (beat.parts ?? 1) + 1;
    // The last one, even if the agent's clock went back: quiet times are differences of that clock, and the watermark never goes back.
    agent.tMs = beat.tMs;
    this.#changedAgents.add(agent);
  }
}

/**
 * Up to this number, a source without a mark may have had one. Above it, it is new: its announcement may have been lost or damaged in
 * the log, and refusing it for a higher number seen since would refuse it for ever.
 */
function forgottenMax(agent: AgentMark): number {
  if (isMutant('block.forgotten_is_new')) return 0;
  return agent.forgottenMax ?? agent.numberMax;
}
