import { randomBytes } from 'node:crypto';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { isTransient } from '../../../src/broker/kafka/kafka-error.ts';
import { Connection } from '../../../src/broker/kafka/wire/connection.ts';
import { metadata } from '../../../src/broker/kafka/wire/requests.ts';
import { OperatingError } from '../../../src/lib/errors.ts';
import { type NonsenseServer, flood, frameOf, startNonsense } from '../../support/nonsense-server.ts';
import {
  API,
  type Answering,
  Decoder,
  type ScriptedKafka,
  authenticatedOf,
  mechanismsOf,
  startScriptedKafka,
} from '../../support/scripted-kafka.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** What it fails by to connect to a server that answers so. */
async function failureAgainst(answer: (socket: Socket, bytes: Buffer) => void): Promise<unknown> {
  const server: NonsenseServer = await startNonsense(answer);
  closers.push(() => server.stop());
  return failureAt(server);
}

async function failureAt(server: { readonly address: string; readonly port: number }): Promise<unknown> {
  const options = { brokers: [server.address], clientId: 'test', connectTimeoutMs: 1500, requestTimeoutMs: 1500 };
  return Connection.open({ host: '127.0.0.1', port: server.port }, options).then(
    (connection) => connection.close(),
    (error: unknown) => error,
  );
}

describe('a server that is no broker', () => {
  test.each<[string, (socket: Socket) => void]>([
    ['random bytes', (socket) => socket.write(randomBytes(4096))],
    ['a frame of 2 GB', (socket) => flood(socket, frameOf(2 ** 31 - 1, 0))],
    ['a negative length', (socket) => socket.write(frameOf(-1, 0))],
    ['a length of zero', (socket) => socket.write(frameOf(0, 0))],
    ['an answer to another request', (socket) => socket.write(frameOf(10, 999, Buffer.alloc(6)))],
    ['an array of 2^31 - 1', (socket) => socket.write(frameOf(10, 0, Buffer.from('00007fffffff', 'hex')))],
    ['an array of -2', (socket) => socket.write(frameOf(10, 0, Buffer.from('0000fffffffe', 'hex')))],
    ['an answer that ends too early', (socket) => socket.write(frameOf(5, 0, Buffer.from([0])))],
    ['the alert of a TLS listener', (socket) => socket.write(Buffer.from([0x15, 3, 3, 0, 2, 2, 40]))],
  ])('%s', async (_, answer) => {
    const error = await failureAgainst((socket) => answer(socket));
    expect(error).toBeInstanceOf(OperatingError);
    expect(error).toMatchObject({ code: 'KAFKA_BAD_ANSWER', isRetryable: true });
    expect((error as Error).message).toMatch(/^127\.0\.0\.1:\d+ answers as no Kafka does/);
  });

  test('a web server', async () => {
    const server = createHttpServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(async () => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const error = await failureAt({ address: `127.0.0.1:${port}`, port });
    expect(error).toMatchObject({ code: 'KAFKA_BAD_ANSWER' });
    expect((error as Error).message).toContain('web server');
  });

  test.each<[string, (socket: Socket) => void]>([
    ['closes', (socket) => socket.end()],
    ['resets', (socket) => socket.resetAndDestroy()],
    ['is silent', () => undefined],
    ['answers a byte a second', (socket) => void socket.write(Buffer.from([0]))],
  ])('one that %s has not answered', async (_, answer) => {
    const error = await failureAgainst((socket) => answer(socket));
    expect(error).toBeInstanceOf(Error);
    expect(isTransient(error)).toBe(true);
  });
});

describe('a broker whose answers cannot be read', () => {
  async function connected(answer: Answering): Promise<{ connection: Connection; kafka: ScriptedKafka }> {
    const kafka = await startScriptedKafka();
    closers.push(() => kafka.stop());
    kafka.script[API.metadata] = answer;
    const options = { brokers: [kafka.address], clientId: 'test', requestTimeoutMs: 1500 };
    const connection = await Connection.open(kafka, options);
    closers.push(async () => connection.close());
    return { connection, kafka };
  }
  const raw =
    (hex: string): Answering['answer'] =>
    () =>
      ({ buffer: Buffer.from(hex, 'hex') }) as never;

  test.each([
    ['nothing', ''],
    ['brokers without end', '000000007fffffff'],
    ['a host of −3 bytes', '00000000 00000001 00000001 fffd 00000000'.replaceAll(' ', '')],
    ['a port that is none', '00000000 00000001 00000001 0001 61 0001ffff ffff'.replaceAll(' ', '')],
    ['no topic', '00000000 00000000 ffff 00000001 00000000'.replaceAll(' ', '')],
    ['another topic', '00000000 00000000 ffff 00000001 00000001 0000 0001 62 00 00000000'.replaceAll(' ', '')],
  ])('%s: named, retryable, and the connection is given up', async (_, hex) => {
    const { connection } = await connected({ version: 5, answer: raw(hex) });
    await expect(metadata(connection, ['topic'])).rejects.toMatchObject({
      code: 'KAFKA_BAD_ANSWER',
      isRetryable: true,
      message: expect.stringContaining('(Metadata)'),
    });
    expect(connection.isOpen).toBe(false);
  });

  test('a password is not hashed for an hour because the broker says so', async () => {
    const kafka = await startScriptedKafka();
    closers.push(() => kafka.stop());
    kafka.script[API.saslHandshake] = { version: 1, answer: () => mechanismsOf('SCRAM-SHA-256') };
    kafka.script[API.saslAuthenticate] = {
      version: 0,
      answer: (request) => {
        const nonce = /r=([^,]+)/.exec(request.readBytes()!.toString())![1]!;
        return authenticatedOf(0, `r=${nonce}x,s=c2FsdA==,i=2000000000`);
      },
    };
    const sasl = { mechanism: 'scram-sha-256', username: 'u', password: 'p' } as const;
    const options = { brokers: [kafka.address], clientId: 'test', sasl };
    await expect(Connection.open(kafka, options)).rejects.toMatchObject({
      code: 'KAFKA_BAD_ANSWER',
      message: expect.stringContaining('2000000000 iterations'),
    });
  });
});

describe('the decoder', () => {
  test.each<[string, string, (decoder: InstanceType<typeof Decoder>) => unknown]>([
    ['a text beyond the end', '0005 61', (decoder) => decoder.readString()],
    ['a text of −2', 'fffe 6161', (decoder) => decoder.readString()],
    ['bytes beyond the end', '00000005 61', (decoder) => decoder.readBytes()],
    ['bytes of −2', 'fffffffe 61', (decoder) => decoder.readBytes()],
    ['half a number', '00000000', (decoder) => decoder.readInt64()],
    ['an array of 2^31 − 1', '7fffffff 00', (decoder) => decoder.readArray((inner) => inner.readInt8())],
    ['an array of −2', 'fffffffe', (decoder) => decoder.readArray((inner) => inner.readInt8())],
  ])('%s is a RangeError', (_, hex, read) => {
    expect(() => read(new Decoder(Buffer.from(hex.replaceAll(' ', ''), 'hex')))).toThrow(RangeError);
  });

  test('reads what is whole', () => {
    const decoder = new Decoder(
      Buffer.from('0001 61 ffff 00000001 62 ffffffff fffffffffffffffe 00000001 07'.replaceAll(' ', ''), 'hex'),
    );
    expect([decoder.readString(), decoder.readString(), decoder.readBytes()?.toString(), decoder.readBytes()]).toEqual([
      'a',
      null,
      'b',
      null,
    ]);
    expect(decoder.readInt64().toString()).toBe('-2');
    expect(decoder.readArray((inner) => inner.readInt8())).toEqual([7]);
  });
});
