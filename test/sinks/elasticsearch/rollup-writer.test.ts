import { gunzipSync } from 'node:zlib';
import { afterEach, expect, test } from '@jest/globals';
import { seededRandom } from '../../../src/lib/random.ts';
import { openElasticsearch } from '../../../src/sinks/elasticsearch/client.ts';
import {
  type OutgoingRow,
  RollupWriter,
  type RollupWriterEvent,
} from '../../../src/sinks/elasticsearch/rollup-writer.ts';
import { StreamFold } from '../../../src/sinks/stream-fold.ts';
import { bodyOf, pipelineOf, rowsOf } from '../../support/epochs.ts';
import { leapingClock } from '../../support/leaping-clock.ts';
import { type Script, startScriptedServer } from '../../support/scripted-http.ts';
import { AGGREGATES } from '../../support/warehouse-harness.ts';

const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

async function begin(script: Script) {
  const server = await startScriptedServer(script);
  const client = openElasticsearch({ nodes: [server.url], requestTimeoutMs: 30_000 });
  opened.push(() => client.close().then(() => server.stop()));
  const events: RollupWriterEvent[] = [];
  const writer = new RollupWriter({
    client,
    clock: leapingClock(),
    random: seededRandom(1),
    aggregates: AGGREGATES,
    prefix: 'tailrace',
    pipeline: 'web',
    notify: (event) => events.push(event),
  });
  return {
    server,
    events,
    write: (rows: number, signal = new AbortController().signal) => writer.write(rowsOfOne(rows), signal),
  };
}

function rowsOfOne(count: number): OutgoingRow[] {
  const fold = new StreamFold(['traffic']);
  const rows = Array.from({ length: count }, (_, i) => ({
    startMs: 0,
    endMs: 60_000,
    key: [`/${i}`, 200],
    accumulators: [10, 1],
    lines: 1,
  }));
  fold.apply({
    from: { stream: 'access', topic: 't', partition: 0 },
    epoch: {
      envelope: {
        id: '1',
        prev: '',
        task: { pipeline: 'web', stream: 'access', partition: 0 },
        n: 1,
        from: 0,
        to: 1,
        rawLog: 'raw',
        rawId: '',
        isSnapshot: true,
        generation: 1,
        otherLines: {},
        possibleLossBytes: 0,
        possibleDoubleBytes: 0,
        part: 0,
        parts: 1,
      },
      body: bodyOf({ upserts: [rowsOf('traffic', rows)], watermarkMs: 0, pipeline: pipelineOf() }),
    },
    nextOffset: 2,
  });
  return fold.takeChanged().map((row) => ({ row, fold }));
}

interface Verdict {
  readonly status: number;
  readonly error?: { readonly type: string; readonly reason: string };
}

const STORED: Verdict = { status: 201 };

const linesOf = (body: Buffer): number => gunzipSync(body).toString('utf8').split('\n').length - 1;

/** The answer to a bulk, each of whose documents gets the same. */
const answerOf = (body: Buffer, verdict: Verdict) => {
  const count = linesOf(body) / 2;
  return { status: 200, body: { items: Array.from({ length: count }, () => ({ create: verdict })) } };
};

test.each([
  [400, 'validation_exception', 'this action would add [2] shards, but this cluster has [1000]/[1000]'],
  [400, 'illegal_argument_exception', 'pipeline with id [gone] does not exist'],
  [400, 'index_closed_exception', 'closed'],
  [403, 'cluster_block_exception', 'blocked by: [FORBIDDEN/8/index write (api)];'],
  [403, 'security_exception', 'is unauthorized'],
  [404, 'index_not_found_exception', 'no such index and [action.auto_create_index] is [false]'],
  [429, 'es_rejected_execution_exception', 'queue is full'],
])('rows that the cluster refuses with %i %s wait, are said once, and go in', async (status, type, reason) => {
  let tries = 0;
  const { server, events, write } = await begin(({ body }) =>
    answerOf(body, ++tries < 4 ? { status, error: { type, reason } } : STORED),
  );
  expect(await write(2)).toBe(true);
  expect(server.requests).toHaveLength(4);
  expect(events.map((event) => event.type)).toEqual(['away', 'back']);
  expect(events[0]).toMatchObject({
    error: { code: 'ES_BUSY', message: expect.stringContaining(`${status}: ${type}`) },
  });
});

test('another reason for the same absence is said, too', async () => {
  const statuses = [503, 503, 401, 401];
  const { events, write } = await begin(({ body }) => {
    const status = statuses.shift();
    return status === undefined ? answerOf(body, STORED) : { status };
  });
  expect(await write(1)).toBe(true);
  expect(events.map((event) => (event.type === 'away' ? event.error.code : event.type))).toEqual([
    expect.stringMatching(/^ES_(?!AUTH)/),
    'ES_AUTH',
    'back',
  ]);
});

test.each([401, 403, 404, 400, 503])(
  'a request that is answered with %i is made again until it goes through',
  async (status) => {
    let tries = 0;
    const { events, write } = await begin(({ body }) => (++tries < 3 ? { status } : answerOf(body, STORED)));
    expect(await write(1)).toBe(true);
    expect(events.map((event) => event.type)).toEqual(['away', 'back']);
  },
);

test('rows that an index will never take are said at powers of two', async () => {
  const error = { type: 'document_parsing_exception', reason: 'failed to parse field [url.path]' };
  const { events, write } = await begin(({ body }) => answerOf(body, { status: 400, error }));
  expect(await write(9)).toBe(true);
  expect(events.map((event) => event.type === 'refused' && event.count)).toEqual([1, 2, 4, 8]);
});

test('a request that is too large for the server is cut until it is not', async () => {
  const { server, write } = await begin(({ body }) => (linesOf(body) > 4 ? { status: 413 } : answerOf(body, STORED)));
  expect(await write(8)).toBe(true);
  expect(server.requests.map(({ body }) => linesOf(body) / 2)).toEqual([8, 4, 2, 2, 4, 2, 2]);
});

test('documents whose answer is longer than the client takes are asked for in halves', async () => {
  const asked: number[] = [];
  let bulks = 0;
  const { events, write } = await begin(({ path, body }) => {
    if (path !== '/_mget') return answerOf(body, ++bulks === 1 ? { status: 409 } : STORED);
    const { docs } = JSON.parse(gunzipSync(body).toString('utf8')) as { docs: unknown[] };
    asked.push(docs.length);
    const length = docs.length > 2 ? 17 * 1024 * 1024 : 1;
    return { status: 200, body: { docs: docs.map(() => ({ found: false })), pad: 'x'.repeat(length) } };
  });
  expect(await write(8)).toBe(true);
  expect(asked).toEqual([8, 4, 2, 2, 4, 2, 2]);
  expect(events).toEqual([]);
});

test('a server that takes the request and answers nothing holds nobody up at the stop', async () => {
  const stop = new AbortController();
  const { events, write } = await begin(() => {
    setImmediate(() => stop.abort());
    return undefined;
  });
  const startedMs = performance.now();
  expect(await write(1, stop.signal)).toBe(false);
  expect(performance.now() - startedMs).toBeLessThan(10_000);
  expect(events).toEqual([]);
});
