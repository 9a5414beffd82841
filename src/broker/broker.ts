/**
 * The ports of the log. Between the stages there are only topics of an ordered durable log, implemented by the embedded
 * log (one machine) and by Kafka; one contract suite (test/contract/log.ts) holds for both.
 *
 * All safety is in the READERS of the log (docs/DESIGN.md): writers, acknowledgements and assignments are trusted with nothing.
 */
export const MESSAGE_KINDS = ['genesis', 'block', 'beat', 'epoch', 'part', 'control'] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];

export interface OutgoingMessage {
  readonly kind: MessageKind;
  readonly header: Uint8Array;
  /** Empty for beats, controls and genesis. */
  readonly value: Uint8Array;
}

export interface Message extends OutgoingMessage {
  readonly offset: number;
  /** The log's own clock when it took the message, milliseconds. */
  readonly appendedAtMs: number;
  /** Set when the stored bytes do not match their checksum: header and value are then empty and the message counts for nothing. */
  readonly damaged?: string;
}

export interface TopicSpec {
  readonly topic: string;
  readonly partitions: number;
  /** The largest message that must be accepted, header and value before compression, in bytes. */
  readonly messageBytesMax: number;
}

export interface PartitionEnds {
  /** Offset of the first message still there. */
  readonly start: number;
  /** Offset the next message will get. */
  readonly end: number;
}

/** Where a reader stands: the next offset it will read, and the id of the last record it read (raw: hash of its header; epochs: the record's epoch id). */
export interface Cursor {
  readonly offset: number;
  readonly id: string;
}

export interface Report {
  readonly group: string;
  readonly partition: number;
  /** Undefined for a group that is registered and has never reported: it counts as 0. */
  readonly cursor: Cursor | undefined;
  readonly reportedAtMs: number;
}

export interface ReadOptions {
  /** Ends the iteration, quietly. */
  readonly signal?: AbortSignal;
  /** With `true`, waits for more at the log's end, for ever; with `false`, the iteration ends there. */
  readonly isFollowing: boolean;
  /** While following: an empty batch comes after this many milliseconds without a message, so that the reader can look at its own clock. Default 1000. */
  readonly waitMsMax?: number;
  /** With `false`, values come empty: envelopes are enough. */
  readonly hasValues?: boolean;
  /** A batch holds at least one message, and no more once their values pass this. Default 4 MiB. */
  readonly batchBytesMax?: number;
}

export interface Log {
  /** Creates what is missing; an existing topic with other partitions is an OperatingError. A new partition gets its genesis. */
  ensureTopics(specs: readonly TopicSpec[]): Promise<void>;
  /**
   * Appends all messages or none, in order, durable when it resolves with the offset of the first. A rejection means: outcome unknown,
   * except for the codes `LOG_DISK_FULL` and `LOG_MESSAGE_TOO_LARGE`, which say that nothing was written. Keeps nothing of the messages
   * once it settles: agents fill the same buffers again.
   */
  append(topic: string, partition: number, messages: readonly OutgoingMessage[]): Promise<number>;
  /**
   * Messages from offset `from` on, in order. Offsets may have holes only where the log is damaged: readers compare.
   * `from` below the start or past the end is an OperatingError: `LOG_TRIMMED`, `LOG_FORKED`.
   */
  read(topic: string, partition: number, from: number, options: ReadOptions): AsyncIterable<readonly Message[]>;
  /** One entry a partition. */
  ends(topic: string): Promise<readonly PartitionEnds[]>;
  /** Forgets what lies before the offset. Never past the end. */
  trim(topic: string, partition: number, before: number): Promise<void>;
  /** Tells lag boards and trimming how far a group has read. An undefined cursor registers the group, for good. */
  report(group: string, topic: string, partition: number, cursor: Cursor | undefined): Promise<void>;
  reports(topic: string): Promise<readonly Report[]>;
  /** Ends a group's hold on trimming. */
  forget(group: string): Promise<void>;
  /** Bytes the log holds and may hold, where one store is known: at half of it trimming no longer waits for `retain`. */
  usage?(): { readonly bytes: number; readonly maxBytes: number };
  close(): Promise<void>;
}

/** A topic whose partitions are shared out among workers. */
export interface SharedTopic {
  readonly topic: string;
  readonly partitions: number;
}

export interface AssignedPartition {
  readonly topic: string;
  readonly partition: number;
}

/**
 * Who of several workers reads which partitions. Liveness only, never safety: it may be late, and two workers may hold one partition for a
 * while. The epoch rule then lets the epochs of one of them count.
 */
export interface Assignment {
  /** Whether partitions never move. A fenced task of a fixed one ends its process; otherwise it asks (`confirm`) whether the partition is still its own. */
  readonly isFixed: boolean;
  /**
   * Takes part until `signal` aborts, then leaves, and resolves. `onAssigned` gets all that is this worker's, in order of topic and partition:
   * at once, or as soon as the others agree, and again after each change. What a worker held goes to others when it has left, or is taken for
   * dead. Rejects with an OperatingError when it cannot take part. Once per assignment.
   */
  join(
    topics: readonly SharedTopic[],
    onAssigned: (assigned: readonly AssignedPartition[]) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** Resolves when it is confirmed, by an answer to a question asked after this call, that what was assigned last holds; or when `signal` aborts. */
  confirm(signal: AbortSignal): Promise<void>;
}

export function rawTopic(prefix: string, stream: string): string {
  return `${prefix}.raw.${stream}`;
}

export function epochTopic(prefix: string, pipeline: string, stream: string): string {
  return `${prefix}.epochs.${pipeline}.${stream}`;
}

/** Epochs of a document sink: the chain of what it has put into its store. */
export function documentTopic(prefix: string, pipeline: string, sink: string, stream: string): string {
  return `${prefix}.documents.${pipeline}.${sink}.${stream}`;
}
