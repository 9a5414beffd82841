import { setImmediate } from 'node:timers/promises';
import type { Log } from '../broker/broker.ts';
import { present } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import { OperatingError } from '../lib/errors.ts';
import { partitionOf, sourceId } from '../record/source.ts';
import { BeatDesk, type LaneState } from './beat-desk.ts';
import type { Notify } from './events.ts';
import { inputGroups, isOfInput } from './inputs.ts';
import { Lane } from './lane.ts';
import { type AgentLimits, slabBlocks } from './limits.ts';
import { OpenFiles } from './open-files.ts';
import { laneKey, type LaneName } from './recovery.ts';
import type { Registry, RegistryEntry } from './registry.ts';
import { RegistryWriter } from './registry-writer.ts';
import type { AgentInput, SourceInput } from './source-input.ts';
import type { TrackedSource } from './tracked-source.ts';

/** A source with all that is needed to serve it. */
interface Served {
  readonly source: TrackedSource;
  readonly input: SourceInput;
  readonly state: LaneState;
}

export interface SessionDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly notify: Notify;
  /** Asks for the end. */
  readonly signal: AbortSignal;
  /** Ends attempts to send: aborts with `signal`, and when this life has failed. */
  readonly sending: AbortSignal;
  readonly registry: Registry;
  readonly lanes: readonly LaneName[];
  readonly options: {
    readonly dataDir: string;
    readonly inputs: readonly AgentInput[];
    readonly isOnce: boolean;
    readonly closesAll: boolean;
    readonly limits: AgentLimits;
  };
}

/** One life of the agent: rounds of scan, read and send, until it is told to end. */
export class AgentSession {
  readonly #deps: SessionDeps;
  readonly #limits: AgentLimits;
  readonly #isOnce: boolean;
  readonly #lanes = new Map<string, LaneState>();
  readonly #inputs: SourceInput[] = [];
  readonly #served = new Map<TrackedSource, Served>();
  readonly #openFiles: OpenFiles;
  readonly #desk: BeatDesk;
  readonly #writer: RegistryWriter;
  /** Sources of topics that no input has now: they are remembered, for the day it comes back. */
  readonly #unserved: readonly RegistryEntry[];
  #nextNumber: number;
  #nextScanMs = 0;
  #hasScanned = false;
  /** In once mode, the moment of the first look: what is written later belongs to the next run, whenever this one ends. */
  #onceSeenMs = Infinity;
  #rotation = 0;
  #failure: { readonly error: unknown } | undefined;
  #wake: AbortController | undefined;
  /** Since when an input does not answer what it has. */
  #unsettledSinceMs: number | undefined;

  constructor(deps: SessionDeps) {
    const { clock, notify, options, registry } = deps;
    this.#deps = deps;
    this.#limits = options.limits;
    this.#isOnce = options.isOnce;
    this.#openFiles = new OpenFiles(this.#limits.openFilesMax);
    this.#nextNumber = registry.nextNumber;
    this.#addLanes();
    this.#desk = new BeatDesk({
      agent: registry.agent,
      clock,
      limits: this.#limits,
      lanes: [...this.#lanes.values()],
      numberMax: () => this.#nextNumber - 1,
    });
    const { registryMs: pauseMs } = this.#limits;
    this.#writer = new RegistryWriter({
      dataDir: options.dataDir,
      clock,
      notify,
      pauseMs,
      current: () => this.#registry(),
    });
    const claimed = new Set<RegistryEntry>();
    for (const group of inputGroups(options.inputs)) this.#addInput(group, claimed);
    this.#unserved = registry.sources.filter((entry) => !claimed.has(entry));
  }

  async run(): Promise<void> {
    const { clock, signal } = this.#deps;
    await Promise.all(this.#inputs.map((input) => input.start()));
    while (!signal.aborted) {
      const nowMs = clock.monotonicMs();
      if (nowMs >= this.#nextScanMs || !this.#hasScanned) this.#scan(nowMs);
      this.#poll(nowMs);
      const hasRead = this.#readRound();
      this.#closeFinished();
      this.#pump();
      if (this.#isOnce && this.#isDone() && this.#isSettled(nowMs)) break;
      this.#writer.saveIfDue();
      // Appends complete in between; only a full lane, or nothing to read, makes the agent wait.
      await (hasRead ? setImmediate() : this.#wait());
      if (this.#failure !== undefined) throw this.#failure.error;
    }
    await this.#end();
  }

  async close(): Promise<void> {
    await Promise.all(this.#inputs.map((input) => input.stop()));
    for (const source of this.#served.keys()) source.detach();
  }

  #addLanes(): void {
    const { lanes, registry } = this.#deps;
    const { bufferBytesMax, retryMs, retryMsMax } = this.#limits;
    const blocksPerAppend = slabBlocks(lanes.length, bufferBytesMax);
    for (const { topic, partition } of lanes) {
      const { log: logId, offset } = present(registry.logs[laneKey({ topic, partition })], 'a lane was recovered');
      const lane = new Lane({
        ...this.#deps,
        signal: this.#deps.sending,
        options: { topic, partition, blocksPerAppend, retryMs, retryMsMax },
      });
      lane.endOffset = offset;
      this.#lanes.set(laneKey(lane), { lane, logId, sources: new Set() });
    }
  }

  #addInput(group: readonly [AgentInput, ...AgentInput[]], claimed: Set<RegistryEntry>): void {
    const [given] = group;
    const { clock, registry, notify, options } = this.#deps;
    const { agent } = registry;
    const entries = registry.sources.filter((entry) => !claimed.has(entry) && isOfInput(entry, given, options.inputs));
    for (const entry of entries) claimed.add(entry);
    const { input, sources } = given.kind.open(group, entries, {
      agent,
      clock,
      notify,
      isOnce: options.isOnce,
      limits: this.#limits,
      openFiles: this.#openFiles,
      hasRoom: () => this.#served.size + this.#unserved.length < this.#limits.sourcesMax,
      giveNumber: () => {
        this.#writer.numberGiven();
        return this.#nextNumber++;
      },
      serve: (source) => {
        this.#serve(source, input, given);
        this.#desk.announce(source);
      },
      wake: () => this.#wake?.abort(),
    });
    this.#inputs.push(input);
    for (const source of sources) {
      this.#serve(source, input, given);
      this.#desk.announce(source);
    }
  }

  #serve(source: TrackedSource, input: SourceInput, { topic, partitions }: AgentInput): void {
    const partition = partitionOf(sourceId(this.#deps.registry.agent, source.number), partitions);
    const state = present(this.#lanes.get(laneKey({ topic, partition })), 'a source has a lane');
    state.sources.add(source);
    this.#served.set(source, { source, input, state });
  }

  /** Looks at everything, announces what is new, and asks for the beats that are due. */
  #scan(nowMs: number): void {
    // Taken before anything is looked at: what the beats say holds at this moment or later.
    const scanTimeMs = this.#deps.clock.nowMs();
    const admits = !this.#hasScanned || !this.#isOnce;
    this.#nextScanMs = nowMs + this.#limits.scanMs;
    this.#hasScanned = true;
    // What an input says of its sources may have been found out before this scan: beats then speak of that moment.
    let seenMs = scanTimeMs;
    for (const input of this.#inputs) seenMs = Math.min(seenMs, input.scan(nowMs, scanTimeMs, admits));
    if (this.#isOnce) seenMs = this.#onceSeenMs = Math.min(this.#onceSeenMs, seenMs);
    this.#forgetOld(scanTimeMs);
    if (this.#writer.hasNewNumbers) this.#writer.save();
    if (this.#desk.scanned(nowMs, seenMs)) this.#writer.changed();
    this.#reportProgress();
  }

  #poll(nowMs: number): void {
    for (const input of this.#inputs) if (input.poll(nowMs)) this.#nextScanMs = nowMs;
  }

  /** Reads what fits: a block of each live source, then the backlog, oldest first. True if anything was read. */
  #readRound(): boolean {
    const live: Served[] = [];
    const backlog: Served[] = [];
    for (const served of this.#served.values()) {
      const { source } = served;
      if (source.isAnnounced && source.hasMore) (source.isLive ? live : backlog).push(served);
    }
    backlog.sort((left, right) => oldestFirst(left.source, right.source));
    let hasRead = false;
    this.#rotation += 1;
    for (let i = 0; i < live.length; i++) {
      hasRead = this.#readBlock(live[(i + this.#rotation) % live.length]!) || hasRead;
    }
    for (const served of backlog) {
      while (served.source.hasMore && this.#readBlock(served)) hasRead = true;
    }
    return hasRead;
  }

  /** False if the lane is full or nothing could be read. */
  #readBlock({ source, input, state }: Served): boolean {
    const room = state.lane.room();
    if (room === undefined) return false;
    const nowMs = this.#deps.clock.monotonicMs();
    const readAtMs = this.#deps.clock.nowMs();
    const result = input.read(source, room, nowMs, readAtMs);
    if (result === 'more') return true;
    if (result === 'replaced') this.#nextScanMs = nowMs;
    if (result === 'nothing' || result === 'replaced') return false;
    state.lane.add(source, result, readAtMs);
    const { start, holeBytes } = result;
    if (holeBytes !== undefined && !source.wasHoleReported) {
      source.wasHoleReported = true;
      this.#deps.notify({ type: 'hole_skipped', source: source.id, path: source.path, start, holeBytes });
    }
    if (result.cut !== undefined && !source.wasCutReported) {
      source.wasCutReported = true;
      const { id, path, lineBytesMax } = source;
      this.#deps.notify({ type: 'lines_cut', source: id, path, lineBytesMax });
    }
    return true;
  }

  #closeFinished(): void {
    for (const { source, input } of this.#served.values()) {
      if (!source.isFinished || !source.isAnnounced) continue;
      source.close(this.#deps.clock.nowMs());
      input.close(source);
      this.#writer.changed();
      this.#desk.changed();
      const { id, path, closedBy: reason, possibleLossBytes, sum } = source;
      this.#deps.notify({
        type: 'source_closed',
        source: id,
        path,
        reason: present(reason, 'a closed source has a reason'),
        lines: sum?.lines,
        possibleLossBytes,
      });
    }
  }

  /** Gives every lane that has nothing in flight its next append. */
  #pump(): void {
    for (const state of this.#lanes.values()) {
      const { lane } = state;
      if (lane.isSending) continue;
      // Beats wait while numbers that they would speak of are not durable.
      if (!this.#writer.hasNewNumbers && this.#desk.isNext(state)) this.#desk.send(state, (error) => this.#done(error));
      else if (lane.hasBlocks) lane.sendBlocks((error) => this.#blocksDone(error));
    }
  }

  #blocksDone(error: unknown): void {
    this.#done(error);
    if (error !== undefined) return;
    this.#writer.changed();
    this.#desk.changed();
  }

  #done(error: unknown): void {
    if (error !== undefined) this.#failure ??= { error };
    this.#wake?.abort();
  }

  async #wait(): Promise<void> {
    const { clock, signal } = this.#deps;
    const nowMs = clock.monotonicMs();
    let untilMs = this.#nextScanMs;
    for (const input of this.#inputs) untilMs = Math.min(untilMs, input.nextPollMs);
    if (untilMs <= nowMs || signal.aborted || this.#failure !== undefined) {
      await setImmediate();
      return;
    }
    this.#wake = new AbortController();
    await clock.sleep(untilMs - nowMs, AbortSignal.any([signal, this.#wake.signal]));
    this.#wake = undefined;
  }

  /** In once mode: everything that could be read is acknowledged. */
  #isDone(): boolean {
    if (this.#desk.isAnnouncing) return false;
    for (const { lane } of this.#lanes.values()) if (!lane.isIdle) return false;
    for (const source of this.#served.keys()) if (source.closedBy === undefined && !source.isUnreadable) return false;
    return true;
  }

  /** In once mode: every input knows that it has given all there was. Throws when that takes too long. */
  #isSettled(nowMs: number): boolean {
    const [reason] = this.#inputs.flatMap(({ unsettled }) => unsettled ?? []);
    if (reason === undefined) {
      this.#unsettledSinceMs = undefined;
      return true;
    }
    this.#unsettledSinceMs ??= nowMs;
    if (nowMs - this.#unsettledSinceMs < this.#limits.onceWaitMs) return false;
    throw new OperatingError(`not everything could be read: ${reason}`, {
      code: 'SOURCE_UNSETTLED',
      isRetryable: true,
      hint: 'what was read is kept: start it again when that answers',
    });
  }

  /** Lets what is in flight end, writes down where everything stands, and tells the log. */
  async #end(): Promise<void> {
    await this.#settled();
    this.#closeFinished();
    this.#writer.save();
    // Beats may not speak of numbers that are not durable.
    if (this.#writer.hasNewNumbers) return;
    const isWhole = this.#isOnce && !this.#deps.signal.aborted;
    const hasEnded = isWhole && this.#deps.options.closesAll;
    this.#desk.sendLast({ isFull: isWhole, hasEnded }, (error) => this.#done(error));
    await this.#settled();
    this.#writer.save();
    this.#reportProgress();
  }

  async #settled(): Promise<void> {
    for (const { lane } of this.#lanes.values()) await lane.settled();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #registry(): Registry {
    const { registry } = this.#deps;
    const ends = [...this.#lanes].map(
      ([key, { lane, logId }]) => [key, { log: logId, offset: lane.endOffset }] as const,
    );
    return {
      version: registry.version,
      agent: registry.agent,
      nextNumber: this.#nextNumber,
      logs: { ...registry.logs, ...Object.fromEntries(ends) },
      sources: [...this.#unserved, ...[...this.#served.keys()].map((source) => source.entry())],
    };
  }

  /** Drops closed sources whose file is long gone, once a beat has said so. */
  #forgetOld(scanTimeMs: number): void {
    const beforeMs = scanTimeMs - this.#limits.forgetMs;
    for (const { source, input, state } of this.#served.values()) {
      if (source.closedAtMs === undefined || source.closedAtMs > beforeMs || input.isSettledAt(source)) continue;
      source.isForgotten = true;
      this.#desk.changed();
      if (!source.isForgottenInLog || !state.lane.isIdle) continue;
      this.#served.delete(source);
      state.sources.delete(source);
      input.forget(source);
      this.#writer.changed();
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
    for (const source of this.#served.keys()) {
      if (source.ending !== 'truncated') bytesKnown += source.pendingBytes;
    }
    this.#deps.notify({ type: 'progress', bytesSent, bytesKnown, lines });
  }
}

function oldestFirst(left: TrackedSource, right: TrackedSource): number {
  if (left.modifiedMs !== right.modifiedMs) return left.modifiedMs - right.modifiedMs;
  return left.path < right.path ? -1 : 1;
}
