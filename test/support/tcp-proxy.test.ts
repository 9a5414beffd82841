import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { TcpProxy } from './tcp-proxy.ts';
import { PRODUCE, kafkaRequest, startTcpProxy } from './tcp-proxy.ts';

/** A frame as Kafka's requests are: size, api key, version, correlation id, and a body. */
function frame(apiKey: number, correlationId: number, bodyBytes = 20): Buffer {
  const bytes = Buffer.alloc(12 + bodyBytes, correlationId);
  bytes.writeInt32BE(8 + bodyBytes, 0);
  bytes.writeInt16BE(apiKey, 4);
  bytes.writeInt16BE(0, 6);
  bytes.writeInt32BE(correlationId, 8);
  return bytes;
}

let seenBytes = 0;
let echo: Server;
let proxy: TcpProxy;

beforeEach(async () => {
  seenBytes = 0;
  echo = createServer((socket) => {
    socket
      .on('error', () => {})
      .on('data', (chunk) => {
        seenBytes += chunk.length;
        socket.write(chunk);
      });
  }).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  proxy = await startTcpProxy({ target: `127.0.0.1:${(echo.address() as AddressInfo).port}` });
});

afterEach(async () => {
  await proxy.stop();
  await new Promise((resolve) => echo.close(resolve));
});

/** Opens a connection, and gathers what comes back until it ends or `wantedBytes` are there. */
async function talk(chunks: readonly Buffer[], wantedBytes: number): Promise<Buffer> {
  const socket = connect(Number(proxy.address.split(':')[1]), '127.0.0.1');
  const answers: Buffer[] = [];
  let gotBytes = 0;
  const over = new Promise<void>((resolve) => {
    socket.on('error', () => {}).on('close', () => resolve());
    socket.on('data', (chunk) => {
      answers.push(chunk);
      gotBytes += chunk.length;
      if (gotBytes >= wantedBytes) resolve();
    });
  });
  for (const chunk of chunks) socket.write(chunk);
  await over;
  socket.destroy();
  return Buffer.concat(answers);
}

test('passes bytes on, later if it is told so', async () => {
  const request = frame(3, 1);
  expect(await talk([request], request.length)).toEqual(request);
  proxy.delay(50);
  const startMs = performance.now();
  expect(await talk([request, request], request.length * 2)).toEqual(Buffer.concat([request, request]));
  expect(performance.now() - startMs).toBeGreaterThan(95);
});

test('swallows the answer to the request that is meant, however the bytes are cut, and no other', async () => {
  const requests = [frame(3, 1), frame(PRODUCE, 2, 3000), frame(3, 3)];
  const bytes = Buffer.concat(requests);
  for (const pieceBytes of [1, 5, 13, 64, bytes.length]) {
    proxy.swallowAnswers(1, kafkaRequest(PRODUCE));
    seenBytes = 0;
    const pieces = Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, i) =>
      bytes.subarray(i * pieceBytes, (i + 1) * pieceBytes),
    );
    const answer = await talk(pieces, bytes.length);
    expect(answer).toEqual(requests[0]);
    expect(seenBytes).toBeGreaterThanOrEqual(44);
    expect(proxy.pendingAnswers).toBe(0);
  }
  expect(proxy.counters.swallowed).toBe(5);
  expect(await talk([bytes], bytes.length)).toEqual(bytes);
});

test('truncates an answer', async () => {
  proxy.truncateAnswers(1, 7, kafkaRequest(PRODUCE));
  const [before, cut] = [frame(3, 1), frame(PRODUCE, 2)];
  expect(await talk([before, cut], 1000)).toEqual(Buffer.concat([before, cut.subarray(0, 7)]));
  expect(proxy.counters.truncated).toBe(1);
});

test('a trap whose connection ends without an answer waits for the next', async () => {
  proxy.swallowAnswers(1, kafkaRequest(PRODUCE));
  proxy.delay(10_000);
  const talking = talk([frame(PRODUCE, 1)], 1);
  while (proxy.pendingAnswers > 0) await sleep(5);
  proxy.cut();
  expect(await talking).toHaveLength(0);
  expect([proxy.pendingAnswers, proxy.counters.swallowed]).toEqual([1, 0]);
});

test('cuts, refuses, opens half, pauses, and opens again', async () => {
  const request = frame(3, 1);
  proxy.refuse();
  expect(await talk([request], 1)).toHaveLength(0);
  proxy.open();
  expect(await talk([request], request.length)).toEqual(request);

  while (proxy.openConnections > 0) await sleep(5);
  seenBytes = 0;
  proxy.halfOpen();
  const unheard = talk([request], 1);
  await sleep(100);
  expect([seenBytes, proxy.openConnections]).toEqual([0, 1]);
  proxy.open();
  expect(await unheard).toHaveLength(0);

  proxy.pause();
  const held = talk([request], request.length);
  await sleep(100);
  expect(seenBytes).toBe(0);
  proxy.open();
  expect(await held).toEqual(request);
});
