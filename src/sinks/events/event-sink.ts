import type { Log } from '../../broker/broker.ts';
import { pastTrims } from '../../broker/past-trims.ts';
import type { KafkaRecord } from '../../broker/kafka/record-batch.ts';
import { foldableEnds } from '../../epoch/fold-start.ts';
import type { Aggregates } from '../../aggregates/aggregate.ts';
import type { Pipeline } from '../../epoch/pipeline.ts';
import { EpochWalk, nameOf } from '../../epoch/walk.ts';
import { present } from '../../lib/assert.ts';
import { EXIT, OperatingError } from '../../lib/errors.ts';
import { faultPoint } from '../../lib/fault-point.ts';
import { murmur2 } from '../../lib/hash.ts';
import {
  type EpochPartition,
  EpochReader,
  type IncomingEpoch,
  type ReaderWords,
  type StoredCursor,
  incomingEpoch,
} from '../epoch-reader.ts';
import { readEpochs } from '../read-epochs.ts';
import type { Sink } from '../sink.ts';
import type { GenerationGate } from '../generation-gate.ts';
import { snapshotStart } from '../snapshot-start.ts';
import { eventRecord } from './event-record.ts';
import { type Step, StreamEvents } from './stream-events.ts';
import { type EventTopic, type LastStep, type WrittenRows, lastSteps } from './written.ts';

export interface EventSinkStream {
  readonly stream: string;
  /** Topics of the log. */
  readonly epochs: string;
  readonly raw: string;
}

export interface EventSinkOptions {
  /** Consumer group under which the cursor is reported, and which names the sink in its records. */
  readonly group: string;
  readonly pipeline: Pipeline;
  /** Those that its rollups are of. */
  readonly streams: readonly EventSinkStream[];
  /** Names of the rollups whose final rows are written. */
  readonly rollups: readonly string[];
  /** Where several hosts may run the sink, one at a time. */
  readonly gate?: GenerationGate;
}

export type EventSinkEvent =
  | { readonly type: 'ready'; readonly written: number }
  | { readonly type: 'written'; readonly stream: string; readonly records: number; readonly skipped: number };

export interface EventSinkParts {
  readonly log: Log;
  readonly aggregates: Aggregates;
  readonly topic: EventTopic;
  readonly options: EventSinkOptions;
  readonly notify?: (event: EventSinkEvent) => void;
}

/** One append: well below the message limit that brokers have by default. */
const APPEND_BYTES_MAX = 256 * 1024;
const READ_BYTES_MAX = 1024 * 1024;

const WORDS: ReaderWords = {
  who: 'the events sink',
  startOver: 'give the sink another name, and it begins with what the log still holds',
};

/**
 * Writes final rows as records for other services. It keeps no state of its own: where it stands is in the headers of what it has written, the rest
 * follows from the epochs. A step is written, made durable, and then reported; a new process reads the last step from the topic and goes on
 * behind the rows of it that are there.
 */
export class EventSink implements Sink {
  readonly group: string;
  readonly #parts: EventSinkParts;
  readonly #streams = new Map<string, { readonly events: StreamEvents; readonly written: WrittenRows }>();
  readonly #reported = new Map<string, number>();

  constructor(parts: EventSinkParts) {
    this.#parts = parts;
    this.group = parts.options.group;
  }

  async run(signal: AbortSignal): Promise<void> {
    const readers = await this.#restore();
    await readEpochs(readers, signal, async (queue) => {
      // What the last process had folded and not written.
      for (const { stream } of this.#parts.options.streams) await this.#advance(stream);
      while (await queue.wait()) {
        const { item } = queue.take()!;
        this.#streams.get(item.from.stream)!.events.apply(item);
        await this.#advance(item.from.stream);
      }
    });
  }

  /** Writes every row that is final by now, and reports how far the stream's partitions are done with. */
  async #advance(stream: string): Promise<void> {
    const { events } = this.#streams.get(stream)!;
    for (let step = await events.next(); step !== undefined; step = await events.next()) {
      await this.#write(step);
      events.settle(step);
    }
    const { epochs } = this.#streamOf(stream);
    const { partitions } = this.#parts.options.pipeline.streams[stream]!;
    for (let partition = 0; partition < partitions; partition++) {
      const cursor = events.cursorOf(partition);
      const name = `${epochs}/${partition}`;
      if (cursor === undefined || cursor.offset <= (this.#reported.get(name) ?? 0)) continue;
      await this.#parts.log.report(this.group, epochs, partition, cursor);
      this.#reported.set(name, cursor.offset);
    }
  }

  async #write(step: Step): Promise<void> {
    const { aggregates, topic, options, notify } = this.#parts;
    const context = { pipeline: options.pipeline.name, group: this.group, aggregates };
    const state = this.#streams.get(step.stream)!;
    const appends = Array.from({ length: topic.partitions }, () => new Appends());
    let skipped = 0;
    for (const row of step.rows) {
      const { record, row: name, partitions } = eventRecord(row, step, context);
      const known = state.written.get(name);
      if (partitions.every((partition) => known?.has(partition) === true)) skipped++;
      else appends[partitionOf(record.key!, topic.partitions)]!.add(record);
    }
    faultPoint('events.before_send');
    // Of one partition one after the other, so that the topic keeps the order of event time.
    await Promise.all(
      appends.map(async ({ batches }, partition) => {
        for (const batch of batches) {
          await topic.append(partition, batch);
          faultPoint('events.sent');
        }
      }),
    );
    notify?.({ type: 'written', stream: step.stream, records: step.rows.length - skipped, skipped });
  }

  /** Folds what was written before, and gives readers that go on behind it. */
  async #restore(): Promise<EpochReader[]> {
    const { options, topic, notify } = this.#parts;
    const names = options.streams.map(({ stream }) => stream);
    const last = await lastSteps(topic, this.group, names);
    const readers: EpochReader[] = [];
    for (const { stream, raw } of options.streams) {
      const spec = present(options.pipeline.streams[stream], `stream ${stream} is in the pipeline`);
      const events = new StreamEvents({
        stream,
        spec,
        rollups: options.rollups,
        rawEnds: async () => (await this.#parts.log.ends(raw)).map(({ end }) => end),
      });
      const step = last.get(stream);
      this.#streams.set(stream, { events, written: step?.rows ?? new Map() });
      readers.push(...(await this.#restoreStream(events, stream, spec.partitions, step)));
    }
    notify?.({ type: 'ready', written: [...last.values()].reduce((sum, { rows }) => sum + rows.size, 0) });
    return readers;
  }

  /**
   * Folds every partition up to where it stood when the last step was made. The epoch that made it comes last, after what was written
   * before it is left out: its rows are made again, and those that are in the topic are not written a second time.
   */
  async #restoreStream(
    events: StreamEvents,
    stream: string,
    partitions: number,
    step: LastStep | undefined,
  ): Promise<EpochReader[]> {
    const { log } = this.#parts;
    const readers: EpochReader[] = [];
    let maker: IncomingEpoch | undefined;
    // One that is folded further was so after the step: then the step is whole.
    let isWhole = false;
    let hasReported = false;
    for (let partition = 0; partition < partitions; partition++) {
      const from: EpochPartition = { stream, topic: this.#streamOf(stream).epochs, partition };
      const start = await snapshotStart(log, this.group, from, WORDS);
      if (start.reported === undefined) await log.report(this.group, from.topic, partition, undefined);
      else this.#reported.set(`${from.topic}/${partition}`, start.reported.offset);
      hasReported ||= start.reported !== undefined;
      if (start.cursor !== undefined) events.startAt(partition, start.cursor);
      const lastN = step?.position[partition] ?? 0;
      const until = { n: lastN, offset: start.reported?.offset ?? 0 };
      const { gate } = this.#parts.options;
      const cursor = await foldAgain(log, from, start.cursor, until, (incoming) => {
        gate?.check(incoming.epoch);
        const isMaker = step?.by === partition && incoming.epoch.envelope.n === lastN;
        if (isMaker && incoming.nextOffset > until.offset) maker = incoming;
        else events.apply(incoming);
      });
      const isPastMaker = step?.by === partition && (cursor?.offset ?? 0) <= until.offset;
      isWhole ||= step !== undefined && ((cursor?.n ?? 0) > lastN || isPastMaker);
      readers.push(
        new EpochReader({
          log,
          group: this.group,
          from,
          cursor,
          reader: WORDS,
          isReporting: false,
          ...(gate === undefined ? {} : { gate }),
        }),
      );
    }
    if (isWhole && maker !== undefined) events.apply(maker);
    // Without a record of ours, what was reported is what was written.
    if (step !== undefined) events.skipWritten(isWhole ? step.toMs : step.fromMs);
    else if (hasReported) events.skipReported();
    if (!isWhole && maker !== undefined) events.apply(maker);
    return readers;
  }

  #streamOf(name: string): EventSinkStream {
    return present(
      this.#parts.options.streams.find(({ stream }) => stream === name),
      `stream ${name} is the sink's`,
    );
  }
}

/** Folds the epochs up to number `until.n`, or before offset `until.offset`, whichever is more. Returns the cursor behind the last of them. */
async function foldAgain(
  log: Log,
  from: EpochPartition,
  cursor: StoredCursor | undefined,
  until: { readonly n: number; readonly offset: number },
  take: (incoming: IncomingEpoch) => void,
): Promise<StoredCursor | undefined> {
  const { start, end } = await pastTrims(log, [from], () => foldableEnds(log, from.topic, from.partition));
  const offset = cursor?.offset ?? start;
  let last = cursor;
  if (until.n <= (cursor?.n ?? 0) && until.offset <= offset) return last;
  const walk = new EpochWalk({ log, ...from }, { offset, chain: cursor, hasBodies: true });
  for await (const counted of walk.epochs({ batchBytesMax: READ_BYTES_MAX })) {
    const incoming = incomingEpoch(from, counted);
    if (counted.envelope.n > until.n && incoming.nextOffset > until.offset) break;
    take(incoming);
    last = { offset: incoming.nextOffset, ...walk.chain! };
  }
  if ((last?.n ?? 0) >= until.n) return last;
  throw new OperatingError(
    `${nameOf(from)}: rows of epoch ${until.n} were written, the log ends at ${end} with epoch ${last?.n ?? 0}: this is another log`,
    { code: 'LOG_FORKED', hint: WORDS.startOver, exitCode: EXIT.mismatch },
  );
}

/** Kafka's own rule, so that whoever else writes such keys finds the same partition. */
function partitionOf(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}

/** Records of one partition, in appends of a bounded size. */
class Appends {
  readonly batches: KafkaRecord[][] = [];
  #sizeBytes = Infinity;

  add(record: KafkaRecord): void {
    const bytes = record.headers.reduce((sum, [, value]) => sum + (value?.length ?? 0), record.value!.length);
    if (this.#sizeBytes + bytes > APPEND_BYTES_MAX) {
      this.batches.push([]);
      this.#sizeBytes = 0;
    }
    this.#sizeBytes += bytes;
    this.batches.at(-1)!.push(record);
  }
}
