import { type Log, rawTopic } from '../broker/broker.ts';
import { isTrimmed } from '../broker/past-trims.ts';
import type { Config } from '../config/config.ts';
import { EpochWalk } from '../epoch/walk.ts';
import { decodeBlockHeader } from '../record/block.ts';
import { type FoldedTopic, documentEpochs, engineTopics } from './sink-readers.ts';

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
  static async open(log: Log, config: Config, options: WatchOptions = { countsLines: true }): Promise<LogWatch> {
    return LogWatch.#of(log, config, engineTopics(config), options);
  }

  /** Of the documents of all sinks in place of the rows; of these nobody asks for lines. */
  static async openDocuments(log: Log, config: Config): Promise<LogWatch> {
    return LogWatch.#of(log, config, documentEpochs(config), { countsLines: false });
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
        const walk = await EpochWalk.fromStart({ log, topic: epochs, partition });
        const watch = new PartitionWatch({ log, raw, epochs, partition, walk, ...options });
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
  { groups, rollupGroups }: { readonly groups: readonly string[]; readonly rollupGroups: readonly string[] },
): Promise<string | undefined> {
  for (const watch of documents) {
    const { isDecided, undecided } = await watch.look();
    if (!isDecided) return `documents, ${undecided}`;
  }
  const readers = [rows, ...documents].flatMap((watch) => groups.map((group) => ({ watch, group })));
  for (const { watch, group } of [...readers, ...rollupGroups.map((group) => ({ watch: rows, group }))]) {
    const unstored = await watch.unstored(group);
    if (unstored !== undefined) return `sink ${group}, ${unstored}`;
  }
  return undefined;
}

/** One line has room for the first of them. */
function shortened([first, ...rest]: readonly string[]): string {
  return rest.length === 0 ? first! : `${first} and ${rest.length} more`;
}

interface PartitionWatchParts {
  readonly log: Log;
  readonly raw: string;
  readonly epochs: string;
  readonly partition: number;
  readonly walk: EpochWalk;
  readonly countsLines: boolean;
}

class PartitionWatch {
  readonly epochs: string;
  readonly partition: number;
  readonly #parts: PartitionWatchParts;
  #walk: EpochWalk;
  /** Blocks not yet decided: offset and lines. Bound: what the engine lags behind, a few numbers a block. */
  #waiting: { readonly offset: number; readonly lines: number }[] = [];
  #rawNext = 0;
  /** Of raw, since this watch began: lines, or messages where lines are not counted. */
  sent = 0;
  decided = 0;
  /** Offset behind the last epoch that counted. */
  epochEnd = 0;

  constructor(parts: PartitionWatchParts) {
    this.#parts = parts;
    this.epochs = parts.epochs;
    this.partition = parts.partition;
    this.#walk = parts.walk;
  }

  get isDecided(): boolean {
    return (this.#walk.chain?.to ?? 0) >= this.#rawNext;
  }

  /** Where it stands in raw, for people. */
  get place(): string {
    return `${this.#parts.raw}/${this.partition} at ${this.#walk.chain?.to ?? 0} of ${this.#rawNext}`;
  }

  /** Follows the epochs that are there; raw is read from where they end. */
  async begin(): Promise<void> {
    await this.#lookPastTrims();
    this.#rawNext = Math.max(await this.#startOf(this.#parts.raw), this.#walk.chain?.to ?? 0);
  }

  async look(): Promise<void> {
    // Raw first: what is decided can then not be ahead of what was seen to come in.
    await this.#pastTrims(
      () => this.#lookAtRaw(),
      async () => void (this.#rawNext = await this.#startOf(this.#parts.raw)),
    );
    await this.#lookPastTrims();
    const decidedTo = this.#walk.chain?.to ?? 0;
    if (!this.#parts.countsLines) this.decided = Math.max(0, this.sent - Math.max(0, this.#rawNext - decidedTo));
    let count = 0;
    while (count < this.#waiting.length && this.#waiting[count]!.offset < decidedTo) {
      this.decided += this.#waiting[count]!.lines;
      count++;
    }
    if (count > 0) this.#waiting = this.#waiting.slice(count);
  }

  /** This watch holds up no trimming. What goes between two looks was decided and stored, and is only missing in the count of lines. */
  async #pastTrims(look: () => Promise<void>, toStart: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await look();
      } catch (error) {
        if (!isTrimmed(error)) throw error;
      }
      await toStart();
    }
  }

  async #startOf(topic: string): Promise<number> {
    return (await this.#parts.log.ends(topic))[this.partition]?.start ?? 0;
  }

  #lookPastTrims(): Promise<void> {
    return this.#pastTrims(
      () => this.#lookAtEpochs(),
      async () => void (this.#walk = await EpochWalk.fromStart({ ...this.#parts, topic: this.epochs })),
    );
  }

  async #lookAtRaw(): Promise<void> {
    const { log, raw, partition, countsLines } = this.#parts;
    if (!countsLines) {
      const end = (await log.ends(raw))[partition]?.end ?? this.#rawNext;
      this.sent += Math.max(0, end - this.#rawNext);
      this.#rawNext = Math.max(this.#rawNext, end);
      return;
    }
    for await (const messages of log.read(raw, partition, this.#rawNext, { isFollowing: false, hasValues: false })) {
      for (const { kind, offset, header, damaged } of messages) {
        this.#rawNext = offset + 1;
        if (kind !== 'block' || damaged !== undefined) continue;
        const { lines } = decodeBlockHeader(header);
        this.sent += lines;
        this.#waiting.push({ offset, lines });
      }
    }
  }

  async #lookAtEpochs(): Promise<void> {
    for await (const { offset } of this.#walk.epochs()) this.epochEnd = offset + 1;
  }
}
