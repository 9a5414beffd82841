/** The two requests that carry messages, written here so that batches pass through whole: kafkajs would take them apart. */
import { checkedOffset } from './kafka-error.ts';
import { Decoder, Encoder, type WireDecoder, type WireEncoder, type WireRequest } from './kafkajs.ts';

const PRODUCE = { apiKey: 0, apiVersion: 7, apiName: 'Produce' } as const;
const FETCH = { apiKey: 1, apiVersion: 11, apiName: 'Fetch' } as const;
const ALL_IN_SYNC = -1;
const CONSUMER = -1;
const READ_UNCOMMITTED = 0;
const NO_SESSION = 0;
const NO_SESSION_EPOCH = -1;
const NO_EPOCH = -1;
const NO_OFFSET = -1;
const NO_RACK = '';
/** Arrays of one topic with one partition. */
const ONE = 1;
/** All of a produce request but its batch: the topic's name has at most 249 bytes. */
const PRODUCE_HEAD_BYTES = 300;

export interface Produced {
  readonly errorCode: number;
  readonly baseOffset: number;
  readonly appendedAtMs: number;
}

/** One batch to one partition. The answer must name just that partition; undefined where it does not. */
export function produceRequest(
  topic: string,
  partition: number,
  batch: Buffer,
  timeoutMs: number,
): WireRequest<Produced | undefined> {
  const encode = async (): Promise<WireEncoder> => {
    // In one encoder of the right size, since each that grows or is put into another copies the batch.
    const encoder = new Encoder(batch.length + PRODUCE_HEAD_BYTES).writeString(null).writeInt16(ALL_IN_SYNC);
    encoder.writeInt32(timeoutMs).writeInt32(ONE).writeString(topic).writeInt32(ONE);
    return encoder.writeInt32(partition).writeBytes(batch);
  };
  const decode = async (payload: Buffer): Promise<{ answer: Produced | undefined; clientSideThrottleTime: number }> => {
    const decoder = new Decoder(payload);
    const topics = decoder.readArray((inner) => ({
      topic: inner.readString(),
      partitions: inner.readArray(decodeProduced),
    }));
    const answer = topics[0]?.partitions[0];
    const isOurs = topics.length === 1 && topics[0]!.topic === topic && answer?.partition === partition;
    return { answer: isOurs ? answer : undefined, clientSideThrottleTime: decoder.readInt32() };
  };
  const parse = async (decoded: object): Promise<Produced | undefined> => (decoded as { answer?: Produced }).answer;
  return { request: { ...PRODUCE, encode }, response: { decode, parse } };
}

function decodeProduced(decoder: WireDecoder): Produced & { readonly partition: number } {
  const partition = decoder.readInt32();
  const errorCode = decoder.readInt16();
  const baseOffset = checkedOffset(decoder.readInt64().toString(), NO_OFFSET);
  const appendedAtMs = Number(decoder.readInt64().toString());
  decoder.readInt64();
  return { partition, errorCode, baseOffset, appendedAtMs };
}

export interface FetchRequest {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly maxWaitMs: number;
  /** The answer holds one batch at least, and no more once it would pass this; compressed. */
  readonly bytesMax: number;
}

export interface Fetched {
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly start: number;
  readonly recordSet: Buffer;
}

const NO_BYTES = Buffer.alloc(0);

export function fetchRequest({
  topic,
  partition,
  from,
  maxWaitMs,
  bytesMax,
}: FetchRequest): WireRequest<Fetched | undefined> {
  const encode = async (): Promise<WireEncoder> => {
    const place = new Encoder()
      .writeInt32(partition)
      .writeInt32(NO_EPOCH)
      .writeInt64(from)
      .writeInt64(NO_OFFSET)
      .writeInt32(bytesMax);
    return new Encoder()
      .writeInt32(CONSUMER)
      .writeInt32(maxWaitMs)
      .writeInt32(1)
      .writeInt32(bytesMax)
      .writeInt8(READ_UNCOMMITTED)
      .writeInt32(NO_SESSION)
      .writeInt32(NO_SESSION_EPOCH)
      .writeArray([new Encoder().writeString(topic).writeArray([place])])
      .writeArray([])
      .writeString(NO_RACK);
  };
  const decode = async (payload: Buffer): Promise<{ answer: Fetched | undefined; clientSideThrottleTime: number }> => {
    const decoder = new Decoder(payload);
    const clientSideThrottleTime = decoder.readInt32();
    const errorCode = decoder.readInt16();
    decoder.readInt32();
    const topics = decoder.readArray((inner) => ({
      topic: inner.readString(),
      partitions: inner.readArray(decodeFetched),
    }));
    const answer = topics[0]?.partitions[0];
    if (errorCode !== 0) {
      return { answer: { errorCode, highWatermark: -1, start: -1, recordSet: NO_BYTES }, clientSideThrottleTime };
    }
    const isOurs = topics[0]?.topic === topic && answer?.partition === partition;
    return { answer: isOurs ? answer : undefined, clientSideThrottleTime };
  };
  const parse = async (decoded: object): Promise<Fetched | undefined> => (decoded as { answer?: Fetched }).answer;
  return { request: { ...FETCH, encode }, response: { decode, parse }, requestTimeout: maxWaitMs };
}

function decodeFetched(decoder: WireDecoder): Fetched & { readonly partition: number } {
  const partition = decoder.readInt32();
  const errorCode = decoder.readInt16();
  const highWatermark = checkedOffset(decoder.readInt64().toString(), NO_OFFSET);
  decoder.readInt64();
  const start = checkedOffset(decoder.readInt64().toString(), NO_OFFSET);
  decoder.readArray((aborted) => [aborted.readInt64(), aborted.readInt64()]);
  decoder.readInt32();
  const length = decoder.readInt32();
  const recordSet = (length > 0 ? decoder.readBytes(length) : null) ?? NO_BYTES;
  return { partition, errorCode, highWatermark, start, recordSet };
}
