import { afterEach, describe, expect, test } from '@jest/globals';
import { gunzipSync } from 'node:zlib';
import { emptySum } from '../../../src/record/line-id.ts';
import { type Account, Bulk, actionBegin } from '../../../src/sinks/elasticsearch/bulk.ts';
import { BulkSender, type Rejection, type SenderEvent } from '../../../src/sinks/elasticsearch/bulk-sender.ts';
import { bulkTransport } from '../../../src/sinks/elasticsearch/bulk-transport.ts';
import { openElasticsearch } from '../../../src/sinks/elasticsearch/client.ts';
import { documentId, sourcePart } from '../../../src/sinks/elasticsearch/document-id.ts';
import { type LeapingClock, leapingClock } from '../../support/leaping-clock.ts';
import { type ScriptedAnswer, type ScriptedServer, startScriptedServer } from '../../support/scripted-http.ts';

const SOURCE = '11c3bf69-c9d2-4791-9c52-239132814ab5/1';
const INDEX = 'tailrace-access-2026.11.26';

interface Sent {
  readonly id: string;
  readonly index: string;
  readonly document: Record<string, unknown>;
}

/** What a server does with a document: its status, and the reason for a 400. */
type Judge = (sent: Sent) => { readonly status: number; readonly error?: unknown; readonly failure_store?: string };

const created: Judge = () => ({ status: 201 });
const parsing = (reason: string): unknown => ({ type: 'document_parsing_exception', reason });

/** A server that keeps what it takes, as the real one does, and answers as its judge says. */
class Store {
  readonly documents = new Map<string, Sent>();
  readonly requests: Sent[][] = [];
  judge: Judge = created;
  /** In place of the answer, if it returns one; what was judged is kept all the same. */
  instead: (request: number, answer: string) => ScriptedAnswer | 'none' | undefined = () => undefined;

  answer(body: Buffer): ScriptedAnswer | undefined {
    const lines = gunzipSync(body).toString('utf8').split('\n').slice(0, -1);
    const sent: Sent[] = [];
    for (let i = 0; i < lines.length; i += 2) {
      const { create } = JSON.parse(lines[i]!) as { create: { _id: string; _index: string } };
      sent.push({ id: create._id, index: create._index, document: JSON.parse(lines[i + 1]!) as Sent['document'] });
    }
    this.requests.push(sent);
    const items = sent.map((one) => ({ create: { _id: one.id, ...this.#take(one) } }));
    const whole = JSON.stringify({ items });
    const instead = this.instead(this.requests.length, whole);
    return instead === 'none' ? undefined : (instead ?? { status: 200, body: whole });
  }

  #take(one: Sent): object {
    const key = `${one.index}/${one.id}`;
    if (this.documents.has(key)) return { status: 409, error: { type: 'version_conflict_engine_exception' } };
    const verdict = this.judge(one);
    if (verdict.status === 201 && verdict.failure_store === undefined) this.documents.set(key, one);
    return verdict;
  }

  ids(index = INDEX): string[] {
    return [...this.documents.values()].filter((one) => one.index === index).map(({ id }) => id);
  }
}

const idOf = (item: number): string => documentId(SOURCE, item * 100);

function bulkOf(count: number, more: (item: number) => object = () => ({})): Bulk {
  const bulk = new Bulk(1024);
  const account: Account = { source: SOURCE, index: INDEX, sum: emptySum() };
  for (let item = 0; item < count; item++) {
    bulk.beginItem(actionBegin(INDEX), Buffer.from(sourcePart(SOURCE)), item * 100);
    const document = {
      '@timestamp': '2026-11-26T10:00:00.000Z',
      'event.created': '2026-11-26T10:00:01.000Z',
      message: `line ${item}`,
      'http.response.body.bytes': item,
      'url.path': '/',
      ...more(item),
    };
    bulk.json.raw(Buffer.from(JSON.stringify(document)));
    bulk.endItem(account, item, item);
  }
  return bulk;
}

describe('documents on their way', () => {
  const opened: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of opened.splice(0)) await close();
  });

  async function begin(): Promise<{
    store: Store;
    server: ScriptedServer;
    events: SenderEvent[];
    clock: LeapingClock;
    deliver: (bulk: Bulk) => Promise<Rejection[]>;
  }> {
    const store = new Store();
    const server = await startScriptedServer(({ body }) => store.answer(body));
    const client = openElasticsearch({ nodes: [server.url], requestTimeoutMs: 2_000 });
    opened.push(() => client.close().then(() => server.stop()));
    const events: SenderEvent[] = [];
    const clock = leapingClock();
    const sender = new BulkSender({
      transport: bulkTransport(client),
      clock,
      random: () => 0.5,
      deadLetterIndex: () => 'tailrace-dead-letters-2026.11.26',
      notify: (event) => events.push(event),
    });
    return { store, server, events, clock, deliver: (bulk) => sender.deliver(bulk) };
  }

  test('go in with one request', async () => {
    const { store, deliver, events } = await begin();
    expect(await deliver(bulkOf(100))).toEqual([]);
    expect(store.ids()).toEqual(Array.from({ length: 100 }, (_, item) => idOf(item)));
    expect([store.requests.length, events]).toEqual([1, []]);
  });

  test('are there already when an earlier answer was lost: no second document, no complaint', async () => {
    const { store, deliver } = await begin();
    store.instead = (request) => (request === 1 ? 'none' : undefined);
    expect(await deliver(bulkOf(10))).toEqual([]);
    expect([store.documents.size, store.requests.length]).toEqual([10, 2]);
  });

  const unknown: readonly (readonly [string, (answer: string) => ScriptedAnswer | 'none'])[] = [
    ['cut short', (answer) => ({ status: 200, body: answer.slice(0, answer.length / 2) })],
    ['of fewer items', () => ({ status: 200, body: { items: [{ create: { _id: idOf(0), status: 201 } }] } })],
    [
      'in another order',
      (answer) => ({ status: 200, body: { items: (JSON.parse(answer) as { items: unknown[] }).items.toReversed() } }),
    ],
    ['of another request', () => ({ status: 200, body: { items: [] } })],
    ['without a word', () => 'none'],
    ['that is a page', () => ({ status: 200, body: '<html>', headers: { 'content-type': 'text/html' } })],
  ];
  test.each(unknown)('are sent again after an answer %s, since nobody knows', async (_, instead) => {
    const { store, deliver } = await begin();
    store.instead = (request, answer) => (request === 1 ? instead(answer) : undefined);
    expect(await deliver(bulkOf(5))).toEqual([]);
    expect([store.documents.size, store.requests.length]).toEqual([5, 2]);
  });

  test('that the server could not take now come again alone', async () => {
    const { store, deliver } = await begin();
    let tries = 0;
    store.judge = ({ id }) => ({
      status: id === idOf(3) && ++tries < 3 ? 429 : id === idOf(4) && tries < 2 ? 503 : 201,
    });
    expect(await deliver(bulkOf(10))).toEqual([]);
    expect(store.documents.size).toBe(10);
    expect(store.requests.map((sent) => sent.length)).toEqual([10, 2, 1]);
  });

  test('wait in a storm, longer each time and no longer than ten seconds, with one line when it goes on', async () => {
    const { store, deliver, clock, events } = await begin();
    store.instead = (request) => (request <= 12 ? { status: request % 2 === 0 ? 429 : 503 } : undefined);
    await deliver(bulkOf(5));
    expect(store.documents.size).toBe(5);
    expect(events.map(({ type }) => type)).toEqual(['away', 'back']);
    expect(clock.monotonicMs()).toBeGreaterThan(60_000);
    // One request a pause: what is sent again in a storm is bounded by time.
    expect(store.requests.length).toBe(13);
  });

  test('that are too many at once are halved, and one that is too large loses all but its line', async () => {
    const { store, deliver } = await begin();
    store.instead = () => {
      const sent = store.requests.at(-1)!;
      const isTooLarge = sent.length > 3 || sent.some(({ document }) => document['big'] !== undefined);
      if (isTooLarge) for (const { id } of sent) store.documents.delete(`${INDEX}/${id}`);
      return isTooLarge ? { status: 413 } : undefined;
    };
    expect(await deliver(bulkOf(10, (item) => (item === 7 ? { big: 'x' } : {})))).toEqual([]);
    expect(store.documents.size).toBe(10);
    const { document } = store.documents.get(`${INDEX}/${idOf(7)}`)!;
    expect([document['message'], document['tags']]).toEqual(['line 7', ['tailrace_field_dropped']]);
  });

  test('with a field that does not fit go in without it, and say so', async () => {
    const { store, deliver, events } = await begin();
    store.judge = ({ document }) =>
      document['http.response.body.bytes'] === 3
        ? { status: 400, error: parsing('[1:2] failed to parse field [http.response.body.bytes] of type [ip]') }
        : { status: 201 };
    expect(await deliver(bulkOf(5))).toEqual([]);
    const { document } = store.documents.get(`${INDEX}/${idOf(3)}`)!;
    expect(document).toEqual({
      '@timestamp': '2026-11-26T10:00:00.000Z',
      'event.created': '2026-11-26T10:00:01.000Z',
      message: 'line 3',
      'url.path': '/',
      tags: ['tailrace_field_dropped'],
      'tailrace.dropped_fields': ['http.response.body.bytes'],
    });
    expect(events.map(({ type }) => type)).toEqual(['dropped_fields']);
  });

  test('that are refused for a reason which names no field keep their line only', async () => {
    const { store, deliver } = await begin();
    store.judge = ({ document }) =>
      document['url.path'] === undefined ? { status: 201 } : { status: 400, error: parsing('a bad day') };
    expect(await deliver(bulkOf(1))).toEqual([]);
    expect(Object.keys(store.documents.get(`${INDEX}/${idOf(0)}`)!.document)).toContain('message');
  });

  test('that no index takes are dead letters: in the index for those, and named', async () => {
    const { store, deliver } = await begin();
    store.judge = ({ id, index }) =>
      id === idOf(1) && index === INDEX ? { status: 400, error: parsing('never') } : { status: 201 };
    const rejections = await deliver(bulkOf(3));
    expect(rejections.map(({ item, json }) => [item, (JSON.parse(json) as Sent['document'])['message']])).toEqual([
      [1, 'line 1'],
    ]);
    expect(store.ids()).toEqual([idOf(0), idOf(2)]);
    expect(store.ids('tailrace-dead-letters-2026.11.26')).toEqual([idOf(1)]);
  });

  test('that a failure store has are rejected, whatever the status says', async () => {
    const { store, deliver } = await begin();
    store.judge = ({ id }) => (id === idOf(0) ? { status: 201, failure_store: 'used' } : { status: 201 });
    expect((await deliver(bulkOf(2))).map(({ item }) => item)).toEqual([0]);
  });

  test('that are dead letters and kept aside by the failure store of that index, too, are rejected once', async () => {
    const { store, deliver } = await begin();
    store.judge = ({ index }) =>
      index === INDEX ? { status: 400, error: parsing('never') } : { status: 201, failure_store: 'used' };
    expect((await deliver(bulkOf(1))).map(({ item }) => item)).toEqual([0]);
  });

  test('are not judged by what is wrong with the cluster', async () => {
    const { store, deliver } = await begin();
    let tries = 0;
    store.judge = () =>
      ++tries < 5
        ? { status: 400, error: { type: 'validation_exception', reason: 'this cluster has the maximum shards open' } }
        : { status: 201 };
    expect(await deliver(bulkOf(1))).toEqual([]);
    expect(store.ids()).toEqual([idOf(0)]);
  });
});
