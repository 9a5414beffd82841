import type {
  Cursor,
  Log,
  Message,
  OutgoingMessage,
  PartitionEnds,
  ReadOptions,
  Report,
  TopicSpec,
} from '../../src/broker/broker.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { OperatingError } from '../../src/lib/errors.ts';
import { encodeGenesis } from '../../src/record/control.ts';

/**
 * What becomes of one append:
 * - `ok`: written and acknowledged;
 * - `drop`: not written, rejected with an unknown outcome;
 * - `lose_ack`: written, rejected with an unknown outcome;
 * - `duplicate`: written twice, acknowledged once (a client that retries by itself);
 * - `delay_ack`: written now, acknowledged by {@link MemoryStore.deliverDelayed};
 * - `delay_write`: rejected with an unknown outcome now, written by {@link MemoryStore.deliverDelayed}, behind what came meanwhile.
 */
export const APPEND_FATES = ['ok', 'drop', 'lose_ack', 'duplicate', 'delay_ack', 'delay_write'] as const;
export type AppendFate = (typeof APPEND_FATES)[number];

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly diskMaxBytes?: number;
  /** Asked once an append; `ok` unless given. Seeded by the simulation, so that a run can be repeated. */
  readonly fateOf?: (topic: string, partition: number, messages: readonly OutgoingMessage[]) => AppendFate;
}

interface Partition {
  readonly messages: Message[];
  start: number;
  end: number;
  appendedAtMs: number;
}

interface Topic {
  messageBytesMax: number;
  readonly partitions: Partition[];
}

const ROW_BYTES = 64;
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
const WAIT_MS_MAX = 1000;
const EMPTY = new Uint8Array(0);

/** A log in memory with the contract of the real ones, deterministic, for simulations: `open` is one process's connection. */
export class MemoryStore {
  readonly #topics = new Map<string, Topic>();
  readonly #reports = new Map<string, Report & { topic: string }>();
  readonly #waiters = new Set<() => void>();
  readonly #options: MemoryStoreOptions;
  #delayed: Array<() => void> = [];
  #genesisCount = 0;
  diskMaxBytes: number;
  /** Called just before a reader takes its next batch of a topic: what others do to the log meanwhile. */
  beforeBatch: ((topic: string, partition: number) => void) | undefined;

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    this.diskMaxBytes = options.diskMaxBytes ?? Infinity;
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  open(): Log {
    return new MemoryLog(this);
  }

  /** Takes the last `count` messages of a partition away, as a power loss under a lying disk or an older copy would. */
  loseTail(topic: string, partition: number, count: number): void {
    const part = this.partition(topic, partition);
    part.messages.splice(Math.max(0, part.messages.length - count));
    part.end = Math.max(part.start, part.end - count);
    this.wakeAll();
  }

  /** Makes one message unreadable. */
  damage(topic: string, partition: number, offset: number): void {
    const { messages } = this.partition(topic, partition);
    const at = messages.findIndex((message) => message.offset === offset);
    messages[at] = { ...messages[at]!, header: EMPTY, value: EMPTY, damaged: 'damaged by the test' };
  }

  /** Does what `delay_write` and `delay_ack` put off, in the order of the appends. Returns how many there were. */
  deliverDelayed(): number {
    const delayed = this.#delayed;
    this.#delayed = [];
    for (const deliver of delayed) deliver();
    return delayed.length;
  }

  /** A function that takes the store back to how it is now, with other genesis ids if it was empty. */
  copy(): () => void {
    const topics = structuredClone([...this.#topics]);
    return () => {
      this.#topics.clear();
      for (const [name, topic] of structuredClone(topics)) this.#topics.set(name, topic);
      this.wakeAll();
    };
  }

  ensureTopic(spec: TopicSpec): void {
    const topic = this.#topics.get(spec.topic);
    if (topic === undefined) {
      const partitions = Array.from({ length: spec.partitions }, () => this.#newPartition());
      this.#topics.set(spec.topic, { messageBytesMax: spec.messageBytesMax, partitions });
      return;
    }
    if (topic.partitions.length !== spec.partitions) throw failure('LOG_PARTITIONS_FIXED', spec.topic);
    topic.messageBytesMax = Math.max(topic.messageBytesMax, spec.messageBytesMax);
  }

  partition(topic: string, partition: number): Partition {
    const found = this.#topics.get(topic)?.partitions[partition];
    if (found === undefined) throw failure('LOG_TOPIC_UNKNOWN', `${topic}/${partition}`);
    return found;
  }

  partitionsOf(topic: string): readonly Partition[] {
    return this.#topics.get(topic)?.partitions ?? [];
  }

  append(topic: string, partition: number, messages: readonly OutgoingMessage[]): Promise<number> {
    const part = this.partition(topic, partition);
    const { messageBytesMax } = this.#topics.get(topic)!;
    if (messages.some((message) => sizeOf(message) > messageBytesMax)) throw failure('LOG_MESSAGE_TOO_LARGE', topic);
    if (messages.length === 0) return Promise.resolve(part.end);
    const bytes = messages.reduce((sum, message) => sum + sizeOf(message) + ROW_BYTES, 0);
    if (this.usage().bytes + bytes > this.diskMaxBytes) throw failure('LOG_DISK_FULL', topic, true);
    // Copies, made now: the caller may use its buffers again. Not `slice`, which is a view where it is a Buffer.
    const copies = messages.map(({ kind, header, value }) => ({
      kind,
      header: new Uint8Array(header),
      value: new Uint8Array(value),
    }));
    const write = (): number => this.#write(part, copies);
    const unknown = (): Promise<never> => Promise.reject(failure('LOG_FAILED', 'the outcome is unknown', true));
    const fate = this.#options.fateOf?.(topic, partition, messages) ?? 'ok';
    if (fate === 'drop') return unknown();
    if (fate === 'delay_write') {
      this.#delayed.push(() => void write());
      return unknown();
    }
    const offset = write();
    if (fate === 'lose_ack') return unknown();
    if (fate === 'duplicate') write();
    if (fate !== 'delay_ack') return Promise.resolve(offset);
    return new Promise((resolve) => this.#delayed.push(() => resolve(offset)));
  }

  trim(topic: string, partition: number, before: number): void {
    const part = this.partition(topic, partition);
    part.start = Math.max(part.start, Math.min(before, part.end));
    const kept = part.messages.findIndex((message) => message.offset >= part.start);
    part.messages.splice(0, kept < 0 ? part.messages.length : kept);
  }

  report(group: string, topic: string, partition: number, cursor: Cursor | undefined): void {
    this.partition(topic, partition);
    const key = `${group} ${topic} ${partition}`;
    if (cursor === undefined && this.#reports.has(key)) return;
    this.#reports.set(key, { group, topic, partition, cursor, reportedAtMs: this.clock.nowMs() });
  }

  reports(topic: string): Report[] {
    return [...this.#reports.values()]
      .filter((report) => report.topic === topic)
      .map(({ group, partition, cursor, reportedAtMs }) => ({ group, partition, cursor, reportedAtMs }))
      .sort((a, b) => (a.group < b.group ? -1 : a.group > b.group ? 1 : a.partition - b.partition));
  }

  forget(group: string): void {
    for (const [key, report] of this.#reports) if (report.group === group) this.#reports.delete(key);
  }

  usage(): { bytes: number; maxBytes: number } {
    let bytes = 0;
    for (const { partitions } of this.#topics.values()) {
      for (const { messages } of partitions) for (const message of messages) bytes += sizeOf(message) + ROW_BYTES;
    }
    return { bytes, maxBytes: this.diskMaxBytes };
  }

  /** Resolves at the next change, after `waitMs`, or when `signal` aborts. */
  async wait(waitMs: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = (): void => woken.abort();
    this.#waiters.add(wake);
    await this.clock.sleep(waitMs, AbortSignal.any([woken.signal, signal]));
    this.#waiters.delete(wake);
  }

  wakeAll(): void {
    for (const wake of this.#waiters) wake();
  }

  #newPartition(): Partition {
    const part: Partition = { messages: [], start: 0, end: 0, appendedAtMs: 0 };
    const header = encodeGenesis({ log: (++this.#genesisCount).toString(16).padStart(32, '0') });
    this.#write(part, [{ kind: 'genesis', header, value: EMPTY }]);
    return part;
  }

  #write(part: Partition, messages: readonly OutgoingMessage[]): number {
    const first = part.end;
    part.appendedAtMs = Math.max(part.appendedAtMs, this.clock.nowMs());
    for (const message of messages) {
      part.messages.push({ ...message, offset: part.end++, appendedAtMs: part.appendedAtMs });
    }
    this.wakeAll();
    return first;
  }
}

class MemoryLog implements Log {
  readonly #store: MemoryStore;
  readonly #closing = new AbortController();

  constructor(store: MemoryStore) {
    this.#store = store;
  }

  async ensureTopics(specs: readonly TopicSpec[]): Promise<void> {
    for (const spec of specs) this.#store.ensureTopic(spec);
  }

  async append(topic: string, partition: number, messages: readonly OutgoingMessage[]): Promise<number> {
    if (this.#closing.signal.aborted) throw failure('LOG_CLOSED', topic);
    return this.#store.append(topic, partition, messages);
  }

  async *read(
    topic: string,
    partition: number,
    from: number,
    options: ReadOptions,
  ): AsyncGenerator<readonly Message[]> {
    const { isFollowing, hasValues = true, batchBytesMax = BATCH_BYTES_MAX, waitMsMax = WAIT_MS_MAX } = options;
    const { clock } = this.#store;
    const signal = AbortSignal.any([this.#closing.signal, ...(options.signal ? [options.signal] : [])]);
    let next = from;
    let emptyAtMs = clock.monotonicMs() + waitMsMax;
    while (!signal.aborted) {
      this.#store.beforeBatch?.(topic, partition);
      const { messages, start, end } = this.#store.partition(topic, partition);
      if (next < start) throw failure('LOG_TRIMMED', `offset ${next}, the log begins at ${start}`);
      if (next > end) throw failure('LOG_FORKED', `offset ${next}, the log ends at ${end}`);
      const batch = takeBatch(messages, next, batchBytesMax);
      if (batch.length > 0) {
        next = batch.at(-1)!.offset + 1;
        yield hasValues ? batch : batch.map((message) => ({ ...message, value: EMPTY }));
        emptyAtMs = clock.monotonicMs() + waitMsMax;
        continue;
      }
      if (!isFollowing) return;
      await this.#store.wait(Math.max(0, emptyAtMs - clock.monotonicMs()), signal);
      if (signal.aborted || clock.monotonicMs() < emptyAtMs) continue;
      yield [];
      emptyAtMs = clock.monotonicMs() + waitMsMax;
    }
  }

  async ends(topic: string): Promise<readonly PartitionEnds[]> {
    return this.#store.partitionsOf(topic).map(({ start, end }) => ({ start, end }));
  }

  async trim(topic: string, partition: number, before: number): Promise<void> {
    this.#store.trim(topic, partition, before);
  }

  async report(group: string, topic: string, partition: number, cursor: Cursor | undefined): Promise<void> {
    this.#store.report(group, topic, partition, cursor);
  }

  async reports(topic: string): Promise<readonly Report[]> {
    return this.#store.reports(topic);
  }

  async forget(group: string): Promise<void> {
    this.#store.forget(group);
  }

  usage(): { bytes: number; maxBytes: number } {
    return this.#store.usage();
  }

  async close(): Promise<void> {
    this.#closing.abort();
  }
}

function takeBatch(messages: readonly Message[], from: number, bytesMax: number): Message[] {
  const batch: Message[] = [];
  let bytes = 0;
  // Offsets are dense but for `loseTail`, so the first message is found by its distance from the start.
  const first = Math.max(0, from - (messages[0]?.offset ?? 0));
  for (let i = first; i < messages.length && (batch.length === 0 || bytes < bytesMax); i++) {
    const message = messages[i]!;
    batch.push(message);
    bytes += sizeOf(message);
  }
  return batch;
}

function sizeOf({ header, value }: OutgoingMessage): number {
  return header.length + value.length;
}

function failure(code: string, what: string, isRetryable = false): OperatingError {
  return new OperatingError(`memory log: ${what}`, { code, isRetryable });
}
