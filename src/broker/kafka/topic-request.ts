/** The request that describes a topic, written here because kafkajs throws the whole answer away when one partition has no leader. */
import { Decoder, Encoder, type WireDecoder, type WireEncoder, type WireRequest } from './kafkajs.ts';

const METADATA = { apiKey: 3, apiVersion: 5, apiName: 'Metadata' } as const;

export interface FoundTopic {
  readonly brokers: ReadonlyArray<{ readonly node: number; readonly host: string; readonly port: number }>;
  readonly controller: number;
  readonly errorCode: number;
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
      const broker = { node: inner.readInt32(), host: inner.readString() ?? '', port: inner.readInt32() };
      inner.readString();
      return broker;
    });
    decoder.readString();
    const controller = decoder.readInt32();
    const [found] = decoder.readArray((inner) => {
      const [errorCode] = [inner.readInt16(), inner.readString(), inner.readInt8()];
      return { errorCode, partitions: inner.readArray(decodePartition) };
    });
    return { clientSideThrottleTime, brokers, controller, ...found! };
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
