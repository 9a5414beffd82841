import { type Log, type PartitionEnds, rawTopic } from '../broker/broker.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../lib/clock.ts';
import { EpochIndex, RawIndex, type ScanBudget } from '../query/lag-index.ts';
import type { Components, FoldedTopic } from './definitions.ts';
import { engineTopics, sinkEpochs } from './sink-readers.ts';

/** How far the stages are, over all partitions. */
export interface LogState {
  /** Lines of the blocks in the log. */
  readonly linesSent: number;
  /** Lines of blocks that counted epochs have decided. */
  readonly linesDecided: number;
  /** Every raw message that was there at the last look is decided. */
  readonly isDecided: boolean;
  /** Where it is not, for people: `tailrace.raw.access/0 at 17 of 20`. */
  readonly undecided?: string;
}

export interface WatchOptions {
  readonly clock: Clock;
  /**
   * Counts lines in the headers of raw. A Kafka hands out whole records, so there it costs as much as reading everything once more: without it
   * raw is looked at by its ends alone, and lines are those that `look` is told of, shared out by messages.
   */
  readonly countsLines: boolean;
}

/**
 * Follows the log of a pipeline by headers alone, a look at a time: how many lines came in, and how many are decided. A reader
 * like any other: it trusts the chain, not what anybody says of it.
 */
export class LogWatch {
  readonly #log: Log;
  readonly #partitions: readonly PartitionWatch[];
  readonly #options: WatchOptions;

  private constructor(log: Log, partitions: readonly PartitionWatch[], options: WatchOptions) {
    this.#log = log;
    this.#partitions = partitions;
    this.#options = options;
  }

  /** Needs the topics to be there. Lines that were decided before are not counted. */
  static async open(log: Log, config: Config, options: WatchOptions): Promise<LogWatch> {
    return LogWatch.#of(log, config, engineTopics(config), options);
  }

  /** Of the documents of all sinks in place of the rows; of these nobody asks for lines. */
  static async openDocuments(log: Log, config: Config, components: Components, clock: Clock): Promise<LogWatch> {
    return LogWatch.#of(log, config, sinkEpochs(config, components), { clock, countsLines: false });
  }

  static async #of(
    log: Log,
    { broker }: Config,
    topics: readonly FoldedTopic[],
    options: WatchOptions,
  ): Promise<LogWatch> {
    const partitions: PartitionWatch[] = [];
    for (const { stream, topic: epochs } of topics) {
      const raw = rawTopic(broker.topicPrefix, stream);
      for (const partition of (await log.ends(epochs)).keys()) {
        const watch = new PartitionWatch({ log, raw, epochs, partition, ...options });
        await watch.begin();
        partitions.push(watch);
      }
    }
    return new LogWatch(log, partitions, options);
  }

  /** `lines`: those that the agent says were acknowledged; asked for only where the watch counts none itself. */
  async look(lines = 0): Promise<LogState> {
    let sent = 0;
    let decided = 0;
    let isDecided = true;
    const undecided: string[] = [];
    for (const partition of this.#partitions) {
      await partition.look();
      sent += partition.sent;
      decided += partition.decided;
      isDecided &&= partition.isDecided;
      if (!partition.isDecided) undecided.push(partition.place);
    }
    const where = isDecided ? {} : { undecided: shortened(undecided) };
    if (this.#options.countsLines) return { linesSent: sent, linesDecided: decided, isDecided, ...where };
    const share = isDecided ? 1 : decided / Math.max(1, sent);
    return { linesSent: lines, linesDecided: Math.floor(lines * share), isDecided, ...where };
  }

  /**
   * What a sink has not stored of the epochs that were counted at the last look, of the topics that it is registered for, for people:
   * `t.epochs.web.access/0 at 3 of 5`; undefined where it has stored all.
   */
  async unstored(group: string): Promise<string | undefined> {
    const unstored: string[] = [];
    for (const { epochs, partition, epochEnd } of this.#partitions) {
      const reports = await this.#log.reports(epochs);
      const report = reports.find((one) => one.group === group && one.partition === partition);
      const offset = report?.cursor?.offset ?? 0;
      if (report !== undefined && offset < epochEnd)
        unstored.push(`${epochs}/${partition} at ${offset} of ${epochEnd}`);
    }
    return unstored.length === 0 ? undefined : shortened(unstored);
  }
}

/** What is not stored yet of what the engine has decided, for people; undefined where all of it is. */
export async function missingIn(
  rows: LogWatch,
  documents: readonly LogWatch[],
  groups: readonly string[],
): Promise<string | undefined> {
  for (const watch of documents) {
    const { isDecided, undecided } = await watch.look();
    if (!isDecided) return `documents, ${undecided}`;
  }
  for (const watch of [rows, ...documents]) {
    for (const group of groups) {
      const unstored = await watch.unstored(group);
      if (unstored !== undefined) return `sink ${group}, ${unstored}`;
    }
  }
  return undefined;
}

/** One line has room for the first of them. */
function shortened([first, ...rest]: readonly string[]): string {
  return rest.length === 0 ? first! : `${first} and ${rest.length} more`;
}

interface PartitionWatchParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly raw: string;
  readonly epochs: string;
  readonly partition: number;
  readonly countsLines: boolean;
}

/** A look that takes longer shows what it has found; the next one goes on there. */
const SCAN_MS_MAX = 5000;

class PartitionWatch {
  readonly epochs: string;
  readonly partition: number;
  readonly #parts: PartitionWatchParts;
  readonly #rawIndex: RawIndex;
  readonly #epochIndex: EpochIndex;
  #rawEnd = 0;
  /** Where the engine stands in raw, by its last epoch that counted. */
  #to = 0;
  /** Up to here lines, or messages, are in `decided`. */
  #countedTo = 0;
  /** Of raw, since this watch began: lines, or messages where lines are not counted. */
  sent = 0;
  decided = 0;

  constructor(parts: PartitionWatchParts) {
    const { log, raw, epochs, partition } = parts;
    this.#parts = parts;
    this.epochs = epochs;
    this.partition = partition;
    this.#rawIndex = new RawIndex(log, { topic: raw, partition });
    this.#epochIndex = new EpochIndex(log, { topic: epochs, partition });
  }

  get isDecided(): boolean {
    return this.#to >= this.#rawEnd;
  }

  /** Where it stands in raw, for people. */
  get place(): string {
    return `${this.#parts.raw}/${this.partition} at ${this.#to} of ${this.#rawEnd}`;
  }

  /** Offset behind the last epoch that counted. */
  get epochEnd(): number {
    return (this.#epochIndex.last?.offset ?? -1) + 1;
  }

  /** Follows the epochs that are there; raw is counted from where they end. */
  async begin(): Promise<void> {
    do await this.#lookAtEpochs();
    while (!this.#epochIndex.isComplete);
    const { start } = await this.#endsOf(this.#parts.raw);
    this.#rawEnd = this.#countedTo = Math.max(start, this.#to);
  }

  async look(): Promise<void> {
    const { raw, countsLines } = this.#parts;
    // Raw first: what is decided can then not be ahead of what was seen to come in.
    const { end } = await this.#endsOf(raw);
    this.#rawEnd = Math.max(this.#rawEnd, end);
    if (countsLines) await this.#rawIndex.advance(this.#countedTo, this.#rawEnd, this.#budget());
    await this.#lookAtEpochs();
    const decidedTo = Math.max(this.#countedTo, Math.min(this.#to, this.#rawEnd));
    this.decided += this.#between(this.#countedTo, decidedTo);
    this.sent = this.decided + this.#between(decidedTo, this.#rawEnd);
    this.#countedTo = decidedTo;
  }

  #between(from: number, to: number): number {
    return this.#parts.countsLines ? this.#rawIndex.unread(from, to).lines : to - from;
  }

  async #lookAtEpochs(): Promise<void> {
    const budget = this.#budget();
    // This watch holds up no trimming: what was trimmed under it is looked for again.
    do {
      const { end } = await this.#endsOf(this.epochs);
      await this.#epochIndex.advance(end, end, budget);
    } while (!this.#epochIndex.isComplete && budget.clock.monotonicMs() < budget.untilMs);
    this.#to = Math.max(this.#to, this.#epochIndex.last?.to ?? 0);
  }

  async #endsOf(topic: string): Promise<PartitionEnds> {
    return (await this.#parts.log.ends(topic))[this.partition] ?? { start: 0, end: 0 };
  }

  #budget(): ScanBudget {
    const { clock } = this.#parts;
    return { clock, untilMs: clock.monotonicMs() + SCAN_MS_MAX };
  }
}
