// A pipeline's epochs, made by hand as engine tasks would, and a topic in memory: what an events sink lives between.
import type { Log } from '../../src/broker/broker.ts';
import type { KafkaRecord } from '../../src/broker/kafka/record-batch.ts';
import { COMPONENTS } from '../../src/components.ts';
import type { EpochBody, SourceMark } from '../../src/epoch/epoch.ts';
import { fingerprints } from '../../src/epoch/fingerprint.ts';
import type { Pipeline } from '../../src/epoch/pipeline.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { OperatingError } from '../../src/lib/errors.ts';
import { EventSink, type EventSinkEvent } from '../../src/sinks/events/event-sink.ts';
import type { EventTopic } from '../../src/sinks/events/written.ts';
import { EpochChain, TRAFFIC, type TestRow, pipelineOf, rowsOf } from './epochs.ts';
import { MemoryStore } from './memory-log.ts';

const BY_PATH = { ...TRAFFIC, by: TRAFFIC.by.slice(0, 1) };

export const AGENT = '00000000-0000-4000-8000-000000000000';
const RAW = 't.raw.access';
const EPOCHS = 't.epochs.web.access';
export const GROUP = 'web.out';

/** What becomes of an append: `lost_ack` is written and rejected, `refused` is rejected alone. */
export type AppendFate = 'ok' | 'lost_ack' | 'refused';

export class MemoryTopic implements EventTopic {
  readonly partitions: number;
  readonly records: KafkaRecord[][];
  fateOf: () => AppendFate = () => 'ok';
  appends = 0;
  /** Offsets that were read from. */
  readonly reads: number[] = [];

  constructor(partitions: number) {
    this.partitions = partitions;
    this.records = Array.from({ length: partitions }, () => []);
  }

  async append(partition: number, records: readonly KafkaRecord[]): Promise<void> {
    this.appends++;
    const fate = this.fateOf();
    if (fate !== 'refused') this.records[partition]!.push(...records);
    if (fate !== 'ok') throw new OperatingError('the outcome is unknown', { code: 'LOG_UNREACHABLE' });
  }

  async ends(partition: number): Promise<{ start: number; end: number }> {
    return { start: 0, end: this.records[partition]!.length };
  }

  async *read(partition: number, from: number): AsyncGenerator<readonly KafkaRecord[]> {
    this.reads.push(from);
    const all = this.records[partition]!.slice(from);
    for (let at = 0; at < all.length; at += 10) yield all.slice(at, at + 10);
  }
}

export interface WrittenEvent {
  readonly window_start: string;
  readonly url_path: string;
  readonly requests: number;
  readonly bytes: number;
  readonly lines: number;
  readonly revision: number;
  readonly status: string;
  readonly is_other: boolean;
  readonly tailrace: { readonly id: string; readonly partitions: readonly number[] };
}

export function valuesOf(records: readonly KafkaRecord[]): WrittenEvent[] {
  return records.map(({ value }) => JSON.parse(Buffer.from(value!).toString()) as WrittenEvent);
}

/** One partition's engine task: what it would say, one epoch at a time. */
export class EpochTask {
  readonly partition: number;
  readonly #log: Log;
  readonly #chain: EpochChain;
  readonly #pipeline: Pipeline;
  /** Rows of open windows, by window and path. */
  readonly #open = new Map<string, TestRow>();
  readonly #snapshots: number[] = [];
  watermarkMs = -Infinity;
  #n = 0;

  constructor(log: Log, chain: EpochChain, pipeline: Pipeline) {
    this.#log = log;
    this.#chain = chain;
    this.#pipeline = pipeline;
    this.partition = chain.partition;
  }

  /** An epoch with some rows of windows that are open, and a watermark that closes some. */
  async say(
    rows: readonly TestRow[],
    watermarkMs: number,
    { state = 'reading' as SourceMark['state'], isSnapshot = false, raw = this.#n + 1 } = {},
  ): Promise<void> {
    for (const row of rows) this.#open.set(`${row.startMs} ${row.key[0]}`, row);
    this.watermarkMs = Math.max(this.watermarkMs, watermarkMs);
    const isFirst = this.#n === 0;
    const all = isFirst || isSnapshot;
    for (const [id, row] of this.#open) if (row.endMs - 1 <= this.watermarkMs && all) this.#open.delete(id);
    const said = all ? [...this.#open.values()] : rows;
    // Closed in this very epoch: not in a snapshot's state, but said by it, as an engine does with what changed.
    const body: Partial<EpochBody> = {
      watermarkMs: this.watermarkMs,
      upserts: [rowsOf('traffic', all ? [...said, ...rows.filter((row) => !said.includes(row))] : said, BY_PATH)],
      sources: [sourceMark(this.partition, state)],
      agents: [{ agent: AGENT, numberMax: 1, tMs: 0, logTimeMs: 0, hasEnded: false, fullBeatOffset: 0 }],
      ...(all ? { pipeline: this.#pipeline, fingerprints: fingerprints(this.#pipeline) } : {}),
    };
    const offset = await this.#chain.append(body, {
      from: this.#n === 0 ? 0 : this.#n,
      to: Math.max(this.#n + 1, raw),
    });
    this.#n = Math.max(this.#n + 1, raw);
    for (const [id, row] of this.#open) if (row.endMs - 1 <= this.watermarkMs) this.#open.delete(id);
    if (all) this.#snapshots.push(offset);
    if (all) await this.#trim();
  }

  /** As an engine does (engine/trimming.ts): to the older of two snapshots, once the reader is past it. */
  async #trim(): Promise<void> {
    const older = this.#snapshots.at(-2);
    const report = (await this.#log.reports(EPOCHS)).find(
      ({ group, partition }) => group === GROUP && partition === this.partition,
    );
    if (older !== undefined && (report?.cursor?.offset ?? 0) > older)
      await this.#log.trim(EPOCHS, this.partition, older);
  }
}

function sourceMark(partition: number, state: SourceMark['state']): SourceMark {
  return {
    source: `${AGENT}/${partition}`,
    identity: '',
    path: '',
    origin: 0,
    position: 0,
    tail: '',
    state,
    eventTimeMsMax: null,
    quietSinceMs: 0,
    gapEnd: null,
    agentSum: null,
    possibleLossBytes: 0,
    possibleDoubleBytes: 0,
  };
}

/** The log, the topic, and one events sink at a time, which is started again when it fails. */
export class EventWorld {
  readonly log: Log;
  readonly topic: MemoryTopic;
  readonly tasks: readonly EpochTask[];
  readonly #pipeline: Pipeline;
  readonly events: EventSinkEvent[] = [];
  starts = 0;

  private constructor(log: Log, topic: MemoryTopic, tasks: readonly EpochTask[], pipeline: Pipeline) {
    this.log = log;
    this.topic = topic;
    this.tasks = tasks;
    this.#pipeline = pipeline;
  }

  static async create({ partitions = 1, topicPartitions = 1, allowedLatenessMs = 0 } = {}): Promise<EventWorld> {
    const plain = pipelineOf({ traffic: { ...BY_PATH, allowedLatenessMs } });
    const pipeline = { ...plain, streams: { access: { ...plain.streams['access']!, partitions } } };
    const log = new MemoryStore({ clock: systemClock }).open();
    await log.ensureTopics([{ topic: RAW, partitions, messageBytesMax: 1024 }]);
    const tasks: EpochTask[] = [];
    for (let partition = 0; partition < partitions; partition++) {
      const chain = await EpochChain.begin(log, { topic: EPOCHS, partition, partitions });
      tasks.push(new EpochTask(log, chain, pipeline));
    }
    return new EventWorld(log, new MemoryTopic(topicPartitions), tasks, pipeline);
  }

  sink(): EventSink {
    return new EventSink({
      log: this.log,
      aggregates: COMPONENTS.aggregates,
      topic: this.topic,
      options: {
        group: GROUP,
        pipeline: this.#pipeline,
        streams: [{ stream: 'access', epochs: EPOCHS, raw: RAW }],
        rollups: ['traffic'],
      },
      notify: (event) => this.events.push(event),
    });
  }

  /** Runs sinks, one after the other, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.starts++;
      try {
        await this.sink().run(signal);
      } catch (error) {
        if (!isExpected(error)) throw error;
      }
    }
  }

  /** Whether the sink has reported everything there is. */
  async isDone(): Promise<boolean> {
    const ends = await this.log.ends(EPOCHS);
    const reports = (await this.log.reports(EPOCHS)).filter(({ group }) => group === GROUP);
    return ends.every(({ end }, partition) => {
      const report = reports.find((one) => one.partition === partition);
      return (report?.cursor?.offset ?? 0) === end;
    });
  }
}

/** The outcome of an append, a fault point, or a trim under the eyes of a reader that starts. */
function isExpected(error: unknown): boolean {
  return (
    (error instanceof OperatingError && ['LOG_UNREACHABLE', 'LOG_TRIMMED'].includes(error.code)) ||
    (error instanceof Error && error.message === 'killed by the test')
  );
}
