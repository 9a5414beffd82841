import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { COMPONENTS } from '../../src/components.ts';
import { combined } from '../../src/codecs/combined.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { OperatingError } from '../../src/lib/errors.ts';
import { type SearchPort, follow, linesBefore, search } from '../../src/query/search.ts';
import { LINE_SEARCH_FIELDS } from '../../src/query/search-fields.ts';
import { compileSearch } from '../../src/query/search-filter.ts';
import { lineJson, lineText } from '../../src/query/search-lines.ts';
import { parseSearch } from '../../src/query/search-syntax.ts';
import { type ElasticsearchClient, openElasticsearch } from '../../src/sinks/elasticsearch/client.ts';
import { streamIndices } from '../../src/sinks/elasticsearch/index-name.ts';
import { putTemplate } from '../../src/sinks/elasticsearch/provision.ts';
import { searchPort } from '../../src/sinks/elasticsearch/search-port.ts';
import { templatesOf } from '../../src/sinks/elasticsearch/templates.ts';
import { pipelineOf } from '../support/epochs.ts';
import { type Elasticsearch, startElasticsearch } from '../support/stack/elasticsearch.ts';
import { SERVER_START_MS, describeWith } from '../support/stack/require-stack.ts';

const DAY = Date.UTC(2026, 10, 26);
const FIELDS = { ...LINE_SEARCH_FIELDS, ...combined.fields({}) };
const PREFIX = 'searched';

interface Line {
  readonly id: string;
  readonly status: number;
  readonly path: string;
  readonly ip: string;
  readonly message: string;
  /** Seconds of the day. */
  readonly at: number;
  readonly readMs?: number;
}

const LINES: readonly Line[] = [
  { id: 'a', status: 200, path: '/api', ip: '192.0.2.1', message: 'GET /api Connection established by peer', at: 1 },
  { id: 'b', status: 500, path: '/api/v1', ip: '192.0.2.2', message: 'GET /api/v1 connection reset by peer', at: 2 },
  { id: 'c', status: 503, path: '/other', ip: '198.51.100.9', message: 'GET /other reset connection', at: 3 },
  { id: 'd', status: 404, path: '/apiary', ip: '2001:db8::1', message: 'POST /apiary missing', at: 4 },
  {
    id: 'e',
    status: 499,
    path: '/a*b',
    ip: '192.0.2.200',
    message: 'wild \u001b[31mred\u001b[0m \u009b2J \u202etxt',
    at: 5,
  },
];

describeWith('elasticsearch')('a search in a real Elasticsearch', () => {
  let elasticsearch: Elasticsearch;
  let client: ElasticsearchClient;
  let port: SearchPort;

  beforeAll(async () => {
    elasticsearch = await startElasticsearch();
    client = openElasticsearch({ nodes: [elasticsearch.url] });
    port = searchPort(client);
    const documents = { access: combined.fields({}) };
    const options = {
      prefix: PREFIX,
      shards: 1,
      replicas: 0,
      pipeline: pipelineOf(),
      documents,
      rollups: [],
      aggregates: COMPONENTS.aggregates,
    };
    for (const template of templatesOf(options)) await putTemplate(client, template);
    await put(LINES);
  }, SERVER_START_MS);

  afterAll(async () => {
    await client?.close();
    await elasticsearch?.stop();
  });

  async function put(lines: readonly Line[], index = `${PREFIX}-access-2026.11.26`): Promise<void> {
    const operations = lines.flatMap(({ id, status, path, ip, message, at, readMs }) => [
      { create: { _index: index, _id: id } },
      {
        '@timestamp': new Date(DAY + at * 1000).toISOString(),
        'event.created': new Date(readMs ?? DAY + at * 1000).toISOString(),
        'log.offset': at,
        'http.response.status_code': status,
        'url.path': path,
        'source.ip': ip,
        message,
      },
    ]);
    const answer = await client.bulk({ operations, refresh: true });
    expect(answer.errors).toBe(false);
  }

  const found = async (
    query: string,
    more: { since?: number; until?: number; linesMax?: number } = {},
  ): Promise<string> => {
    const { lines } = await search(port, {
      index: `${PREFIX}-access-*`,
      filter: compileSearch(query, parseSearch(query), FIELDS),
      sinceMs: DAY + (more.since ?? 0) * 1000,
      untilMs: DAY + (more.until ?? 100) * 1000,
      linesMax: more.linesMax ?? 100,
    });
    return lines.map(({ id }) => id).join('');
  };

  test.each([
    ['', 'abcde'],
    ['status>=500', 'bc'],
    ['status:5xx', 'bc'],
    ['status=499 OR status>500', 'ce'],
    ['-status:5xx', 'ade'],
    ['status!=200', 'bcde'],
    ['user!=x', ''],
    ['-user=x', 'abcde'],
    ['path:/api', 'abd'],
    ['path=/api', 'a'],
    ['path:/api*v1', 'b'],
    ['path:"/a*b"', 'e'],
    ['url.path:*', 'abcde'],
    ['user:*', ''],
    ['ip:192.0.2.0/24', 'abe'],
    ['ip:2001:db8::1', 'd'],
    ['ip>192.0.2.1 ip<=192.0.2.200', 'be'],
    ['connection', 'abc'],
    ['CONNECTION reset', 'bc'],
    ['conn*', 'abc'],
    ['"connection reset"', 'b'],
    ['"Connection Reset"', 'b'],
    ['-"connection reset"', 'acde'],
    ['"connection reset" OR status:503', 'bc'],
    ['reset -"connection reset"', 'c'],
    ['(status:200 OR "connection reset") -path:/other', 'ab'],
    ['-(status:200 OR "connection reset")', 'cde'],
    ['"/api/v1"', 'b'],
    ['"***"', ''],
    ['message:reset', 'bc'],
    ['message:"connection reset" status:500', 'b'],
    ['-message:conn*', 'de'],
    ['message!=reset', 'ade'],
    ['message:*', 'abcde'],
    ['time>2026-11-26T00:00:03Z', 'de'],
  ])('%s finds %s', async (query, ids) => {
    expect(await found(query)).toBe(ids);
  });

  test('takes the latest, in the order of time, within its range', async () => {
    expect(await found('', { linesMax: 2 })).toBe('de');
    expect(await found('"connection reset" OR status>0', { linesMax: 2 })).toBe('de');
    expect(await found('', { since: 2, until: 4 })).toBe('bc');
    const nowhere = compileSearch('', undefined, FIELDS);
    const options = { index: 'nowhere-*', filter: nowhere, sinceMs: 0, untilMs: DAY, linesMax: 5 };
    expect(await search(port, options)).toEqual({ lines: [], isCut: false });
  });

  test.each([
    ['staus:500', 'no stream has a field "staus"\n  staus:500\n  ^^^^^ did you mean status?'],
    ['status>=abc', 'is of type long, and "abc" is not\n  status>=abc\n          ^^^ a number, such as 500'],
    ['ip:300.1.1.1', 'source.ip is of type ip'],
    ['ip:192.0.2.0/33', 'source.ip is of type ip'],
    ['time>yesterday', '@timestamp is of type date'],
    ['message>a', 'message is text, which has no order'],
    // What a client is called is not what a host is.
    ['host:*', 'no stream has a field "host"\n  host:*\n  ^^^^ did you mean client?'],
  ])('%s is refused', (query, message) => {
    expect(() => compileSearch(query, parseSearch(query), FIELDS)).toThrow(message);
  });

  test('lines of a stream are those of its indices, and not of streams or dead letters whose names begin like it', async () => {
    const one = (id: string): Line[] => [{ ...LINES[0]!, id }];
    await put(one('own'), `${PREFIX}-dead-2026.11.26`);
    await put(one('other'), `${PREFIX}-dead-sea-2026.11.26`);
    await put(one('letter'), `${PREFIX}-dead-letters-2026.11.26`);
    const filter = compileSearch('', undefined, FIELDS);
    const idsOf = async (documents: string[], streams: string[]): Promise<string[]> => {
      const options = { ...streamIndices(PREFIX, documents, streams), filter };
      const { lines } = await search(port, { ...options, sinceMs: DAY, untilMs: DAY + 100_000, linesMax: 10 });
      expect([...(await linesBefore(port, options, { ...systemClock, nowMs: () => DAY })).keys()].toSorted()).toEqual(
        lines.map(({ id }) => id).toSorted(),
      );
      return lines.map(({ id }) => id).toSorted();
    };
    expect(await idsOf(['dead', 'dead-sea'], ['dead'])).toEqual(['own']);
    // Somebody else's stream, of which the configuration knows nothing.
    expect(await idsOf(['dead'], ['dead'])).toEqual(['own']);
    expect(await idsOf(['dead', 'dead-sea'], ['dead', 'dead-sea'])).toEqual(['other', 'own']);
    expect(await idsOf(['dead', 'dead-sea'], ['dead-sea'])).toEqual(['other']);
  });

  test('what a line could do to a terminal is shown, and not done', async () => {
    const options = { index: `${PREFIX}-*`, sinceMs: DAY, untilMs: DAY + 100_000, linesMax: 1 };
    const { lines } = await search(port, { ...options, filter: compileSearch('wild', parseSearch('wild'), FIELDS) });
    const text = lineText({ ...lines[0]!, fields: { message: lines[0]!.fields['message'] } }, (_, plain) => plain);
    expect(text).toContain(String.raw`wild \x1b[31mred\x1b[0m \x9b2J \u202etxt`);
    const json = lineJson(lines[0]!);
    expect(json).toContain(String.raw`wild \u001b[31mred\u001b[0m \u009b2J \u202etxt`);
    expect((JSON.parse(json) as { message: string }).message).toBe(LINES[4]!.message);
    // oxlint-disable-next-line eslint/no-control-regex
    expect(text + json).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
  });

  test('following shows every line that comes in once, late ones too', async () => {
    const stop = new AbortController();
    const index = `${PREFIX}-followed-*`;
    const nowMs = systemClock.nowMs();
    const one = (id: string, readMs: number): Line => ({ ...LINES[1]!, id, readMs });
    await put([one('0', nowMs - 1000)], `${PREFIX}-followed-1`);
    const filter = compileSearch('status:500', parseSearch('status:500'), FIELDS);
    const before = await linesBefore(port, { index, filter }, systemClock);
    const shown = (await search(port, { index, filter, sinceMs: DAY, untilMs: DAY + 100_000, linesMax: 9 })).lines;
    expect(shown.map(({ id }) => id)).toEqual(['0']);
    const followed: string[] = [];
    const untilFollowed = async (count: number): Promise<void> => {
      const endMs = systemClock.nowMs() + 40_000;
      while (followed.length < count && systemClock.nowMs() < endMs) await systemClock.sleep(20);
    };
    // The third answer is what a server says of an index that is just being made.
    let asked = 0;
    const openPointInTime: SearchPort['openPointInTime'] = async (...args) => {
      if (++asked === 3) throw new OperatingError('shards', { code: 'ES_BUSY', isRetryable: true });
      return await port.openPointInTime(...args);
    };
    const following = (async () => {
      for await (const lines of follow(
        { ...port, openPointInTime },
        { index, filter, before, shown },
        { clock: systemClock, signal: stop.signal },
      ))
        followed.push(...lines.map(({ id }) => id));
    })();
    await put([one('1', nowMs), one('2', nowMs)], `${PREFIX}-followed-1`);
    await untilFollowed(2);
    // Read before those that were shown, indexed after them; and another index begins.
    await put([one('3', nowMs - 50_000), { ...one('4', nowMs), status: 200 }], `${PREFIX}-followed-1`);
    await put([one('5', nowMs + 10)], `${PREFIX}-followed-2`);
    await untilFollowed(4);
    await systemClock.sleep(1500);
    stop.abort();
    await following;
    expect(followed.toSorted()).toEqual(['1', '2', '3', '5']);
  }, 60_000);
});
