/** The request that describes a topic, written here because kafkajs throws the whole answer away when one partition has no leader. */
import { checkedAddress } from './kafka-error.ts';
import { Decoder, Encoder, type WireDecoder, type WireEncoder, type WireRequest } from './kafkajs.ts';

const METADATA = { apiKey: 3, apiVersion: 5, apiName: 'Metadata' } as const;

export interface FoundTopic {
  readonly brokers: ReadonlyArray<{ readonly node: number; readonly host: string; readonly port: number }>;
  readonly controller: number;
  readonly errorCode: number;
  /** In order, from 0 on. */
  readonly partitions: ReadonlyArray<{
    readonly partition: number;
    readonly leader: number;
    readonly replicas: readonly number[];
  }>;
}

/** Never makes the topic. */
export function metadataRequest(topic: string): WireRequest<FoundTopic> {
  const encode = async (): Promise<WireEncoder> => new Encoder().writeArray([topic]).writeInt8(0);
  const decode = async (payload: Buffer): Promise<FoundTopic & { clientSideThrottleTime: number }> => {
    const decoder = new Decoder(payload);
    const clientSideThrottleTime = decoder.readInt32();
    const brokers = decoder.readArray((inner) => {
      const node = inner.readInt32();
      const address = checkedAddress({ host: inner.readString(), port: inner.readInt32() });
      inner.readString();
      return { node, ...address };
    });
    decoder.readString();
    const controller = decoder.readInt32();
    const [found] = decoder.readArray((inner) => {
      const [errorCode, name] = [inner.readInt16(), inner.readString(), inner.readInt8()];
      return { errorCode, name, partitions: inner.readArray(decodePartition) };
    });
    if (found?.name !== topic) throw new RangeError(`it does not describe topic '${topic}'`);
    const { errorCode } = found;
    const partitions = found.partitions.toSorted((left, right) => left.partition - right.partition);
    if (partitions.some(({ partition }, place) => partition !== place))
      throw new RangeError(`the partitions of '${topic}' are not numbered from 0 on`);
    return { clientSideThrottleTime, brokers, controller, errorCode, partitions };
  };
  const parse = async (decoded: object): Promise<FoundTopic> => decoded as FoundTopic;
  return { request: { ...METADATA, encode }, response: { decode, parse } };
}

function decodePartition(decoder: WireDecoder): FoundTopic['partitions'][number] {
  decoder.readInt16();
  const [partition, leader] = [decoder.readInt32(), decoder.readInt32()];
  const readNode = (inner: WireDecoder): number => inner.readInt32();
  const [replicas] = [decoder.readArray(readNode), decoder.readArray(readNode), decoder.readArray(readNode)];
  return { partition, leader, replicas };
}
