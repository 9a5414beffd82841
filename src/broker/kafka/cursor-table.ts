import type { Clock } from '../../lib/clock.ts';
import type { Cursor, Report } from '../broker.ts';
import type { Cluster } from './cluster.ts';
import { PartitionFetcher } from './partition-fetcher.ts';
import type { Patience } from './patience.ts';
import { DamagedBatch, type KafkaRecord } from './record-batch.ts';
import { recordsOf } from './record-cursor.ts';

const FLUSH_MS = 500;
const FETCH_BYTES_MAX = 1024 * 1024;
/**
 * Compaction takes the record that forgets a group away some time after it was written (a day by default): who has not read for longer than
 * this begins again, so that no group that it missed holds trimming for ever.
 */
const READ_AGAIN_MS = 6 * 3_600_000;

export interface CursorTableDependencies {
  readonly cluster: Cluster;
  readonly patience: Patience;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** The compacted topic; one partition. */
  readonly topic: string;
  readonly append: (topic: string, partition: number, records: readonly KafkaRecord[]) => Promise<number>;
  readonly ensureTopic: () => Promise<void>;
}

interface Place {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
}

interface Pending extends Place {
  readonly cursor: Cursor | undefined;
  readonly reportedAtMs: number;
}

interface Stored {
  readonly cursor: Cursor | undefined;
  readonly reportedAtMs: number;
}

/**
 * Cursors of groups in a compacted topic: key `[kind, group, topic, partition]`, value `{offset, id, at}`. A registration has a key of its own, so that
 * it never wipes a cursor. Reports wait for a flush; each flush also commits the offsets for Kafka's own groups, where lag exporters look.
 * Bound: one pending report, and one uncommitted offset, a group and partition.
 */
export class CursorTable {
  readonly #deps: CursorTableDependencies;
  readonly #pending = new Map<string, Pending>();
  #stored = new Map<string, Stored>();
  #next = 0;
  #caughtUpAtMs = -Infinity;
  #isReady = false;
  #flush: Promise<void> = Promise.resolve();
  /** Written, and not yet told to Kafka's own groups. */
  readonly #uncommitted = new Map<string, Pending>();
  #committing: Promise<void> = Promise.resolve();
  #isFlushDue = false;
  #catchUp: Promise<void> | undefined;
  #fetcher: PartitionFetcher | undefined;

  constructor(deps: CursorTableDependencies) {
    this.#deps = deps;
  }

  async report(place: Place, cursor: Cursor | undefined): Promise<void> {
    const key = keyOf(cursor === undefined ? 'group' : 'cursor', place);
    this.#pending.set(key, { ...place, cursor, reportedAtMs: Math.trunc(this.#deps.clock.nowMs()) });
    // A registration holds trimming from the moment it is promised; a cursor may come late, which only holds more.
    if (cursor === undefined) await this.flush();
    else if (!this.#isFlushDue) void this.#flushLater();
  }

  async reports(topic: string): Promise<Report[]> {
    await this.flush();
    await this.#catchUpOnce();
    const reports = new Map<string, Report>();
    for (const [key, { cursor, reportedAtMs }] of this.#stored) {
      const { group, topic: of, partition } = placeOf(key);
      if (of !== topic) continue;
      const id = `${partition} ${group}`;
      if (cursor !== undefined || !reports.has(id)) reports.set(id, { group, partition, cursor, reportedAtMs });
    }
    return [...reports.values()].toSorted((a, b) =>
      a.group < b.group ? -1 : a.group > b.group ? 1 : a.partition - b.partition,
    );
  }

  async forget(group: string): Promise<void> {
    for (const [key, pending] of this.#pending) if (pending.group === group) this.#pending.delete(key);
    for (const [key, { group: of }] of this.#uncommitted) if (of === group) this.#uncommitted.delete(key);
    await this.#flush;
    await this.#catchUpOnce();
    const keys = [...this.#stored.keys()].filter((key) => placeOf(key).group === group);
    if (keys.length > 0) await this.#write(keys.map((key) => ({ key: Buffer.from(key), value: null, headers: [] })));
    // Only exporters look at it; its offsets end by themselves, too.
    await this.#deps.cluster.deleteGroup(group).catch(() => undefined);
  }

  /** Before the log closes: what is pending, and what Kafka's own groups have not got yet. */
  async drain(): Promise<void> {
    await this.flush();
    for (;;) {
      await this.#committing;
      if (this.#uncommitted.size === 0) return;
      await this.#deps.clock.sleep(FLUSH_MS, this.#deps.signal);
      if (this.#deps.signal.aborted) return;
      this.#commitOffsets();
    }
  }

  /** Writes what is pending; it goes on waiting where that fails. */
  async flush(): Promise<void> {
    const writing = this.#flush.then(() => this.#writePending());
    this.#flush = writing.catch(() => undefined);
    await writing;
  }

  close(): void {
    this.#fetcher?.close();
  }

  async #flushLater(): Promise<void> {
    this.#isFlushDue = true;
    await this.#deps.clock.sleep(FLUSH_MS, this.#deps.signal);
    this.#isFlushDue = false;
    try {
      await this.flush();
    } catch {
      // No loss: the report waits, and only holds trimming back. But it may be the last one, and somebody may wait for it.
      if (!this.#isFlushDue && !this.#deps.signal.aborted) void this.#flushLater();
    }
  }

  async #writePending(): Promise<void> {
    const written = [...this.#pending];
    if (written.length === 0) {
      if (this.#uncommitted.size > 0) this.#commitOffsets();
      return;
    }
    await this.#write(
      written.map(([key, { cursor, reportedAtMs }]) => ({
        key: Buffer.from(key),
        value: Buffer.from(JSON.stringify({ ...cursor, at: reportedAtMs })),
        headers: [],
      })),
    );
    for (const [key, report] of written) if (this.#pending.get(key) === report) this.#pending.delete(key);
    for (const [key, report] of written) if (report.cursor !== undefined) this.#uncommitted.set(key, report);
    this.#commitOffsets();
  }

  async #write(records: readonly KafkaRecord[]): Promise<void> {
    const { append, ensureTopic, topic, patience } = this.#deps;
    if (!this.#isReady) await ensureTopic();
    this.#isReady = true;
    // The same value twice does no harm.
    await patience.retry(topic, () => append(topic, 0, records));
  }

  /**
   * Beside the flush, which waits for nobody's group. What a coordinator does not take (it is loaded at its first use) goes with the next
   * flush: the compacted topic is what counts.
   */
  #commitOffsets(): void {
    this.#committing = this.#committing.then(async () => {
      const sent = [...this.#uncommitted];
      const byGroup = Map.groupBy(sent, ([, { group }]) => group);
      await Promise.all(
        [...byGroup].map(async ([group, reports]) => {
          try {
            await this.#deps.cluster.commitOffsets(group, offsetsOf(reports.map(([, report]) => report)));
          } catch {
            if (!this.#isFlushDue && !this.#deps.signal.aborted) void this.#flushLater();
            return;
          }
          for (const [key, report] of reports) if (this.#uncommitted.get(key) === report) this.#uncommitted.delete(key);
        }),
      );
    });
  }

  #catchUpOnce(): Promise<void> {
    this.#catchUp ??= this.#readToEnd().finally(() => (this.#catchUp = undefined));
    return this.#catchUp;
  }

  async #readToEnd(): Promise<void> {
    const { clock, topic } = this.#deps;
    this.#fetcher ??= new PartitionFetcher(this.#deps, topic, 0);
    const startMs = clock.monotonicMs();
    const isAgain = startMs - this.#caughtUpAtMs > READ_AGAIN_MS;
    // What is known holds until all of it is read again.
    const stored = isAgain ? new Map<string, Stored>() : this.#stored;
    let next = isAgain ? 0 : this.#next;
    try {
      for (let end = Infinity; next < end;) {
        const fetched = await this.#fetcher.fetch(next, 0, FETCH_BYTES_MAX);
        if (end === Infinity) end = fetched.end;
        for (const batch of fetched.batches) {
          const records = await recordsOf(batch);
          if (!(records instanceof DamagedBatch))
            for (const record of records) if (record.offset >= next) apply(record, stored);
          next = Math.max(next, batch.nextOffset);
        }
      }
      this.#stored = stored;
      this.#next = next;
      this.#caughtUpAtMs = startMs;
    } catch (error) {
      // Nobody has reported anything to this cluster.
      if ((error as { code?: unknown }).code !== 'LOG_TOPIC_UNKNOWN') throw error;
    }
  }
}

function apply({ key, value }: KafkaRecord, stored: Map<string, Stored>): void {
  if (key === null) return;
  const text = Buffer.from(key).toString();
  if (value === null) {
    stored.delete(text);
    return;
  }
  try {
    const { offset, id, at } = JSON.parse(Buffer.from(value).toString()) as {
      offset?: number;
      id?: string;
      at: number;
    };
    placeOf(text);
    stored.set(text, { cursor: offset === undefined ? undefined : { offset, id: id ?? '' }, reportedAtMs: at });
  } catch {
    // Somebody else's record in our topic: it is nobody's cursor.
  }
}

/** Topic → partition → offset. */
function offsetsOf(reports: readonly Pending[]): Map<string, Map<number, number>> {
  const topics = new Map<string, Map<number, number>>();
  for (const { topic, partition, cursor } of reports) {
    const partitions = topics.get(topic) ?? new Map<number, number>();
    topics.set(topic, partitions);
    if (cursor !== undefined) partitions.set(partition, cursor.offset);
  }
  return topics;
}

function keyOf(kind: 'group' | 'cursor', { group, topic, partition }: Place): string {
  return JSON.stringify([kind, group, topic, partition]);
}

function placeOf(key: string): Place {
  const [, group, topic, partition] = JSON.parse(key) as [string, string, string, number];
  return { group, topic, partition };
}
