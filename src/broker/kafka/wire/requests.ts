import { checkedAddress, checkedOffset } from '../kafka-error.ts';
import type { KafkaAddress } from '../kafkajs.ts';
import type { Api, Connection } from './connection.ts';
import type { WireReader, WireWriter } from './wire-bytes.ts';

const METADATA_12: Api = { key: 3, version: 12, name: 'Metadata', isFlexible: true };
const METADATA_5: Api = { key: 3, version: 5, name: 'Metadata', isFlexible: false };
const LIST_OFFSETS: Api = { key: 2, version: 2, name: 'ListOffsets', isFlexible: false };
const FIND_COORDINATOR: Api = { key: 10, version: 1, name: 'FindCoordinator', isFlexible: false };
const OFFSET_COMMIT: Api = { key: 8, version: 3, name: 'OffsetCommit', isFlexible: false };

/** In place of a broker's number: a consumer, which sees only what is committed, or a tool that looks at a leader's own log. */
export const CONSUMER = -1;
const DEBUGGER = -2;
/** What brokers take for a name. An answer with another one, which would go into paths and messages, is none of theirs. */
const TOPIC_NAME = /^[A-Za-z0-9._-]{1,249}$/;
const ZERO_ID = Buffer.alloc(16);
export const IS_COMMITTED: Readonly<Record<Isolation, number>> = { read_uncommitted: 0, read_committed: 1 };

export type Isolation = 'read_committed' | 'read_uncommitted';

export interface Broker extends KafkaAddress {
  readonly node: number;
}

/** One partition as the cluster describes it; `leader` is negative where none is there. */
export interface PartitionLayout {
  readonly partition: number;
  readonly leader: number;
  readonly replicas: readonly number[];
}

export interface TopicMetadata {
  readonly code: number;
  readonly topic: string;
  /** 32 hex digits; empty on brokers older than 2.8. */
  readonly topicId: string;
  readonly isInternal: boolean;
  /** In order, from 0 on. */
  readonly partitions: readonly PartitionLayout[];
}

export interface Metadata {
  readonly clusterId: string;
  readonly brokers: readonly Broker[];
  readonly controller: number;
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
  return connection.send(api, write, (answer) => {
    const found = readMetadata(answer, hasIds);
    const missing = topics?.find((name) => !found.topics.some(({ topic }) => topic === name));
    if (missing !== undefined) throw new RangeError(`it does not describe topic '${missing}'`);
    return found;
  });
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
  const controller = answer.i32();
  const topics = answer.array(() => readTopic(answer, hasIds));
  return { clusterId, brokers, controller, topics };
}

function readTopic(answer: WireReader, hasIds: boolean): TopicMetadata {
  const code = answer.i16();
  const topic = answer.string() ?? '';
  if (!TOPIC_NAME.test(topic)) throw new RangeError('a topic under a name that Kafka has for none');
  const topicId = hasIds ? hexOf(answer.raw(16)) : '';
  const isInternal = answer.bool();
  const found = answer.array(() => {
    answer.i16();
    const [partition, leader] = [answer.i32(), answer.i32()];
    if (hasIds) answer.i32();
    const [replicas] = [
      answer.array(() => answer.i32()),
      answer.array(() => answer.i32()),
      answer.array(() => answer.i32()),
    ];
    answer.tags();
    return { partition, leader, replicas };
  });
  const partitions = found.toSorted((left, right) => left.partition - right.partition);
  if (partitions.some(({ partition }, place) => partition !== place))
    throw new RangeError(`the partitions of '${topic}' are not numbered from 0 on`);
  if (hasIds) answer.i32();
  answer.tags();
  return { code, topic, topicId, isInternal, partitions };
}

/** Of a topic's id. */
export function hexOf(id: Buffer): string {
  return id.equals(ZERO_ID) ? '' : id.toString('hex');
}

function writeNull(out: WireWriter): void {
  if (out.isFlexible) out.varint(0);
  else out.i32(-1);
}

/** In place of a time: the first and the end offset. */
const EARLIEST = -2;
const LATEST = -1;

export interface OffsetRange {
  /** The first offset that is still there. */
  readonly start: number;
  readonly end: number;
}

/** Where partitions begin and end that this broker leads. With `read_committed`, the end is where the first open transaction begins. */
export async function rangesOf(
  connection: Connection,
  topic: string,
  partitions: readonly number[],
  isolation: Isolation = 'read_uncommitted',
): Promise<ReadonlyMap<number, OffsetRange>> {
  const ask = (time: number): ReturnType<typeof offsetsAt> => offsetsAt(connection, topic, partitions, time, isolation);
  const [starts, ends] = await Promise.all([ask(EARLIEST), ask(LATEST)]);
  return new Map(
    partitions.map((partition) => [partition, { start: starts.get(partition)!, end: ends.get(partition)! }]),
  );
}

/** The end of what the leader has, of which consumers see only what all replicas in sync have as well. */
export async function logEndOf(connection: Connection, topic: string, partition: number): Promise<number> {
  return (await offsetsAt(connection, topic, [partition], LATEST, 'read_uncommitted', DEBUGGER)).get(partition)!;
}

/** By partition the first offset whose record is not older than a time; undefined where there is none. */
export async function offsetsAt(
  connection: Connection,
  topic: string,
  partitions: readonly number[],
  timeMs: number,
  isolation: Isolation,
  asker = CONSUMER,
): Promise<ReadonlyMap<number, number | undefined>> {
  const write = (out: WireWriter): void => {
    out
      .i32(asker)
      .i8(IS_COMMITTED[isolation])
      .array([topic], () => out.string(topic).array(partitions, (partition) => out.i32(partition).i64(timeMs)));
  };
  return connection.send(connection.choose(LIST_OFFSETS), write, (answer) => {
    answer.i32();
    const found = answer.array(() => {
      answer.string();
      return answer.array((): [number, number | undefined] => {
        const partition = answer.i32();
        connection.check(answer.i16(), `${connection.name}, ${topic}/${partition}`);
        answer.i64();
        const offset = answer.i64();
        // Only of a time there may be none.
        return [partition, timeMs >= 0 && offset < 0 ? undefined : checkedOffset(offset)];
      });
    });
    const offsets = new Map(found.flat());
    const missing = partitions.find((partition) => !offsets.has(partition));
    if (missing !== undefined) throw new RangeError(`it says nothing of ${topic}/${missing}`);
    return offsets;
  });
}

const COORDINATOR = { group: 0, transaction: 1 } as const;
export type CoordinatorKind = keyof typeof COORDINATOR;

/** The broker that keeps a group's offsets, or a transactional id. */
export async function findCoordinator(
  connection: Connection,
  name: string,
  kind: CoordinatorKind,
): Promise<KafkaAddress> {
  const write = (out: WireWriter): void => void out.string(name).i8(COORDINATOR[kind]);
  return connection.send(connection.choose(FIND_COORDINATOR), write, (answer) => {
    answer.i32();
    const code = answer.i16();
    answer.string();
    connection.check(code, `${kind} ${name}`);
    answer.i32();
    return checkedAddress({ host: answer.string(), port: answer.i32() });
  });
}

/** Offsets by topic and partition. */
export type Offsets = ReadonlyMap<string, ReadonlyMap<number, number>>;

/** Writes a group's offsets without being a member of it: the group must have no members. */
export async function commitOffsets(connection: Connection, group: string, offsets: Offsets): Promise<void> {
  const write = (out: WireWriter): void => {
    out
      .string(group)
      .i32(-1)
      .string('')
      .i64(-1)
      .array([...offsets], ([topic, partitions]) =>
        out.string(topic).array([...partitions], ([partition, offset]) => out.i32(partition).i64(offset).string(null)),
      );
  };
  await connection.send(connection.choose(OFFSET_COMMIT), write, (answer) => {
    answer.i32();
    answer.array(() => {
      const topic = answer.string();
      answer.array(() => {
        const partition = answer.i32();
        connection.check(answer.i16(), `group ${group}, ${topic}/${partition}`);
      });
    });
  });
}
