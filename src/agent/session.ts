import { setImmediate } from 'node:timers/promises';
import { present } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../broker/broker.ts';
import { partitionOf, sourceId } from '../record/source.ts';
import type { AgentInput } from './agent.ts';
import { BeatSchedule, encodeBeats } from './beats.ts';
import type { Notify } from './events.ts';
import { Lane } from './lane.ts';
import { type AgentLimits, slabBlocks } from './limits.ts';
import { laneKey, type LaneName } from './recovery.ts';
import { type Registry, type RegistryEntry, saveRegistry } from './registry.ts';
import { Scanner } from './scanner.ts';
import { describeError } from '../lib/errors.ts';
import { FileFinder } from './sources/file.ts';
import { TrackedSource } from './tracked-source.ts';

interface WantedBeat {
  readonly tMs: number;
  readonly isFull: boolean;
  /** Announces sources: no line goes before it. */
  readonly isUrgent: boolean;
  readonly hasEnded: boolean;
  /** The lane's appends when it was asked for: blocks read in the same round may go first, but only one append of them. */
  readonly appends: number;
}

/** A partition with the sources that go there. */
interface LaneState {
  readonly lane: Lane;
  readonly logId: string;
  readonly sources: Set<TrackedSource>;
  beat: WantedBeat | undefined;
}

/** A source with all that is needed to serve it. */
interface Served {
  readonly source: TrackedSource;
  readonly scanner: Scanner;
  readonly lane: LaneState;
}

export interface SessionDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly notify: Notify;
  readonly signal: AbortSignal;
  readonly registry: Registry;
  readonly lanes: readonly LaneName[];
  readonly options: {
    readonly dataDir: string;
    readonly inputs: readonly AgentInput[];
    readonly isOnce: boolean;
    readonly limits: AgentLimits;
  };
}

/** One life of the agent: rounds of scan, read and send, until it is told to end. */
export class AgentSession {
  readonly #deps: SessionDeps;
  readonly #limits: AgentLimits;
  readonly #isOnce: boolean;
  readonly #lanes = new Map<string, LaneState>();
  readonly #scanners: Scanner[] = [];
  readonly #served = new Map<TrackedSource, Served>();
  /** Sources that were read lately and are looked at more often than scans come. */
  readonly #hot = new Set<Served>();
  readonly #beats: BeatSchedule;
  /** Sources of inputs that are not configured now: they are remembered, for the day they come back. */
  readonly #unserved: readonly RegistryEntry[];
  #nextNumber: number;
  /** New sources that no beat has announced yet, and the lanes whose announcing beat is still to be acknowledged. */
  #unannounced: TrackedSource[] = [];
  #announcing: TrackedSource[] = [];
  readonly #announcingLanes = new Set<LaneState>();
  #scanTimeMs = 0;
  #nextScanMs = -Infinity;
  #nextSaveMs = 0;
  #isDirty = true;
  /** New numbers wait for the registry: nothing may speak of them before it is durable. */
  #mustSave = false;
  #isSaveHeld = false;
  #rotation = 0;
  #failure: { readonly error: unknown } | undefined;
  #wake: AbortController | undefined;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    this.#limits = deps.options.limits;
    this.#isOnce = deps.options.isOnce;
    this.#beats = new BeatSchedule(this.#limits);
    this.#nextNumber = deps.registry.nextNumber;
    const blocksPerAppend = slabBlocks(deps.lanes.length, this.#limits.bufferBytesMax);
    for (const { topic, partition } of deps.lanes) {
      const { log, offset } = present(deps.registry.logs[laneKey({ topic, partition })], 'a lane was recovered');
      const { retryMs, retryMsMax } = this.#limits;
      const lane = new Lane({ ...deps, options: { topic, partition, blocksPerAppend, retryMs, retryMsMax } });
      lane.endOffset = offset;
      this.#lanes.set(laneKey(lane), { lane, logId: log, sources: new Set(), beat: undefined });
    }
    const claimed = new Set<RegistryEntry>();
    for (const input of deps.options.inputs) this.#addInput(input, claimed);
    this.#unserved = deps.registry.sources.filter((entry) => !claimed.has(entry));
  }

  async run(): Promise<void> {
    const { clock, signal } = this.#deps;
    while (!signal.aborted) {
      const nowMs = clock.monotonicMs();
      if (nowMs >= this.#nextScanMs) this.#scan(nowMs);
      this.#pollHot(nowMs);
      const hasRead = this.#readRound();
      this.#closeFinished();
      this.#pump();
      if (this.#isOnce && this.#isDone()) break;
      if (this.#isDirty && clock.monotonicMs() >= this.#nextSaveMs) this.#save();
      // Appends complete in between; only what is full or empty makes the agent wait.
      await (hasRead ? setImmediate() : this.#wait());
      if (this.#failure !== undefined) throw this.#failure.error;
    }
    await this.#end();
  }

  close(): void {
    for (const source of this.#served.keys()) source.detach();
  }

  #addInput(input: AgentInput, claimed: Set<RegistryEntry>): void {
    const { registry, notify, options } = this.#deps;
    const entries = registry.sources.filter((entry) => entry.topic === input.topic && !claimed.has(entry));
    const known = entries.map((entry) => {
      claimed.add(entry);
      const source = new TrackedSource(registry.agent, entry, input.lineBytesMax);
      source.lastSeenMs = this.#deps.clock.monotonicMs();
      source.isAnnounced = true;
      return source;
    });
    const create = (entry: Omit<RegistryEntry, 'number'>): TrackedSource => {
      const source = new TrackedSource(registry.agent, { ...entry, number: this.#nextNumber++ }, input.lineBytesMax);
      this.#serve(source, scanner, input);
      this.#unannounced.push(source);
      this.#mustSave = true;
      return source;
    };
    const scanner = new Scanner(
      {
        topic: input.topic,
        isOnce: options.isOnce,
        limits: this.#limits,
        finder: new FileFinder(input),
        notify,
        create,
      },
      known,
    );
    this.#scanners.push(scanner);
    for (const source of known) this.#serve(source, scanner, input);
  }

  #serve(source: TrackedSource, scanner: Scanner, input: AgentInput): void {
    const partition = partitionOf(sourceId(this.#deps.registry.agent, source.number), input.partitions);
    const lane = present(this.#lanes.get(laneKey({ topic: input.topic, partition })), 'a source has a lane');
    lane.sources.add(source);
    this.#served.set(source, { source, scanner, lane });
  }

  /** Looks at everything, announces what is new, and asks for the beats that are due. */
  #scan(nowMs: number): void {
    const { clock, options } = this.#deps;
    const isFirst = this.#nextScanMs === -Infinity;
    this.#scanTimeMs = clock.nowMs();
    this.#nextScanMs = nowMs + this.#limits.scanMs;
    const admits = isFirst || !options.isOnce;
    for (const scanner of this.#scanners) scanner.scan(nowMs, this.#scanTimeMs, admits);
    this.#limitOpenFiles();
    this.#forgetOld();
    if (this.#mustSave) this.#save();
    const isNew = this.#unannounced.length > 0;
    if (isNew) this.#beats.change(nowMs);
    const due = this.#beats.due(nowMs);
    if (due !== 'nothing' || isNew) {
      this.#wantBeats({ isFull: due === 'full', isUrgent: isNew, hasEnded: false });
      this.#beats.sent(nowMs, due === 'full');
      if (due === 'full') this.#isDirty = true;
    }
    this.#reportProgress();
  }

  #wantBeats(wanted: Pick<WantedBeat, 'isFull' | 'isUrgent' | 'hasEnded'>): void {
    for (const state of this.#lanes.values()) {
      const before = state.beat;
      state.beat = {
        tMs: this.#scanTimeMs,
        isFull: wanted.isFull || before?.isFull === true,
        isUrgent: wanted.isUrgent || before?.isUrgent === true,
        hasEnded: wanted.hasEnded,
        appends: before?.appends ?? state.lane.appends,
      };
    }
    this.#beginAnnouncing();
  }

  /** One announcement at a time: what is found meanwhile waits for the next. */
  #beginAnnouncing(): void {
    if (this.#announcing.length > 0 || this.#unannounced.length === 0) return;
    this.#announcing = this.#unannounced;
    this.#unannounced = [];
    for (const state of this.#lanes.values()) this.#announcingLanes.add(state);
  }

  #announced(state: LaneState): void {
    if (!this.#announcingLanes.delete(state) || this.#announcingLanes.size > 0) return;
    for (const source of this.#announcing) source.isAnnounced = true;
    this.#announcing = [];
    if (this.#unannounced.length > 0) this.#wantBeats({ isFull: false, isUrgent: true, hasEnded: false });
  }

  #pollHot(nowMs: number): void {
    for (const served of this.#hot) {
      const { source, scanner } = served;
      if (source.handle === undefined) this.#hot.delete(served);
      else if (nowMs >= source.nextPollMs && !source.hasMore) {
        if (!source.see(source.handle.look())) {
          scanner.replace(source);
          this.#nextScanMs = nowMs;
        } else if (!source.hasMore) {
          source.pauseMs *= 2;
          source.nextPollMs = nowMs + source.pauseMs;
          if (source.pauseMs >= this.#limits.scanMs) this.#hot.delete(served);
        }
      }
    }
  }

  /** Reads what fits: a block of each live source, then the backlog, oldest first. True if anything was read. */
  #readRound(): boolean {
    const live: Served[] = [];
    const backlog: Served[] = [];
    for (const served of this.#served.values()) {
      const { source } = served;
      if (source.isAnnounced && source.hasMore) (source.isLive ? live : backlog).push(served);
    }
    backlog.sort(
      ({ source: left }, { source: right }) =>
        left.modifiedMs - right.modifiedMs || (left.path < right.path ? -1 : left.path > right.path ? 1 : 0),
    );
    let hasRead = false;
    this.#rotation += 1;
    for (let i = 0; i < live.length; i++)
      hasRead = this.#readBlock(live[(i + this.#rotation) % live.length]!) || hasRead;
    for (const served of backlog) {
      while (served.source.hasMore && this.#readBlock(served)) hasRead = true;
    }
    return hasRead;
  }

  /** False if the lane is full or nothing could be read. */
  #readBlock(served: Served): boolean {
    const { source, scanner, lane: state } = served;
    const room = state.lane.room();
    if (room === undefined || (source.handle === undefined && !scanner.reopen(source))) return false;
    const readAtMs = this.#deps.clock.nowMs();
    const result = source.read(room.memory, room.at, readAtMs);
    if (result === 'more') return true;
    if (result === 'replaced') {
      scanner.replace(source);
      this.#nextScanMs = -1;
      return false;
    }
    this.#cool(served);
    if (result === 'nothing') return false;
    state.lane.add(source, result, readAtMs);
    if (result.cut !== undefined && !source.wasCutReported) {
      source.wasCutReported = true;
      this.#deps.notify({
        type: 'lines_cut',
        source: source.id,
        path: source.path,
        lineBytesMax: source.reader.lineBytesMax,
      });
    }
    return true;
  }

  /** It was read to its end: look again soon, and ever later while nothing comes. */
  #cool(served: Served): void {
    served.source.pauseMs = this.#limits.lingerMs;
    served.source.nextPollMs = this.#deps.clock.monotonicMs() + this.#limits.lingerMs;
    this.#hot.add(served);
  }

  #closeFinished(): void {
    for (const { source, scanner } of this.#served.values()) {
      if (!source.isFinished || !source.isAnnounced) continue;
      source.close(this.#deps.clock.nowMs());
      scanner.close(source);
      this.#isDirty = true;
      this.#beats.change(this.#deps.clock.monotonicMs());
      const { id, path, closedBy, possibleLossBytes, sum } = source;
      this.#deps.notify({
        type: 'source_closed',
        source: id,
        path,
        reason: closedBy!,
        lines: sum?.lines,
        possibleLossBytes,
      });
    }
  }

  #pump(): void {
    for (const state of this.#lanes.values()) {
      const { lane, beat } = state;
      if (lane.isSending) continue;
      const isBeatNext =
        beat !== undefined && !this.#mustSave && (beat.isUrgent || !lane.hasBlocks || lane.appends > beat.appends);
      if (isBeatNext) this.#sendBeat(state, beat);
      else if (lane.hasBlocks) lane.sendBlocks((error) => this.#done(error, () => this.#blocksSent()));
    }
  }

  #sendBeat(state: LaneState, beat: WantedBeat): void {
    state.beat = undefined;
    const { registry } = this.#deps;
    const reports = [...state.sources].flatMap((source) => {
      const changed = source.changedReport();
      return beat.isFull ? [source.report()] : (changed ?? []);
    });
    const { tMs, isFull, hasEnded } = beat;
    const head = { agent: registry.agent, log: state.logId, tMs, isFull, hasEnded };
    state.lane.sendHeaders(encodeBeats(head, reports, this.#limits.beatSourcesMax), (error) =>
      this.#done(error, () => this.#announced(state)),
    );
  }

  /** An append has ended. */
  #done(error: unknown, then: () => void): void {
    if (error === undefined) then();
    else this.#failure ??= { error };
    this.#wake?.abort();
  }

  #blocksSent(): void {
    this.#isDirty = true;
    this.#beats.change(this.#deps.clock.monotonicMs());
  }

  async #wait(): Promise<void> {
    const { clock, signal } = this.#deps;
    const nowMs = clock.monotonicMs();
    let untilMs = this.#nextScanMs;
    for (const { source } of this.#hot) untilMs = Math.min(untilMs, source.nextPollMs);
    if (untilMs <= nowMs || signal.aborted || this.#failure !== undefined) {
      await setImmediate();
      return;
    }
    this.#wake = new AbortController();
    await clock.sleep(untilMs - nowMs, AbortSignal.any([signal, this.#wake.signal]));
    this.#wake = undefined;
  }

  #isDone(): boolean {
    if (this.#unannounced.length > 0 || this.#announcing.length > 0) return false;
    for (const { lane } of this.#lanes.values()) if (!lane.isIdle) return false;
    for (const source of this.#served.keys()) if (source.closedBy === undefined && !source.isUnreadable) return false;
    return true;
  }

  /** Lets what is in flight end, tells the log where everything stands, and writes it down. */
  async #end(): Promise<void> {
    const settle = async (): Promise<void> => {
      for (const { lane } of this.#lanes.values()) await lane.settled();
      if (this.#failure !== undefined) throw this.#failure.error;
    };
    await settle();
    this.#closeFinished();
    this.#save();
    if (this.#isOnce && !this.#deps.signal.aborted) this.#scanTimeMs = this.#deps.clock.nowMs();
    this.#wantBeats({ isFull: this.#isOnce, isUrgent: false, hasEnded: this.#isOnce && !this.#deps.signal.aborted });
    if (this.#mustSave) return;
    for (const state of this.#lanes.values()) this.#sendBeat(state, state.beat!);
    await settle();
    this.#save();
    this.#reportProgress();
  }

  #save(): void {
    const { clock, notify, options, registry } = this.#deps;
    const sources = [...this.#unserved, ...[...this.#served.keys()].map((source) => source.entry())];
    const ends = [...this.#lanes].map(
      ([key, { lane, logId }]) => [key, { log: logId, offset: lane.endOffset }] as const,
    );
    const logs = { ...registry.logs, ...Object.fromEntries(ends) };
    try {
      saveRegistry(options.dataDir, {
        version: registry.version,
        agent: registry.agent,
        nextNumber: this.#nextNumber,
        logs,
        sources,
      });
      this.#isDirty = false;
      this.#mustSave = false;
      this.#isSaveHeld = false;
    } catch (error) {
      if (!(error instanceof Error && 'syscall' in error)) throw error;
      // Nothing is lost by waiting: the log has what was sent, and new sources stay unannounced until this succeeds.
      if (!this.#isSaveHeld)
        notify({
          type: 'unreadable',
          path: options.dataDir,
          reason: describeError(error),
          hint: 'make room or give the agent the right to write there',
        });
      this.#isSaveHeld = true;
    }
    // Writing grows with the number of sources, and so does the pause: at most about one percent of the time goes there.
    this.#nextSaveMs = clock.monotonicMs() + this.#limits.registryMs * (1 + sources.length / 1000);
  }

  #limitOpenFiles(): void {
    const open = [...this.#served.keys()].filter((source) => source.handle !== undefined);
    const excess = open.length - this.#limits.openFilesMax;
    if (excess <= 0) return;
    const quiet = open.filter(
      (source) => source.place !== undefined && !source.hasMore && source.closedBy === undefined,
    );
    quiet.sort((left, right) => left.quietSinceMs - right.quietSinceMs);
    for (const source of quiet.slice(0, excess)) source.detach();
  }

  /** Drops closed sources whose file is long gone. */
  #forgetOld(): void {
    const beforeMs = this.#scanTimeMs - this.#limits.forgetMs;
    for (const { source, scanner, lane } of this.#served.values()) {
      if (source.closedAtMs === undefined || source.closedAtMs > beforeMs || scanner.isSettledAt(source)) continue;
      source.isForgotten = true;
      this.#beats.change(this.#deps.clock.monotonicMs());
      if (!source.isForgottenInLog || !lane.lane.isIdle) continue;
      this.#served.delete(source);
      lane.sources.delete(source);
      scanner.forget(source);
    }
  }

  #reportProgress(): void {
    let bytesSent = 0;
    let lines = 0;
    for (const { lane } of this.#lanes.values()) {
      bytesSent += lane.bytesSent;
      lines += lane.linesSent;
    }
    let bytesKnown = bytesSent;
    for (const source of this.#served.keys())
      bytesKnown += source.ending === 'truncated' ? 0 : Math.max(0, source.known - source.position);
    this.#deps.notify({ type: 'progress', bytesSent, bytesKnown, lines });
  }
}
