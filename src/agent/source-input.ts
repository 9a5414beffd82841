import type { Clock } from '../lib/clock.ts';
import type { LinesRead } from './block-reader.ts';
import type { Notify } from './events.ts';
import type { AgentLimits } from './limits.ts';
import type { OpenFiles } from './open-files.ts';
import type { RegistryEntry } from './registry.ts';
import type { TopicsOptions } from './topics/topics-options.ts';
import type { TrackedSource } from './tracked-source.ts';

/** One entry of `sources`: where its lines go, and what reads it. */
export interface AgentInput {
  readonly name: string;
  readonly kind: InputKind<any>;
  readonly topic: string;
  readonly partitions: number;
  /** Bytes of a line that are kept. */
  readonly lineBytesMax: number;
}

/** A kind of source at work: which entries are read as one, and what reads them. */
export interface InputKind<Input extends AgentInput = AgentInput> {
  /** As the registry and the beats call it. */
  readonly type: string;
  /** Entries with the same topic are read as one. */
  readonly isOneByTopic: boolean;
  /** Whether a source of this kind and topic, which the registry knows, is of this entry; all are by default. */
  readonly owns?: (input: Input, entry: RegistryEntry, others: readonly Input[]) => boolean;
  /** Makes the input of entries that are read as one, with the sources of their own that the registry knows. */
  readonly open: (
    inputs: readonly [Input, ...Input[]],
    entries: readonly RegistryEntry[],
    deps: InputDeps,
  ) => { readonly input: SourceInput; readonly sources: readonly TrackedSource[] };
}

export interface FilesInput extends AgentInput {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** For how long a file with the content of another is not taken for a file of its own. */
  readonly copyGraceMs: number;
}

/** Topics that other programs write. */
export interface TopicsInput extends AgentInput, TopicsOptions {}

/** What an input needs of the session that it is part of. */
export interface InputDeps {
  readonly agent: string;
  readonly clock: Clock;
  readonly notify: Notify;
  readonly isOnce: boolean;
  readonly limits: AgentLimits;
  /** Of all inputs. */
  readonly openFiles: OpenFiles;
  /** Whether one more source may be made. */
  readonly hasRoom: () => boolean;
  /** A number that no source has; it is written down before anything speaks of it. */
  readonly giveNumber: () => number;
  /** Takes a new source in: it is announced, and read from then on. */
  readonly serve: (source: TrackedSource) => void;
  /** There may be something to read now: a session that waits goes on at once. */
  readonly wake: () => void;
}

/**
 * `nothing`: no complete line is there now. `more`: something was passed over, call again. `replaced`: not the content any more that
 * the source had; a scan finds out what is there now.
 */
export type ReadOutcome = LinesRead | 'nothing' | 'more' | 'replaced';

/**
 * One entry of `sources` at work, whatever its kind: it finds its sources, makes those that are new, and reads them. A session asks it in
 * rounds, never waits for it, and gives it only sources that it made or was given at the start.
 */
export interface SourceInput {
  /** Finds out what must be known before the first scan. Does not throw for what is outside: a scan tells it, and it is tried again. */
  start(): Promise<void>;
  /**
   * Looks at everything, and makes sources of what is new if `admits`. Returns the moment (the agent's wall clock) at which, or later, all
   * it then says of its sources holds; `wallMs` is now.
   */
  scan(nowMs: number, wallMs: number, admits: boolean): number;
  /** When `poll` wants to be called, on the monotonic clock; Infinity for never. */
  readonly nextPollMs: number;
  /** Looks again at what a scan would be too rare for. True if a scan should follow at once. */
  poll(nowMs: number): boolean;
  /** Reads the next block of a source that has more into `room`, which has BLOCK_ROOM_BYTES. */
  read(source: TrackedSource, room: Buffer, nowMs: number, readAtMs: number): ReadOutcome;
  /** The source has closed: what is at its place may be another's now. */
  close(source: TrackedSource): void;
  /** A closed source that is still there as it was left: forgetting it would read it again. */
  isSettledAt(source: TrackedSource): boolean;
  forget(source: TrackedSource): void;
  /** In once mode: which place may still have more, and why; undefined when everything has been read. */
  readonly unsettled: string | undefined;
  /** Gives back connections; sources are detached one by one. */
  stop(): Promise<void>;
}
