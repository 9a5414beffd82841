// A broker that answers as a test says, for what a real one does too rarely: errors of the protocol, answers that never come.
//
//   const kafka = await startScriptedKafka();
//   kafka.script[API.metadata] = { version: 5, answer: () => metadataOf([kafka], 'topic', [0]) };
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
// Its decoder is held to bounds by this module.
import '../../src/broker/kafka/kafkajs.ts';

export interface WireEncoder {
  writeInt8(value: number): WireEncoder;
  writeInt16(value: number): WireEncoder;
  writeInt32(value: number): WireEncoder;
  writeInt64(value: number | string): WireEncoder;
  writeString(value: string | null): WireEncoder;
  writeBytes(value: Buffer | null): WireEncoder;
  writeArray(values: readonly (WireEncoder | string)[]): WireEncoder;
}

export interface WireDecoder {
  readInt8(): number;
  readInt16(): number;
  readInt32(): number;
  readInt64(): { toString(): string };
  readString(): string | null;
  readBytes(length?: number): Buffer | null;
  readArray<T>(read: (decoder: WireDecoder) => T): T[];
}

const load = createRequire(import.meta.url);
export const Encoder = load('kafkajs/src/protocol/encoder') as new (sizeBytes?: number) => WireEncoder;
export const Decoder = load('kafkajs/src/protocol/decoder') as new (payload: Buffer) => WireDecoder;

/** Keys of the requests that scripts answer (kafka.apache.org/protocol, "Api Keys"). */
export const API = {
  fetch: 1,
  listOffsets: 2,
  metadata: 3,
  findCoordinator: 10,
  joinGroup: 11,
  heartbeat: 12,
  leaveGroup: 13,
  syncGroup: 14,
  saslHandshake: 17,
  apiVersions: 18,
  createTopics: 19,
  deleteRecords: 21,
  saslAuthenticate: 36,
} as const;

/** Error codes of the protocol. */
export const CODE = {
  outOfRange: 1,
  unknownTopic: 3,
  leaderNotAvailable: 5,
  notLeader: 6,
  notCoordinator: 16,
  unknownMember: 25,
  rebalancing: 27,
  topicDenied: 29,
  notController: 41,
  saslFailed: 58,
  memberIdRequired: 79,
} as const;

export interface Answering {
  /** The only one that the broker says it has. */
  readonly version: number;
  /** An answer's body; `cut` closes the connection instead, `silence` says nothing. */
  readonly answer: (request: WireDecoder, connection: number) => WireEncoder | 'cut' | 'silence';
}

export interface ScriptedKafka {
  readonly host: string;
  readonly port: number;
  /** Of what clients connect to: `127.0.0.1:port`. */
  readonly address: string;
  /** Keys of the requests that came, in order; `apiVersions` left out. */
  readonly asked: number[];
  readonly script: Record<number, Answering>;
  stop(): Promise<void>;
}

export async function startScriptedKafka(): Promise<ScriptedKafka> {
  const script: Record<number, Answering> = {};
  const asked: number[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const connection = sockets.size;
    sockets.add(socket);
    socket.on('error', () => undefined);
    let bytes = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0)) {
        const size = bytes.readInt32BE(0);
        take(bytes.subarray(4, 4 + size));
        bytes = bytes.subarray(4 + size);
      }
    });
    const take = (request: Buffer): void => {
      const decoder = new Decoder(request);
      const [key, , correlation] = [decoder.readInt16(), decoder.readInt16(), decoder.readInt32()];
      decoder.readString();
      if (key !== API.apiVersions) asked.push(key);
      const body = key === API.apiVersions ? versionsOf(script) : (script[key]?.answer(decoder, connection) ?? 'cut');
      if (body === 'silence') return;
      if (body === 'cut') return void socket.destroy();
      const { buffer } = body as unknown as { buffer: Buffer };
      const head = Buffer.alloc(8);
      head.writeInt32BE(4 + buffer.length, 0);
      head.writeInt32BE(correlation, 4);
      socket.write(Buffer.concat([head, buffer]));
    };
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    host: '127.0.0.1',
    port,
    address: `127.0.0.1:${port}`,
    asked,
    script,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function versionsOf(script: Record<number, Answering>): WireEncoder {
  const entries = Object.entries(script).map(([key, { version }]) =>
    new Encoder().writeInt16(Number(key)).writeInt16(version).writeInt16(version),
  );
  return new Encoder().writeInt16(0).writeArray(entries).writeInt32(0);
}

/** Metadata, version 5: `leaders` of the partitions of `topic`, -1 for none; without any the topic is unknown. Nodes are numbered as they stand. */
export function metadataOf(
  nodes: readonly ScriptedKafka[],
  topic: string,
  leaders: readonly number[],
  controller = 0,
): WireEncoder {
  const brokers = nodes.map(({ host, port }, node) =>
    new Encoder().writeInt32(node).writeString(host).writeInt32(port).writeString(null),
  );
  const partitions = leaders.map((leader, partition) => {
    const code = leader < 0 ? CODE.leaderNotAvailable : 0;
    return new Encoder()
      .writeInt16(code)
      .writeInt32(partition)
      .writeInt32(leader)
      .writeArray([])
      .writeArray([])
      .writeArray([]);
  });
  const code = leaders.length === 0 ? CODE.unknownTopic : 0;
  const topics = [new Encoder().writeInt16(code).writeString(topic).writeInt8(0).writeArray(partitions)];
  const head = new Encoder().writeInt32(0).writeArray(brokers).writeString('cluster').writeInt32(controller);
  return head.writeArray(topics);
}

/** DeleteRecords, version 1, of one partition. */
export function deletedOf(topic: string, partition: number, code: number): WireEncoder {
  const one = new Encoder().writeInt32(partition).writeInt64(-1).writeInt16(code);
  return new Encoder().writeInt32(0).writeArray([new Encoder().writeString(topic).writeArray([one])]);
}

/** CreateTopics, version 1, of one topic. */
export function createdOf(topic: string, code: number): WireEncoder {
  return new Encoder().writeArray([new Encoder().writeString(topic).writeInt16(code).writeString(null)]);
}

/** FindCoordinator, version 1. */
export function coordinatorOf({ host, port }: ScriptedKafka): WireEncoder {
  return new Encoder().writeInt32(0).writeInt16(0).writeString(null).writeInt32(0).writeString(host).writeInt32(port);
}

/** JoinGroup, version 5, to a member that is not the leader. */
export function joinedOf(member: string, generation: number, code = 0): WireEncoder {
  const head = new Encoder().writeInt32(0).writeInt16(code).writeInt32(generation).writeString('protocol');
  return head.writeString('the leader').writeString(member).writeArray([]);
}

/** SyncGroup, version 0. */
export function syncedOf(assignment: Buffer, code = 0): WireEncoder {
  return new Encoder().writeInt16(code).writeBytes(assignment);
}

/** Heartbeat or LeaveGroup, version 0. */
export const codeOf = (code: number): WireEncoder => new Encoder().writeInt16(code);

/** SaslHandshake, version 1. */
export const mechanismsOf = (...mechanisms: readonly string[]): WireEncoder =>
  new Encoder().writeInt16(0).writeArray(mechanisms);

/** SaslAuthenticate, version 0. */
export const authenticatedOf = (code: number, message = ''): WireEncoder =>
  new Encoder()
    .writeInt16(code)
    .writeString(code === 0 ? null : 'no')
    .writeBytes(Buffer.from(message));

/** Fetch, version 11, of one partition. */
export function fetchedOf(topic: string, end: number, records: Buffer, code = 0): WireEncoder {
  const one = new Encoder().writeInt32(0).writeInt16(code).writeInt64(end).writeInt64(end).writeInt64(0);
  one.writeArray([]).writeInt32(-1).writeBytes(records);
  const topics = [new Encoder().writeString(topic).writeArray([one])];
  return new Encoder().writeInt32(0).writeInt16(0).writeInt32(0).writeArray(topics);
}

/** ListOffsets, version 2, of one partition. */
export function offsetOf(topic: string, offset: number): WireEncoder {
  const one = new Encoder().writeInt32(0).writeInt16(0).writeInt64(-1).writeInt64(offset);
  return new Encoder().writeInt32(0).writeArray([new Encoder().writeString(topic).writeArray([one])]);
}

/** The time that a ListOffsets request of one partition asks for: -2 for the first offset, -1 for the end. */
export function askedTime(request: WireDecoder): number {
  request.readInt32();
  request.readInt8();
  const [topic] = request.readArray((inner) => [inner.readString(), inner.readArray(readTime)] as const);
  return topic![1][0]!;
}

function readTime(inner: WireDecoder): number {
  inner.readInt32();
  return Number(inner.readInt64().toString());
}
