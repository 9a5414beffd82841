import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { errors } from '@elastic/elasticsearch';
import { afterEach, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../../src/lib/clock.ts';
import { OperatingError, describeError } from '../../../src/lib/errors.ts';
import {
  type ElasticsearchEvent,
  type ElasticsearchOptions,
  openElasticsearch,
  waitForElasticsearch,
  withElasticsearch,
} from '../../../src/sinks/elasticsearch/client.ts';
import { requestError } from '../../../src/sinks/elasticsearch/errors.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../../support/scripted-http.ts';

const servers: ScriptedServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function start(script: Script): Promise<ScriptedServer> {
  const server = await startScriptedServer(script);
  servers.push(server);
  return server;
}

const HEALTHY = { status: 200, body: { status: 'green' } };

async function askHealth(options: ElasticsearchOptions): Promise<unknown> {
  const client = openElasticsearch(options);
  try {
    await withElasticsearch(client, 'a question', () => client.cluster.health());
    return undefined;
  } catch (error) {
    return error;
  } finally {
    await client.close();
  }
}

describe('where it may connect to', () => {
  test.each(['http://127.0.0.1:9200', 'http://localhost:9200', 'http://[::1]:9200', 'https://es.example.org'])(
    '%s is taken as it is',
    async (node) => {
      await openElasticsearch({ nodes: [node] }).close();
    },
  );

  test.each(['http://es.example.org:9200', 'http://127.0.0.1.example.org:9200', 'http://10.1.2.3:9200'])(
    'plain http to %s must be said',
    async (node) => {
      expect(() => openElasticsearch({ nodes: [node] })).toThrow('is another machine and not https');
      await openElasticsearch({ nodes: [node], isInsecureAllowed: true }).close();
    },
  );

  test('an address with a password is refused, and not shown', () => {
    for (const node of ['https://elastic:s3cret@es.example.org', 'es:s3cret']) {
      const open = (): unknown => openElasticsearch({ nodes: [node] });
      expect(open).toThrow(OperatingError);
      expect(open).not.toThrow('s3cret');
    }
  });
});

describe('what a server answers becomes an error with a way out', () => {
  const failed = (status: number, type = 'some_exception') => ({
    status,
    body: { error: { type, reason: 'why' }, status },
  });

  test.each([
    [401, 'ES_AUTH', false],
    [403, 'ES_FORBIDDEN', false],
    [404, 'ES_NOT_FOUND', false],
    [400, 'ES_REFUSED', false],
    [413, 'ES_TOO_LARGE', false],
    [429, 'ES_BUSY', true],
    [503, 'ES_BUSY', true],
    [500, 'ES_FAILED', true],
  ])('%i is %s', async (status, code, isRetryable) => {
    const server = await start(() => failed(status));
    const error = await askHealth({ nodes: [server.url], auth: { apiKey: 'c2VjcmV0OmtleQ==' } });
    expect(error).toMatchObject({ code, isRetryable });
    expect(describeError(error)).toContain(`a question: ${server.url} answered ${status}: some_exception: why`);
    // The client retries nothing, and the key is nowhere in the error.
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]!.headers.authorization).toBe('ApiKey c2VjcmV0OmtleQ==');
    expect(JSON.stringify([error, (error as Error).stack, (error as Error).cause])).not.toContain('c2VjcmV0');
  });

  test('what a reason quotes is made safe to show, and cut', async () => {
    const reason = `\u001b]0;title\u0007${'x'.repeat(1000)}`;
    const server = await start(() => ({ status: 400, body: { error: { type: 't', reason } } }));
    const message = describeError(await askHealth({ nodes: [server.url] }));
    expect(message).toContain(String.raw`\x1b]0;title\x07xxx`);
    expect(message.length).toBeLessThan(500);
  });

  test('an old server, another product, no JSON, no server, no answer', async () => {
    const old = await start(() => failed(400, 'media_type_header_exception'));
    expect(await askHealth({ nodes: [old.url] })).toMatchObject({ code: 'ES_VERSION' });
    const other = await start(() => ({ ...HEALTHY, headers: { 'x-elastic-product': 'OtherSearch' } }));
    expect(await askHealth({ nodes: [other.url] })).toMatchObject({ code: 'ES_PRODUCT' });
    const cut = await start(() => ({ status: 200, body: '{"status":"gr' }));
    expect(await askHealth({ nodes: [cut.url] })).toMatchObject({ code: 'ES_UNREACHABLE', isRetryable: true });
    const gone = await start(() => HEALTHY);
    await gone.stop();
    expect(await askHealth({ nodes: [gone.url] })).toMatchObject({ code: 'ES_UNREACHABLE', isRetryable: true });
    const silent = await start(() => undefined);
    const error = await askHealth({ nodes: [silent.url], requestTimeoutMs: 200 });
    expect(error).toMatchObject({ code: 'ES_TIMEOUT', isRetryable: true });
  });

  test('a handshake that breaks off is a server that cannot be reached now', async () => {
    const server = createServer((socket) => socket.once('data', () => socket.end()));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const error = await askHealth({ nodes: [`https://127.0.0.1:${port}`] });
    server.close();
    expect(error).toMatchObject({ code: 'ES_UNREACHABLE', isRetryable: true });
    expect(describeError(error)).toContain('before secure TLS connection was established');
  });

  test.each([
    'self-signed certificate in certificate chain',
    'unable to verify the first certificate',
    'unable to get local issuer certificate',
    'certificate has expired',
    "Hostname/IP does not match certificate's altnames: IP: 127.0.0.1 is not in the cert's list",
    'write EPROTO 0:error:0A00010B:SSL routines:ssl3_get_record:wrong version number',
    'SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca:SSL alert number 48',
  ])('%s is ES_TLS', (message) => {
    const error = requestError(new errors.ConnectionError(message), 'a question', 'https://es:9200');
    expect(error).toMatchObject({ code: 'ES_TLS', isRetryable: false });
  });

  test('a server without TLS under an https address', async () => {
    const server = await start(() => HEALTHY);
    expect(await askHealth({ nodes: [server.url.replace('http:', 'https:')] })).toMatchObject({ code: 'ES_TLS' });
  });
});

describe('waiting for it', () => {
  test('says once that it is away and once that it is back', async () => {
    let probes = 0;
    const server = await start(() => (probes++ < 3 ? { status: 503 } : HEALTHY));
    const client = openElasticsearch({ nodes: [server.url] });
    const events: ElasticsearchEvent[] = [];
    const isThere = await waitForElasticsearch(client, {
      clock: systemClock,
      pauseMs: 5,
      notify: (event) => events.push(event),
    });
    expect(isThere).toBe(true);
    expect(events.map(({ type }) => type)).toEqual(['away', 'back']);
    expect(server.requests).toHaveLength(4);
    await client.close();
  });

  test('ends at once where waiting does not help, at the abort, and at its timeout', async () => {
    const refusing = await start(() => ({ status: 401 }));
    const busy = await start(() => ({ status: 503 }));
    const limited = await start(() => ({ status: 403 }));
    const wait = async (url: string, more: { signal?: AbortSignal; timeoutMs?: number }): Promise<boolean> => {
      const client = openElasticsearch({ nodes: [url] });
      return await waitForElasticsearch(client, { clock: systemClock, pauseMs: 5, ...more }).finally(() =>
        client.close(),
      );
    };
    await expect(wait(refusing.url, {})).rejects.toMatchObject({ code: 'ES_AUTH' });
    await expect(wait(busy.url, { timeoutMs: 30 })).rejects.toMatchObject({ code: 'ES_BUSY' });
    expect(await wait(busy.url, { signal: AbortSignal.timeout(30) })).toBe(false);
    expect(await wait(limited.url, {})).toBe(true);
  });
});
