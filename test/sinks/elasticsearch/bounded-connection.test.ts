import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import { OperatingError, describeError } from '../../../src/lib/errors.ts';
import {
  type ElasticsearchClient,
  openElasticsearch,
  waitForElasticsearch,
  withElasticsearch,
} from '../../../src/sinks/elasticsearch/client.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { bulkTransport } from '../../../src/sinks/elasticsearch/bulk-transport.ts';
import { indexSums } from '../../../src/sinks/elasticsearch/index-sums.ts';
import { openRows } from '../../../src/sinks/elasticsearch/open-rows.ts';
import { planTemplates } from '../../../src/sinks/elasticsearch/provision.ts';
import { deleteOldIndices } from '../../../src/sinks/elasticsearch/retention.ts';
import { searchPort } from '../../../src/sinks/elasticsearch/search-port.ts';
import { type ScriptedAnswer, type ScriptedServer, startScriptedServer } from '../../support/scripted-http.ts';

const MIB = 1024 * 1024;
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function serve(answer: ScriptedAnswer): Promise<{ client: ElasticsearchClient; server: ScriptedServer }> {
  const server = await startScriptedServer(() => answer);
  const client = openElasticsearch({ nodes: [server.url], auth: { apiKey: 'c2VjcmV0' }, requestTimeoutMs: 2000 });
  closers.push(
    () => client.close(),
    () => server.stop(),
  );
  return { client, server };
}

const BOMB = gzipSync(Buffer.concat([Buffer.from('{"a":['), Buffer.alloc(200 * MIB, '0,')]), { level: 1 });

/** What nobody who asks an Elasticsearch is to be hurt by. */
const ANSWERS: readonly (readonly [string, () => ScriptedAnswer])[] = [
  [
    'a gzip of 1 MB that unpacks to 200 MB',
    () => ({ status: 200, body: BOMB, headers: { 'content-encoding': 'gzip' } }),
  ],
  ['gzip that is none', () => ({ status: 200, body: 'no gzip', headers: { 'content-encoding': 'gzip' } })],
  [
    'gzip that is cut off',
    () => ({ status: 200, body: BOMB.subarray(0, 500), headers: { 'content-encoding': 'gzip' } }),
  ],
  ['128 MiB', () => ({ status: 200, body: Buffer.alloc(128 * MIB, ' ') })],
  [
    '128 MiB of what is no JSON',
    () => ({ status: 200, body: Buffer.alloc(128 * MIB, 'x'), headers: { 'content-type': 'text/html' } }),
  ],
  ['128 MiB with an error', () => ({ status: 500, body: Buffer.alloc(128 * MIB, ' ') })],
  ['a redirect', () => ({ status: 302, headers: { location: 'http://127.0.0.1:1/_bulk' } })],
  ['a redirect that says nothing', () => ({ status: 304 })],
  ['nothing', () => ({ status: 204, body: '' })],
  ['{}', () => ({ status: 200, body: {} })],
  ['null', () => ({ status: 200, body: 'null' })],
  ['a list', () => ({ status: 200, body: [] })],
  ['a text', () => ({ status: 200, body: '"x"' })],
  ['a page', () => ({ status: 200, body: '<html>', headers: { 'content-type': 'text/html' } })],
  ['half a JSON', () => ({ status: 200, body: '{"hits":' })],
  ['a prototype', () => ({ status: 200, body: '{"__proto__":{"items":[]}}' })],
  ['a million brackets', () => ({ status: 200, body: '['.repeat(500_000) + ']'.repeat(500_000) })],
  ['an image', () => ({ status: 200, body: 'x', headers: { 'content-type': 'application/vnd.mapbox-vector-tile' } })],
  [
    'fields of other types',
    () => ({ status: 200, body: { status: 7, id: 7, items: {}, hits: [], docs: 1, index_templates: {} } }),
  ],
  ['what another product says', () => ({ status: 200, body: {}, headers: { 'x-elastic-product': 'OtherSearch' } })],
];

const QUERY = { prefix: 'tailrace', pipeline: 'web', rollup: 'traffic' };
const NEVER = new AbortController().signal;
const ASKERS: Readonly<Record<string, (client: ElasticsearchClient) => Promise<unknown>>> = {
  health: (client) => waitForElasticsearch(client, { clock: systemClock, timeoutMs: 0 }),
  templates: (client) => planTemplates(client, [{ name: 'one', body: {} as never }]),
  'open rows': (client) => openRows(client, QUERY, NEVER),
  search: (client) => searchPort(client).search({ query: {} }),
  'point in time': (client) => searchPort(client).openPointInTime('i', '1m'),
  sums: (client) => indexSums(client, { prefix: 'tailrace', stream: 'access' }),
};

describe.each(ANSWERS)('%s', (_, answer) => {
  test('is a named error that may pass, whoever asked', async () => {
    const { client, server } = await serve(answer());
    for (const [name, ask] of Object.entries(ASKERS)) {
      const asked = server.requests.length;
      const outcome = await ask(client).then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
      if ('value' in outcome) {
        // An empty object is no index at all: there is nothing to add up.
        expect([name, outcome.value]).toEqual(['sums', new Map()]);
        continue;
      }
      expect([name, outcome.error]).toEqual([name, expect.any(OperatingError)]);
      expect(outcome.error).toMatchObject({ isRetryable: true });
      expect(describeError(outcome.error).length).toBeLessThan(600);
      // No redirect is followed, and nothing is tried again by the client; open rows are refreshed before they are asked for.
      expect(server.requests.length - asked).toBeLessThanOrEqual(name === 'open rows' ? 2 : 1);
    }
  }, 60_000);

  test('to a bulk or the retention is no trace either', async () => {
    const { client } = await serve(answer());
    for (const ask of [
      () => bulkTransport(client).send(gzipSync('{}\n')),
      () => deleteOldIndices(client, { prefix: 'tailrace', streams: ['access'], retentionMs: 1 }, 1),
      () => withElasticsearch(client, 'a question', () => client.info()),
    ]) {
      const error = await ask().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (error !== undefined) expect(error).toMatchObject({ name: 'OperatingError', isRetryable: true });
    }
  }, 60_000);
});

test('headers that come twice are an error of their own', async () => {
  const head = 'HTTP/1.1 200 OK\r\nx-elastic-product: Elasticsearch\r\ncontent-type: application/json\r\n';
  const twice = 'content-encoding: gzip\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}';
  expect(await against(`${head}${twice}`)).toMatchObject({ code: 'ES_ANSWER', isRetryable: true });
});

test('an answer that comes byte by byte ends in time', async () => {
  const startedMs = performance.now();
  const head = 'HTTP/1.1 200 OK\r\nx-elastic-product: Elasticsearch\r\ncontent-length: 1000000\r\n\r\n';
  expect(await against(head, true)).toMatchObject({ code: 'ES_TIMEOUT', isRetryable: true });
  expect(performance.now() - startedMs).toBeLessThan(20_000);
});

/** What a question fails by, that is answered so and then perhaps with a blank ten times a second. */
async function against(answer: string, isDripping = false): Promise<unknown> {
  const timers: NodeJS.Timeout[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(answer);
      if (isDripping) timers.push(setInterval(() => socket.write(' '), 100));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = openElasticsearch({ nodes: [`http://127.0.0.1:${port}`], requestTimeoutMs: 400 });
  closers.push(async () => {
    for (const timer of timers) clearInterval(timer);
    server.close();
    await client.close();
  });
  return withElasticsearch(client, 'a question', () => client.cluster.health()).then(
    () => undefined,
    (error: unknown) => error,
  );
}
