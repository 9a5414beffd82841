import type { Cursor, Log } from '../../broker/broker.ts';
import type { EpochQueue } from '../epoch-queue.ts';
import { nameOf } from '../../epoch/walk.ts';
import { type EpochPartition, EpochReader, type IncomingEpoch, type ReaderWords } from '../epoch-reader.ts';
import { readEpochs } from '../read-epochs.ts';
import type { Sink } from '../sink.ts';
import { snapshotStart } from '../snapshot-start.ts';
import { StreamFold } from '../stream-fold.ts';
import type { GenerationGate } from '../generation-gate.ts';
import { openRows } from './open-rows.ts';
import { RollupWriter, type RollupWriterParts } from './rollup-writer.ts';

export interface RollupLaneOptions {
  /** Consumer group under which the cursor is reported. */
  readonly group: string;
  /** The epoch topics to fold: one a stream. */
  readonly topics: readonly { readonly stream: string; readonly topic: string; readonly partitions: number }[];
  /** Names of the rollups whose rows become documents. */
  readonly rollups: readonly string[];
  /** Rows that go on changing are written no more often. Default 1 s. */
  readonly writeIntervalMs?: number;
  /** Where several hosts may run the sink, one at a time. */
  readonly gate?: GenerationGate;
}

export interface RollupLaneParts extends RollupWriterParts {
  readonly log: Log;
  readonly options: RollupLaneOptions;
}

/** A row of a busy minute changes with every epoch: as often as it can be found in the index is often enough. */
const WRITE_INTERVAL_MS = 1000;

/** While it catches up, windows open and close by the hundred: they must not wait in memory for the end of an interval. */
const CHANGED_ROWS_MAX = 20_000;

const WORDS: ReaderWords = {
  who: 'the sink of rollup documents',
  startOver: 'give the sink another name, and its rows are written again as far as the log reaches back',
};

/**
 * Makes documents of rollup rows: folds the epochs of all partitions, writes what changed, and reports its cursor when everything before it is
 * stored. It keeps no state but the open windows: a new process folds again from the last snapshot before its cursor, and every document it
 * writes again says the same or more. While Elasticsearch is away it reads no further than one queue, and the log keeps the rest.
 */
export class RollupLane implements Sink {
  readonly group: string;
  readonly #parts: RollupLaneParts;
  readonly #writer: RollupWriter;
  readonly #folds: ReadonlyMap<string, StreamFold>;
  /** Behind the last epoch that was folded, of each partition that has moved since its cursor was reported. */
  readonly #moved = new Map<string, { readonly from: EpochPartition; readonly cursor: Cursor }>();
  /** Offsets reported, by partition: folding again from a snapshot must not take a report back. */
  readonly #reported = new Map<string, number>();

  constructor(parts: RollupLaneParts) {
    const { options } = parts;
    this.#parts = parts;
    this.group = options.group;
    this.#writer = new RollupWriter(parts);
    this.#folds = new Map(options.topics.map(({ stream }) => [stream, new StreamFold(options.rollups)]));
  }

  async run(signal: AbortSignal): Promise<void> {
    if (!(await this.#seed(signal))) return;
    const readers = await this.#readers();
    await readEpochs(readers, signal, (queue) => this.#work(queue, signal));
  }

  /** What the documents call open is gone on with: see `StreamFold.seed`. */
  async #seed(signal: AbortSignal): Promise<boolean> {
    const { client, prefix, pipeline, options } = this.#parts;
    for (const rollup of options.rollups) {
      const rows = await this.#writer.untilAnswered(signal, () =>
        openRows(client, { prefix, pipeline, rollup }, signal),
      );
      if (rows === undefined) return false;
      // The rollup's stream is known when its definition is read.
      for (const fold of this.#folds.values()) fold.seed(rollup, rows);
    }
    return true;
  }

  async #readers(): Promise<EpochReader[]> {
    const { log, options } = this.#parts;
    const readers: EpochReader[] = [];
    for (const { stream, topic, partitions } of options.topics) {
      for (let partition = 0; partition < partitions; partition++) {
        const from = { stream, topic, partition };
        const { cursor, reported } = await snapshotStart(log, this.group, from, WORDS);
        if (reported === undefined) await log.report(this.group, topic, partition, undefined);
        else this.#reported.set(nameOf(from), reported.offset);
        const gate = options.gate === undefined ? {} : { gate: options.gate };
        readers.push(
          new EpochReader({ log, group: this.group, from, cursor, reader: WORDS, isReporting: false, ...gate }),
        );
      }
    }
    return readers;
  }

  async #work(queue: EpochQueue<IncomingEpoch>, signal: AbortSignal): Promise<void> {
    const { clock, options } = this.#parts;
    const intervalMs = options.writeIntervalMs ?? WRITE_INTERVAL_MS;
    let nextMs = clock.monotonicMs();
    while (await queue.wait()) {
      let isDue = false;
      const due = clock.sleep(Math.max(0, nextMs - clock.monotonicMs()), signal).then(() => (isDue = true));
      // The epochs of one interval are folded into one write.
      while (!isDue && this.#changedRows() < CHANGED_ROWS_MAX) {
        const taken = queue.take();
        if (taken !== undefined) this.#fold(taken.item);
        else if (!(await Promise.race([due, queue.wait()]))) return;
      }
      if (!(await this.#write(signal))) return;
      nextMs = clock.monotonicMs() + intervalMs;
    }
  }

  #changedRows(): number {
    let rows = 0;
    for (const fold of this.#folds.values()) rows += fold.changedRows;
    return rows;
  }

  #fold(incoming: IncomingEpoch): void {
    const { from, epoch, nextOffset } = incoming;
    this.#folds.get(from.stream)!.apply(incoming);
    this.#moved.set(nameOf(from), { from, cursor: { offset: nextOffset, id: epoch.envelope.id } });
  }

  async #write(signal: AbortSignal): Promise<boolean> {
    const outgoing = [...this.#folds.values()].flatMap((fold) => fold.takeChanged().map((row) => ({ row, fold })));
    if (!(await this.#writer.write(outgoing, signal))) return false;
    for (const { row, fold } of outgoing) fold.settle(row);
    for (const [name, { from, cursor }] of this.#moved) {
      if (cursor.offset <= (this.#reported.get(name) ?? -1)) continue;
      await this.#parts.log.report(this.group, from.topic, from.partition, cursor);
      this.#reported.set(name, cursor.offset);
    }
    this.#moved.clear();
    return true;
  }
}
