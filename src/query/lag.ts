import type { Log, PartitionEnds, Report } from '../broker/broker.ts';
import type { Clock } from '../lib/clock.ts';
import { EpochIndex, type PartitionName, RawIndex, type ScanBudget, type Unread, appendedAt } from './lag-index.ts';
import { LAG_RULES, LagWindow, type LagRules, type LagStatus } from './lag-status.ts';

/** A stream of the pipeline, by its topics. */
export interface LagStream {
  readonly stream: string;
  readonly raw: string;
  /** The engine's, then those of document sinks, which the warehouse folds as well. */
  readonly epochs: readonly [string, ...string[]];
}

/** How far a group is behind in one partition, at one look. */
export interface PartitionLag {
  readonly group: string;
  readonly topic: string;
  readonly stream: string;
  readonly partition: number;
  /** What the group reads next. */
  readonly offset: number;
  readonly end: number;
  /** Messages from `offset` to `end`, beats among them. */
  readonly messages: number;
  /** Lines it has not taken; of a reader of epochs, those that its unread epochs decided. Null where raw no longer has them. */
  readonly lines: number | null;
  /** The same in bytes of the sources. */
  readonly bytes: number | null;
  /** Age of the first of them; 0 where there is none. */
  readonly seconds: number;
  /** Not all headers were read. */
  readonly isEstimated: boolean;
  readonly reportedAtMs: number;
  readonly status: LagStatus;
  /** Share of the status window that is filled. */
  readonly completeness: number;
}

export interface PartitionOffsets extends PartitionEnds {
  readonly topic: string;
  readonly partition: number;
}

/** The last epoch that counts in a partition: the last checkpoint that succeeded. */
export interface Checkpoint {
  readonly stream: string;
  readonly partition: number;
  readonly n: number;
  readonly appendedAtMs: number;
  /** Rollup → lines that went into rows of other keys, since the pipeline began. */
  readonly otherLines: Readonly<Record<string, number>>;
  readonly possibleLossBytes: number;
  readonly possibleDoubleBytes: number;
}

export interface LagLook {
  readonly atMs: number;
  /** By group, topic, partition. */
  readonly lags: readonly PartitionLag[];
  readonly offsets: readonly PartitionOffsets[];
  readonly checkpoints: readonly Checkpoint[];
}

export interface LagBoardOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly streams: readonly LagStream[];
  readonly rules?: LagRules;
  /** Time that one look may spend on reading headers. */
  readonly scanMsMax: number;
}

/** Beats alone may wait this long in a healthy engine, which then writes down its position: until then they are not lag. */
const BEATS_MS_MAX = 60_000;

interface StreamIndex extends LagStream {
  readonly rawIndexes: Map<number, RawIndex>;
  /** By topic and partition. */
  readonly epochIndexes: Map<string, EpochIndex>;
}

/** A group in one partition, and where it stands. */
interface Reader {
  readonly report: Report;
  readonly at: number;
}

interface EpochPartition {
  readonly topic: string;
  readonly ends: PartitionEnds;
  readonly index: EpochIndex;
  readonly readers: readonly Reader[];
}

/** What a group has not read in a partition, in the units of its topic. */
interface Behind {
  readonly lines: number | null;
  readonly bytes: number | null;
  readonly sinceMs: number | undefined;
  /** For the status: 0 exactly where there is nothing to do. */
  readonly work: number;
  readonly isEstimated: boolean;
}

/**
 * Looks at the readers of a pipeline's topics, again and again: a reader of the log like any other, that reads headers only, holds up no
 * trimming, and asks nobody but the log.
 */
export class LagBoard {
  readonly #options: LagBoardOptions;
  readonly #streams: readonly StreamIndex[];
  /** By group, topic and partition: as many as the log has reports. */
  readonly #windows = new Map<string, LagWindow>();

  constructor(options: LagBoardOptions) {
    this.#options = options;
    this.#streams = options.streams.map((stream) => ({
      ...stream,
      rawIndexes: new Map(),
      epochIndexes: new Map(),
    }));
  }

  async look(): Promise<LagLook> {
    const { clock, scanMsMax } = this.#options;
    const budget = { clock, untilMs: clock.monotonicMs() + scanMsMax };
    const lags: PartitionLag[] = [];
    const offsets: PartitionOffsets[] = [];
    const checkpoints: Checkpoint[] = [];
    for (const stream of this.#streams) {
      const found = await this.#lookAt(stream, budget);
      lags.push(...found.lags);
      offsets.push(...found.offsets);
      checkpoints.push(...found.checkpoints);
    }
    const key = ({ group, topic, partition }: PartitionLag): string =>
      `${group}\0${topic}\0${String(partition).padStart(6, '0')}`;
    lags.sort((a, b) => (key(a) < key(b) ? -1 : 1));
    return { atMs: clock.nowMs(), lags, offsets, checkpoints };
  }

  async #lookAt(stream: StreamIndex, budget: ScanBudget): Promise<Omit<LagLook, 'atMs'>> {
    const { log } = this.#options;
    // Reports before ends: what comes in between makes a lag too large by that much, and never negative.
    const rawReports = await log.reports(stream.raw);
    // Epochs before raw: what an epoch decided is in raw, then.
    const topics = [];
    for (const topic of stream.epochs)
      topics.push({ topic, reports: await log.reports(topic), ends: await log.ends(topic) });
    const rawEnds = await log.ends(stream.raw);
    const lags: PartitionLag[] = [];
    const checkpoints: Checkpoint[] = [];
    for (const [partition, rawEnd] of rawEnds.entries()) {
      const folded: EpochPartition[] = [];
      // A raw topic that another pipeline made may be there before this one's epochs.
      for (const {
        topic,
        reports,
        ends: { [partition]: ends = { start: 0, end: 0 } },
      } of topics) {
        const readers = readersOf(reports, partition, ends);
        const index = await this.#epochs(stream, { topic, partition }, ends, readers, budget);
        folded.push({ topic, ends, index, readers });
      }
      const rawReaders = readersOf(rawReports, partition, rawEnd);
      const needed = [
        ...rawReaders.map(({ at }) => at),
        ...folded.flatMap(({ index, readers }) => readers.map(({ at }) => index.unread(at)[0]?.from ?? rawEnd.end)),
      ];
      const raw = await this.#raw(stream, partition, Math.min(rawEnd.end, ...needed), rawEnd, budget);
      for (const { report, at } of rawReaders) {
        const behind = await this.#behindRaw(stream, partition, raw, at, rawEnd);
        lags.push(this.#judged(stream.stream, stream.raw, report, at, rawEnd, behind));
      }
      for (const { topic, ends, index, readers } of folded) {
        for (const { report, at } of readers) {
          const behind = behindEpochs(index, raw, at, ends, rawEnd);
          lags.push(this.#judged(stream.stream, topic, report, at, ends, behind));
        }
      }
      const [{ index: engine }] = folded as [EpochPartition, ...EpochPartition[]];
      if (engine.last !== undefined && engine.isComplete) {
        const { n, appendedAtMs } = engine.last;
        const { otherLines, possibleLossBytes, possibleDoubleBytes } = engine;
        const possible = { possibleLossBytes, possibleDoubleBytes };
        checkpoints.push({ stream: stream.stream, partition, n, appendedAtMs, otherLines, ...possible });
      }
    }
    const offsets = [{ topic: stream.raw, ends: rawEnds }, ...topics].flatMap(({ topic, ends }) =>
      ends.map((one, partition) => ({ topic, partition, ...one })),
    );
    return { lags, offsets, checkpoints };
  }

  async #epochs(
    { epochIndexes }: StreamIndex,
    { topic, partition }: PartitionName,
    { end }: PartitionEnds,
    readers: readonly Reader[],
    budget: ScanBudget,
  ): Promise<EpochIndex> {
    const name = `${topic}/${partition}`;
    const index = epochIndexes.get(name) ?? new EpochIndex(this.#options.log, { topic, partition });
    epochIndexes.set(name, index);
    await index.advance(Math.min(end, ...readers.map(({ at }) => at)), end, budget);
    return index;
  }

  async #raw(
    { raw: topic, rawIndexes }: StreamIndex,
    partition: number,
    needed: number,
    { start, end }: PartitionEnds,
    budget: ScanBudget,
  ): Promise<RawIndex> {
    const index = rawIndexes.get(partition) ?? new RawIndex(this.#options.log, { topic, partition });
    rawIndexes.set(partition, index);
    await index.advance(Math.max(start, needed), end, budget);
    return index;
  }

  async #behindRaw(
    { raw: topic }: StreamIndex,
    partition: number,
    index: RawIndex,
    at: number,
    { end }: PartitionEnds,
  ): Promise<Behind> {
    const unread = index.unread(at, end);
    const { lines, bytes, isEstimated } = unread;
    const sinceMs = await this.#since(unread, { topic, partition }, at, end);
    // Only beats, of late: nothing to read. Old beats: nobody reads.
    const work = sinceMs === undefined ? 0 : Math.max(1, lines);
    return { lines, bytes, sinceMs, work, isEstimated };
  }

  async #since(
    { workSinceMs, sinceMs, isEstimated }: Unread,
    name: { readonly topic: string; readonly partition: number },
    at: number,
    end: number,
  ): Promise<number | undefined> {
    if (at >= end) return undefined;
    if (workSinceMs !== undefined) return workSinceMs;
    const { log, clock } = this.#options;
    // The headers there were not read yet: one is enough.
    if (isEstimated) return appendedAt(log, name, at);
    return sinceMs !== undefined && clock.nowMs() - sinceMs > BEATS_MS_MAX ? sinceMs : undefined;
  }

  #judged(
    stream: string,
    topic: string,
    { group, partition, reportedAtMs }: Report,
    offset: number,
    { end }: PartitionEnds,
    { lines, bytes, sinceMs, work, isEstimated }: Behind,
  ): PartitionLag {
    const atMs = this.#options.clock.nowMs();
    const key = `${group}\0${topic}\0${partition}`;
    const window = this.#windows.get(key) ?? new LagWindow(this.#options.rules ?? LAG_RULES);
    this.#windows.set(key, window);
    window.add({ atMs, offset, reportedAtMs, lag: work, unreadSinceMs: sinceMs });
    return {
      group,
      topic,
      stream,
      partition,
      offset,
      end,
      messages: Math.max(0, end - offset),
      lines,
      bytes,
      // Two clocks may disagree: no lag is negative.
      seconds: sinceMs === undefined ? 0 : Math.max(0, (atMs - sinceMs) / 1000),
      isEstimated,
      reportedAtMs,
      // The cursor was read before the end, and yet is past it: the log has lost its end, or is another one.
      ...(offset > end ? { status: 'ERR' as const, completeness: 1 } : window.verdict()),
    };
  }
}

function readersOf(reports: readonly Report[], partition: number, ends: PartitionEnds): Reader[] {
  return reports
    .filter((report) => report.partition === partition)
    .map((report) => ({ report, at: position(report, ends) }));
}

/** A group that never reported, or that stands before what was trimmed, begins with what there is. */
function position({ cursor }: Report, { start }: PartitionEnds): number {
  return Math.max(start, cursor?.offset ?? 0);
}

function behindEpochs(
  epochs: EpochIndex,
  raw: RawIndex,
  at: number,
  { end }: PartitionEnds,
  { start: rawStart }: PartitionEnds,
): Behind {
  const unread = epochs.unread(at);
  const first = unread[0];
  const isEstimated = !epochs.isComplete && at < end;
  if (first === undefined) return { lines: 0, bytes: 0, sinceMs: undefined, work: 0, isEstimated };
  const { lines, bytes, ...rest } = raw.unread(first.from, unread.at(-1)!.to);
  const isThere = first.from >= rawStart;
  return {
    lines: isThere ? lines : null,
    bytes: isThere ? bytes : null,
    sinceMs: first.appendedAtMs,
    work: unread.length,
    isEstimated: isEstimated || rest.isEstimated,
  };
}
