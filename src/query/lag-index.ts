import type { Log, Message } from '../broker/broker.ts';
import { headerAt } from '../broker/header-at.ts';
import { isTrimmed } from '../broker/past-trims.ts';
import type { CountedEpoch } from '../epoch/fold.ts';
import { EpochWalk } from '../epoch/walk.ts';
import type { Clock } from '../lib/clock.ts';
import { decodeBlockHeader } from '../record/block.ts';

/** Headers that are remembered of one partition. At 100 bytes each about 6 MiB; as blocks 32 GiB of lines. */
export const INDEX_ENTRIES_MAX = 65_536;
/** A batch of headers is small, whatever the values are. */
const BATCH_BYTES_MAX = 1024 * 1024;

/** A message by its header. */
interface RawEntry {
  readonly offset: number;
  readonly appendedAtMs: number;
  /** Lines up to here, its own among them: those of any range are a difference. */
  readonly linesTo: number;
  /** Bytes of the source, before compression, in the same way. */
  readonly bytesTo: number;
  /** Beats and genesis records say nothing of lines. */
  readonly isWork: boolean;
}

/** What lies between two offsets. */
export interface Unread {
  readonly lines: number;
  readonly bytes: number;
  /** When the log took the first message with work in it, and the first of any kind. */
  readonly workSinceMs: number | undefined;
  readonly sinceMs: number | undefined;
  /** Not every header was read: the rest is reckoned by the mean of those that were. */
  readonly isEstimated: boolean;
}

/** How long a look may read headers; what it does not get to is estimated, and read at the next look. */
export interface ScanBudget {
  readonly clock: Clock;
  /** Of the monotonic clock. */
  readonly untilMs: number;
}

export interface PartitionName {
  readonly topic: string;
  readonly partition: number;
}

/** Follows one raw partition by headers alone, from where its slowest reader stands. */
export class RawIndex {
  readonly #log: Log;
  readonly #name: PartitionName;
  #entries: RawEntry[] = [];
  /** What the first of them is added to. */
  #before: Pick<RawEntry, 'linesTo' | 'bytesTo'> = { linesTo: 0, bytesTo: 0 };
  #next: number | undefined;
  /** The log no longer has what comes next: what is known ends there. */
  #isCutOff = false;

  constructor(log: Log, name: PartitionName) {
    this.#log = log;
    this.#name = name;
  }

  /** Reads headers from `from`, where the slowest reader stands, up to `end`, as far as the budget goes. */
  async advance(from: number, end: number, budget: ScanBudget): Promise<void> {
    // A reader that was registered later, or went back, stands before what was read.
    const isKnown = this.#next !== undefined && !this.#isCutOff && from >= (this.#entries[0]?.offset ?? this.#next);
    if (!isKnown) {
      this.#entries = [];
      this.#next = from;
      this.#isCutOff = false;
    }
    const passed = this.#indexOf(from);
    if (passed > 0) {
      this.#before = this.#entries[passed - 1]!;
      this.#entries = this.#entries.slice(passed);
    }
    this.#next = Math.max(this.#next!, from);
    if (this.#next >= end) return;
    try {
      await this.#read(this.#next, end, budget);
    } catch (error) {
      // What was trimmed between two looks was read by everybody.
      if (!isTrimmed(error)) throw error;
      this.#isCutOff = true;
    }
  }

  async #read(from: number, end: number, budget: ScanBudget): Promise<void> {
    const { topic, partition } = this.#name;
    const options = { isFollowing: false, hasValues: false, batchBytesMax: BATCH_BYTES_MAX };
    for await (const messages of this.#log.read(topic, partition, from, options)) {
      for (const message of messages) {
        if (message.offset >= end || this.#entries.length >= INDEX_ENTRIES_MAX) return;
        this.#entries.push(entryOf(message, this.#entries.at(-1) ?? this.#before));
        this.#next = message.offset + 1;
      }
      if (isOver(budget)) return;
    }
  }

  unread(from: number, to: number): Unread {
    const [first, end, count] = [this.#indexOf(from), this.#indexOf(to), this.#entries.length];
    let lines = this.#sum('linesTo', first, end);
    let bytes = this.#sum('bytesTo', first, end);
    const rest = to - Math.max(from, this.#next ?? from);
    if (rest > 0 && count > 0) {
      lines += Math.round((this.#sum('linesTo', 0, count) / count) * rest);
      bytes += Math.round((this.#sum('bytesTo', 0, count) / count) * rest);
    }
    let work = first;
    while (work < end && !this.#entries[work]!.isWork) work++;
    return {
      lines,
      bytes,
      workSinceMs: work < end ? this.#entries[work]!.appendedAtMs : undefined,
      sinceMs: first < end ? this.#entries[first]!.appendedAtMs : undefined,
      isEstimated: rest > 0,
    };
  }

  /** Of the first entry at or behind an offset; their number where there is none. */
  #indexOf(offset: number): number {
    let [low, high] = [0, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#entries[middle]!.offset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Of the entries from `first` to before `end`. */
  #sum(what: 'linesTo' | 'bytesTo', first: number, end: number): number {
    return first >= end ? 0 : this.#entries[end - 1]![what] - (this.#entries[first - 1]?.[what] ?? this.#before[what]);
  }
}

/** A counted epoch by its envelope. */
export interface EpochEntry {
  readonly offset: number;
  readonly appendedAtMs: number;
  readonly n: number;
  /** The raw offsets it decided. */
  readonly from: number;
  readonly to: number;
}

/** Follows one epoch partition by envelopes: only what counts is work for a sink. */
export class EpochIndex {
  readonly #log: Log;
  readonly #name: PartitionName;
  #entries: EpochEntry[] = [];
  #walk: EpochWalk | undefined;
  #beginning: Promise<EpochWalk> | undefined;
  #isComplete = false;
  /** Of the last epoch that counts: rollup → lines in rows of other keys. */
  otherLines: Readonly<Record<string, number>> = {};
  possibleLossBytes = 0;
  possibleDoubleBytes = 0;

  constructor(log: Log, name: PartitionName) {
    this.#log = log;
    this.#name = name;
  }

  /** The last epoch that counts. */
  get last(): EpochEntry | undefined {
    return this.#entries.at(-1);
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Reads envelopes up to `end`; those before `from`, which every reader has passed, are forgotten, but for the last. */
  async advance(from: number, end: number, budget: ScanBudget): Promise<void> {
    // Nobody has made the topic yet.
    this.#isComplete = end === 0;
    const walk = end === 0 ? undefined : await this.#begun(budget);
    if (walk === undefined) return;
    const options = { before: end, batchBytesMax: BATCH_BYTES_MAX, isOver: () => isOver(budget) };
    try {
      for await (const { message, epoch } of walk.steps(options)) if (epoch !== undefined) this.#add(epoch, message);
    } catch (error) {
      if (!isTrimmed(error)) throw error;
      // To a snapshot: the next look begins there.
      this.#walk = undefined;
      this.#entries = [];
    }
    this.#isComplete = (this.#walk?.nextOffset ?? 0) >= end;
    const passed = this.#entries.findIndex(({ offset }) => offset >= from);
    const drop = passed === -1 ? this.#entries.length - 1 : passed - 1;
    if (drop > 0) this.#entries = this.#entries.slice(drop);
  }

  /** Undefined where it takes longer than the budget to find where a walk may begin: then the next look asks again. */
  async #begun({ clock, untilMs }: ScanBudget): Promise<EpochWalk | undefined> {
    if (this.#walk !== undefined) return this.#walk;
    this.#beginning ??= EpochWalk.fromStart({ log: this.#log, ...this.#name });
    this.#beginning.catch(() => undefined);
    const done = new AbortController();
    const time = clock.sleep(Math.max(0, untilMs - clock.monotonicMs()), done.signal).then(() => undefined);
    try {
      this.#walk = await Promise.race([this.#beginning, time]);
      if (this.#walk !== undefined) this.#beginning = undefined;
      return this.#walk;
    } catch (error) {
      this.#beginning = undefined;
      throw error;
    } finally {
      done.abort();
    }
  }

  #add({ envelope }: CountedEpoch, { offset, appendedAtMs }: Message): void {
    if (this.#entries.length >= INDEX_ENTRIES_MAX) this.#entries.shift();
    this.otherLines = envelope.otherLines;
    this.possibleLossBytes = envelope.possibleLossBytes;
    this.possibleDoubleBytes = envelope.possibleDoubleBytes;
    this.#entries.push({ offset, appendedAtMs, n: envelope.n, from: envelope.from, to: envelope.to });
  }

  /** The counted epochs a reader at `from` has not read. */
  unread(from: number): readonly EpochEntry[] {
    return this.#entries.filter(({ offset }) => offset >= from);
  }
}

/** When the log took the message at an offset, or the next one after it; undefined where it has neither. */
export async function appendedAt(log: Log, name: PartitionName, offset: number): Promise<number | undefined> {
  try {
    return (await headerAt(log, name.topic, name.partition, offset))?.appendedAtMs;
  } catch (error) {
    if (isTrimmed(error)) return undefined;
    throw error;
  }
}

function isOver({ clock, untilMs }: ScanBudget): boolean {
  return clock.monotonicMs() >= untilMs;
}

function entryOf(
  { offset, appendedAtMs, kind, header, damaged }: Message,
  { linesTo, bytesTo }: Pick<RawEntry, 'linesTo' | 'bytesTo'>,
): RawEntry {
  const nothing = { offset, appendedAtMs, isWork: kind !== 'beat' && kind !== 'genesis', linesTo, bytesTo };
  if (kind !== 'block' || damaged !== undefined) return nothing;
  try {
    const { lines, start, end } = decodeBlockHeader(header);
    return { ...nothing, linesTo: linesTo + lines, bytesTo: bytesTo + end - start };
  } catch (error) {
    // The engine ignores what is not a block as well, and says so; a board goes on.
    if (error instanceof RangeError || error instanceof SyntaxError) return nothing;
    throw error;
  }
}
