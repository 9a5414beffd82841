import type { Api, Connection } from './connection.ts';
import { checkedAddress } from '../kafka-error.ts';
import { CODES, answerError } from './codes.ts';
import type { WireReader, WireWriter } from './wire-bytes.ts';

const METADATA_12: Api = { key: 3, version: 12, name: 'Metadata', isFlexible: true };
const METADATA_5: Api = { key: 3, version: 5, name: 'Metadata', isFlexible: false };
const LIST_OFFSETS: Api = { key: 2, version: 2, name: 'ListOffsets', isFlexible: false };
const FETCH_13: Api = { key: 1, version: 13, name: 'Fetch', isFlexible: true };
const FETCH_11: Api = { key: 1, version: 11, name: 'Fetch', isFlexible: false };
const FIND_COORDINATOR: Api = { key: 10, version: 1, name: 'FindCoordinator', isFlexible: false };
const OFFSET_COMMIT: Api = { key: 8, version: 3, name: 'OffsetCommit', isFlexible: false };

const NO_NODE = -1;
const NO_EPOCH = -1;
/** What brokers take for a name. An answer with another one, which would go into paths and messages, is none of theirs. */
const TOPIC_NAME = /^[A-Za-z0-9._-]{1,249}$/;
const ZERO_ID = Buffer.alloc(16);
const IS_COMMITTED: Readonly<Record<Isolation, number>> = { read_uncommitted: 0, read_committed: 1 };

export type Isolation = 'read_committed' | 'read_uncommitted';

export interface Broker {
  readonly node: number;
  readonly host: string;
  readonly port: number;
}

export interface TopicMetadata {
  readonly code: number;
  readonly topic: string;
  /** 32 hex digits; empty on brokers older than 2.8. */
  readonly topicId: string;
  readonly isInternal: boolean;
  readonly partitions: readonly { readonly partition: number; readonly leader: number }[];
}

export interface Metadata {
  readonly clusterId: string;
  readonly brokers: readonly Broker[];
  readonly topics: readonly TopicMetadata[];
}

/** `topics` undefined asks for all of them. Never makes a topic. */
export async function metadata(connection: Connection, topics: readonly string[] | undefined): Promise<Metadata> {
  const api = connection.choose(METADATA_12, METADATA_5);
  const hasIds = api.version >= 10;
  const write = (out: WireWriter): void => {
    if (topics === undefined) writeNull(out);
    else
      out.array(topics, (topic) => {
        if (hasIds) out.raw(ZERO_ID);
        out.string(topic).tags();
      });
    out.bool(false);
    if (hasIds) out.bool(false);
    out.tags();
  };
  return connection.send(api, write, (answer) => readMetadata(answer, hasIds));
}

function readMetadata(answer: WireReader, hasIds: boolean): Metadata {
  answer.i32();
  const brokers = answer.array((): Broker => {
    const node = answer.i32();
    const address = checkedAddress({ host: answer.string(), port: answer.i32() });
    answer.string();
    answer.tags();
    return { node, ...address };
  });
  const clusterId = answer.string() ?? '';
  answer.i32();
  const topics = answer.array(() => readTopic(answer, hasIds));
  return { clusterId, brokers, topics };
}

function readTopic(answer: WireReader, hasIds: boolean): TopicMetadata {
  const code = answer.i16();
  const topic = answer.string() ?? '';
  if (!TOPIC_NAME.test(topic)) throw new RangeError('a topic under a name that Kafka has for none');
  const topicId = hasIds ? hexOf(answer.raw(16)) : '';
  const isInternal = answer.bool();
  const partitions = answer.array(() => {
    answer.i16();
    const partition = answer.i32();
    const leader = answer.i32();
    if (partition < 0) throw new RangeError(`partition ${partition}`);
    if (hasIds) answer.i32();
    for (let list = 0; list < 3; list++) answer.array(() => answer.i32());
    answer.tags();
    return { partition, leader };
  });
  if (hasIds) answer.i32();
  answer.tags();
  return { code, topic, topicId, isInternal, partitions };
}

function hexOf(id: Buffer): string {
  return id.equals(ZERO_ID) ? '' : id.toString('hex');
}

function writeNull(out: WireWriter): void {
  if (out.isFlexible) out.varint(0);
  else out.i32(-1);
}

/** In place of a time: the first and the end offset. */
export const EARLIEST = -2;
export const LATEST = -1;

/**
 * The first offset whose record is not older than a time, of partitions this broker leads; undefined where there is none. With
 * `read_committed`, the end is where the first open transaction begins.
 */
export async function listOffsets(
  connection: Connection,
  topic: string,
  partitions: readonly number[],
  timeMs: number,
  isolation: Isolation,
): Promise<Map<number, number | undefined>> {
  const write = (out: WireWriter): void => {
    out
      .i32(NO_NODE)
      .i8(IS_COMMITTED[isolation])
      .array([topic], () => out.string(topic).array(partitions, (partition) => out.i32(partition).i64(timeMs)));
  };
  return connection.send(connection.choose(LIST_OFFSETS), write, (answer) => {
    answer.i32();
    const found = answer.array(() => {
      answer.string();
      return answer.array((): [number, number | undefined] => {
        const partition = answer.i32();
        const code = answer.i16();
        if (code !== CODES.none) throw answerError(code, `${connection.address}, ${topic}/${partition}`);
        answer.i64();
        const offset = answer.i64();
        return [partition, offset < 0 ? undefined : offset];
      });
    });
    return new Map(found.flat());
  });
}

export interface FetchPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
}

export interface FetchSettings {
  readonly waitMs: number;
  readonly bytesMax: number;
  readonly partitionBytesMax: number;
  readonly isolation: Isolation;
}

export interface FetchedPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly code: number;
  /** Where reading ends for now: the last stable offset with `read_committed`. */
  readonly end: number;
  readonly logStart: number;
  /** Transactions that were given up, by the offset their records begin at. */
  readonly aborted: readonly { readonly producerId: number; readonly firstOffset: number }[];
  /** Record batches, one behind the other; the last may be cut off. A view of the answer. */
  readonly records: Buffer;
}

/** Reads of partitions this broker leads. With topic ids, where the broker has them, a topic of the same name is no mistake for it. */
export async function fetchRecords(
  connection: Connection,
  partitions: readonly FetchPartition[],
  settings: FetchSettings,
): Promise<readonly FetchedPartition[]> {
  const hasIds = partitions.every(({ topicId }) => topicId !== '');
  const api = hasIds ? connection.choose(FETCH_13, FETCH_11) : connection.choose(FETCH_11);
  const names = new Map(partitions.map(({ topic, topicId }) => [topicId, topic]));
  const read = (answer: WireReader): readonly FetchedPartition[] => {
    answer.i32();
    const code = answer.i16();
    if (code !== CODES.none) throw answerError(code, connection.address);
    answer.i32();
    return answer
      .array(() => {
        const topicId = answer.isFlexible ? hexOf(answer.raw(16)) : '';
        const topic = answer.isFlexible ? (names.get(topicId) ?? '') : (answer.string() ?? '');
        const found = answer.array(() => ({ topic, topicId, ...readFetched(answer, settings.isolation) }));
        answer.tags();
        return found;
      })
      .flat();
  };
  return connection.send(api, (out) => writeFetch(out, partitions, settings), read, settings.waitMs);
}

function writeFetch(out: WireWriter, partitions: readonly FetchPartition[], settings: FetchSettings): void {
  const { waitMs, bytesMax, partitionBytesMax, isolation } = settings;
  const topics = Map.groupBy(partitions, ({ topic }) => topic);
  // No session: each request names all it wants, so that no state of the broker can be another than ours.
  out.i32(NO_NODE).i32(waitMs).i32(1).i32(bytesMax).i8(IS_COMMITTED[isolation]).i32(0).i32(-1);
  out.array([...topics], ([topic, group]) => {
    if (out.isFlexible) out.raw(Buffer.from(group[0]!.topicId, 'hex'));
    else out.string(topic);
    out.array(group, ({ partition, offset }) => {
      out.i32(partition).i32(NO_EPOCH).i64(offset);
      if (out.isFlexible) out.i32(NO_EPOCH);
      out.i64(-1).i32(partitionBytesMax).tags();
    });
    out.tags();
  });
  out.array([], () => {});
  out.string('').tags();
}

function readFetched(answer: WireReader, isolation: Isolation): Omit<FetchedPartition, 'topic' | 'topicId'> {
  const partition = answer.i32();
  const code = answer.i16();
  const highWatermark = answer.i64();
  const lastStable = answer.i64();
  const logStart = answer.i64();
  const aborted = answer.array(() => {
    const transaction = { producerId: answer.i64(), firstOffset: answer.i64() };
    answer.tags();
    return transaction;
  });
  answer.i32();
  const records = answer.bytes();
  answer.tags();
  const end = isolation === 'read_committed' && lastStable >= 0 ? lastStable : highWatermark;
  return { partition, code, end, logStart, aborted, records };
}

/** The broker that keeps a group's offsets. */
export async function findCoordinator(connection: Connection, group: string): Promise<Broker> {
  const write = (out: WireWriter): void => void out.string(group).i8(0);
  return connection.send(connection.choose(FIND_COORDINATOR), write, (answer) => {
    answer.i32();
    const code = answer.i16();
    answer.string();
    if (code !== CODES.none) throw answerError(code, `group ${group}`);
    const node = answer.i32();
    return { node, ...checkedAddress({ host: answer.string(), port: answer.i32() }) };
  });
}

/** Writes a group's offsets without being a member of it: the group must have no members. */
export async function commitOffsets(
  connection: Connection,
  group: string,
  offsets: ReadonlyMap<string, readonly { readonly partition: number; readonly offset: number }[]>,
): Promise<void> {
  const write = (out: WireWriter): void => {
    out
      .string(group)
      .i32(-1)
      .string('')
      .i64(-1)
      .array([...offsets], ([topic, partitions]) =>
        out.string(topic).array(partitions, ({ partition, offset }) => out.i32(partition).i64(offset).string(null)),
      );
  };
  await connection.send(connection.choose(OFFSET_COMMIT), write, (answer) => {
    answer.i32();
    answer.array(() => {
      const topic = answer.string();
      answer.array(() => {
        const partition = answer.i32();
        const code = answer.i16();
        if (code !== CODES.none) throw answerError(code, `group ${group}, ${topic}/${partition}`);
      });
    });
  });
}
