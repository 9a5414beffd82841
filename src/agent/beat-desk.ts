import type { Clock } from '../lib/clock.ts';
import { BeatSchedule, encodeBeats } from './beats.ts';
import type { Lane } from './lane.ts';
import type { AgentLimits } from './limits.ts';
import type { TrackedSource } from './tracked-source.ts';

/** A partition with the sources that go there. */
export interface LaneState {
  readonly lane: Lane;
  /** The id of the log, from its genesis. */
  readonly logId: string;
  readonly sources: Set<TrackedSource>;
}

interface WantedBeat {
  readonly tMs: number;
  readonly isFull: boolean;
  /** Announces sources: no line goes before it. */
  readonly isUrgent: boolean;
  readonly hasEnded: boolean;
  /** The lane's appends when it was asked for: blocks read in the same round may go first, but only one append of them. */
  readonly appends: number;
}

/**
 * Decides what beats say and when each lane sends one. A beat goes between two appends of its lane, so everything sent before
 * it is acknowledged; its `tMs` is that of the last scan, which looked at every source after that moment.
 */
export class BeatDesk {
  readonly #agent: string;
  readonly #clock: Clock;
  readonly #limits: AgentLimits;
  readonly #lanes: readonly LaneState[];
  readonly #numberMax: () => number;
  readonly #schedule: BeatSchedule;
  readonly #wanted = new Map<LaneState, WantedBeat>();
  /** New sources that no beat has announced yet, and the lanes whose announcing beat is still to be acknowledged. */
  #unannounced: TrackedSource[] = [];
  #announcing: TrackedSource[] = [];
  readonly #announcingLanes = new Set<LaneState>();
  #scanTimeMs = 0;

  constructor(deps: {
    agent: string;
    clock: Clock;
    limits: AgentLimits;
    lanes: readonly LaneState[];
    /** The highest source number given so far. */
    numberMax: () => number;
  }) {
    this.#agent = deps.agent;
    this.#clock = deps.clock;
    this.#limits = deps.limits;
    this.#lanes = deps.lanes;
    this.#numberMax = deps.numberMax;
    this.#schedule = new BeatSchedule(deps.limits);
  }

  get isAnnouncing(): boolean {
    return this.#announcing.length > 0 || this.#unannounced.length > 0;
  }

  /** A source that is new to this life: none of its lines goes before every partition was told of it. */
  announce(source: TrackedSource): void {
    this.#unannounced.push(source);
    this.changed();
  }

  /** Something happened: beats come each second for a while. */
  changed(): void {
    this.#schedule.change(this.#clock.monotonicMs());
  }

  /** A scan that began at `scanTimeMs` has looked at everything. True if a full beat is due, which is worth a registry. */
  scanned(nowMs: number, scanTimeMs: number): boolean {
    this.#scanTimeMs = scanTimeMs;
    const due = this.#schedule.due(nowMs);
    const isUrgent = this.#unannounced.length > 0;
    if (due === 'nothing' && !isUrgent) return false;
    this.#schedule.sent(nowMs, due === 'full');
    this.#want({ isFull: due === 'full', isUrgent, hasEnded: false });
    return due === 'full';
  }

  /** Whether the lane's next append is a beat. */
  isNext(state: LaneState): boolean {
    const beat = this.#wanted.get(state);
    return beat !== undefined && (beat.isUrgent || !state.lane.hasBlocks || state.lane.appends > beat.appends);
  }

  /** Sends the lane's beat. `done` is called when it is acknowledged or failed. */
  send(state: LaneState, done: (error?: unknown) => void): void {
    const beat = this.#wanted.get(state);
    if (beat === undefined) return;
    this.#wanted.delete(state);
    const reports = [...state.sources].flatMap((source) => {
      const changed = source.changedReport();
      return beat.isFull ? [source.report()] : (changed ?? []);
    });
    const { tMs, isFull, hasEnded } = beat;
    const numberMax = isFull ? { numberMax: this.#numberMax() } : {};
    const head = { agent: this.#agent, log: state.logId, tMs, isFull, hasEnded, ...numberMax };
    state.lane.sendHeaders(encodeBeats(head, reports, this.#limits.beatSourcesMax), (error) => {
      if (error === undefined && !state.lane.hasGivenUp) this.#announced(state);
      done(error);
    });
  }

  /** The last beats of this life: full when everything is read and closed, and `hasEnded` when nothing will follow. */
  sendLast(last: Pick<WantedBeat, 'isFull' | 'hasEnded'>, done: (error?: unknown) => void): void {
    this.#want({ ...last, isUrgent: false });
    // After an announcement that was given up, a beat would announce higher numbers, and readers refuse lower ones from then on.
    for (const state of this.#lanes) if (!state.lane.hasGivenUp) this.send(state, done);
  }

  #want(wanted: Pick<WantedBeat, 'isFull' | 'isUrgent' | 'hasEnded'>): void {
    for (const state of this.#lanes) {
      const before = this.#wanted.get(state);
      this.#wanted.set(state, {
        tMs: this.#scanTimeMs,
        isFull: wanted.isFull || before?.isFull === true,
        isUrgent: wanted.isUrgent || before?.isUrgent === true,
        hasEnded: wanted.hasEnded,
        appends: before?.appends ?? state.lane.appends,
      });
    }
    // One announcement at a time: what is found meanwhile waits for the next.
    if (this.#announcing.length > 0 || this.#unannounced.length === 0) return;
    this.#announcing = this.#unannounced;
    this.#unannounced = [];
    for (const state of this.#lanes) this.#announcingLanes.add(state);
  }

  #announced(state: LaneState): void {
    if (!this.#announcingLanes.delete(state) || this.#announcingLanes.size > 0) return;
    for (const source of this.#announcing) source.isAnnounced = true;
    this.#announcing = [];
    if (this.#unannounced.length > 0) this.#want({ isFull: false, isUrgent: true, hasEnded: false });
  }
}
