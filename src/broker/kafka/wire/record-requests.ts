/** The two requests that carry records, which stay as they are on their way: kafkajs would take each batch apart. */
import { checkedOffset } from '../kafka-error.ts';
import type { Api, Connection } from './connection.ts';
import { CONSUMER, IS_COMMITTED, type Isolation, hexOf } from './requests.ts';
import type { WireReader, WireWriter } from './wire-bytes.ts';

const PRODUCE: Api = { key: 0, version: 7, name: 'Produce', isFlexible: false };
const FETCH_13: Api = { key: 1, version: 13, name: 'Fetch', isFlexible: true };
const FETCH_11: Api = { key: 1, version: 11, name: 'Fetch', isFlexible: false };

const ALL_IN_SYNC = -1;
const NO_EPOCH = -1;
const NO_OFFSET = -1;

export interface Produced {
  readonly code: number;
  readonly baseOffset: number;
}

/** One batch to one partition. The answer must name just that partition; undefined where it does not. */
export async function produce(
  connection: Connection,
  topic: string,
  partition: number,
  batch: Buffer,
  timeoutMs: number,
): Promise<Produced | undefined> {
  const write = (out: WireWriter): void => {
    out.string(null).i16(ALL_IN_SYNC).i32(timeoutMs);
    out.array([topic], () => out.string(topic).array([partition], () => out.i32(partition).bytes(batch)));
  };
  return connection.send(connection.choose(PRODUCE), write, (answer) => {
    const topics = answer.array(() => ({
      topic: answer.string(),
      partitions: answer.array(() => readProduced(answer)),
    }));
    const found = topics[0]?.partitions[0];
    return topics.length === 1 && topics[0]!.topic === topic && found?.partition === partition ? found : undefined;
  });
}

function readProduced(answer: WireReader): Produced & { readonly partition: number } {
  const partition = answer.i32();
  const code = answer.i16();
  const baseOffset = checkedOffset(answer.i64(), NO_OFFSET);
  // Its time, and the first offset of the partition.
  answer.i64();
  answer.i64();
  return { partition, code, baseOffset };
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

/**
 * Reads of partitions this broker leads: one batch at least where there is one, and no more once it would pass `bytesMax`. With topic ids,
 * where the broker has them, a topic of the same name cannot be mistaken for it.
 */
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
    connection.check(answer.i16());
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
  out.i32(CONSUMER).i32(waitMs).i32(1).i32(bytesMax).i8(IS_COMMITTED[isolation]).i32(0).i32(-1);
  out.array([...topics], ([topic, group]) => {
    if (out.isFlexible) out.raw(Buffer.from(group[0]!.topicId, 'hex'));
    else out.string(topic);
    out.array(group, ({ partition, offset }) => {
      out.i32(partition).i32(NO_EPOCH).i64(offset);
      if (out.isFlexible) out.i32(NO_EPOCH);
      out.i64(NO_OFFSET).i32(partitionBytesMax).tags();
    });
    out.tags();
  });
  out.array([], () => {});
  out.string('').tags();
}

function readFetched(answer: WireReader, isolation: Isolation): Omit<FetchedPartition, 'topic' | 'topicId'> {
  const partition = answer.i32();
  const code = answer.i16();
  const highWatermark = checkedOffset(answer.i64(), NO_OFFSET);
  const lastStable = checkedOffset(answer.i64(), NO_OFFSET);
  const logStart = checkedOffset(answer.i64(), NO_OFFSET);
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
