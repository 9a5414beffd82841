import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type MetricsServerOptions, isLoopbackName, startMetricsServer } from '../../src/query/metrics-server.ts';

const TOKEN = 'a-token-of-some-length';
let close: (() => Promise<void>) | undefined;
afterEach(async () => {
  await close?.();
  close = undefined;
});

async function serve(options: Partial<MetricsServerOptions> = {}): Promise<string> {
  const server = await startMetricsServer({
    host: '127.0.0.1',
    port: 0,
    metrics: () => Promise.resolve('# HELP up_total x\nup_total 1\n'),
    problem: () => undefined,
    ...options,
  });
  close = () => server.close();
  return server.address;
}

test('text 0.0.4, whatever a client would rather have', async () => {
  const address = await serve();
  const answer = await fetch(`${address}/metrics`, {
    headers: { Accept: 'application/openmetrics-text; version=1.0.0' },
  });
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(await answer.text()).toContain('up_total 1');
});

test('nothing but /metrics and /healthz, and only to be read', async () => {
  const address = await serve();
  expect((await fetch(`${address}/`)).status).toBe(404);
  expect((await fetch(`${address}/metrics`, { method: 'POST' })).status).toBe(405);
  expect((await fetch(`${address}/metrics?x=1`, { method: 'HEAD' })).status).toBe(200);
});

test('health', async () => {
  let problem: string | undefined = 'LOG_UNREACHABLE';
  const address = await serve({ problem: () => problem });
  const ill = await fetch(`${address}/healthz`);
  expect([ill.status, await ill.text()]).toEqual([503, 'LOG_UNREACHABLE\n']);
  problem = undefined;
  expect((await fetch(`${address}/healthz`)).status).toBe(200);
});

describe('other machines', () => {
  test('are refused without a guard', async () => {
    await expect(serve({ host: '0.0.0.0' })).rejects.toMatchObject({ code: 'LISTEN_UNGUARDED', exitCode: 2 });
  });

  test('need the token', async () => {
    const { port } = new URL(await serve({ host: '0.0.0.0', token: TOKEN }));
    const scrape = async (headers: Record<string, string>): Promise<number> =>
      (await fetch(`http://127.0.0.1:${port}/metrics`, { headers })).status;
    expect(await scrape({})).toBe(401);
    expect(await scrape({ Authorization: `Bearer ${TOKEN}x` })).toBe(401);
    expect(await scrape({ Authorization: TOKEN })).toBe(401);
    expect(await scrape({ Authorization: `Bearer ${TOKEN}` })).toBe(200);
  });

  test('a certificate that is none is said in one line', async () => {
    await expect(serve({ tls: { cert: 'no', key: 'no' } })).rejects.toMatchObject({ code: 'LISTEN_TLS' });
  });
});

test('a port that is taken is said in one line', async () => {
  const { port } = new URL(await serve());
  await expect(
    startMetricsServer({ host: '127.0.0.1', port: Number(port), metrics: async () => '', problem: () => undefined }),
  ).rejects.toMatchObject({ code: 'LISTEN_FAILED' });
});

/** A connection that sends `text` and nothing more. */
async function open(address: string, text = ''): Promise<Socket> {
  const { port } = new URL(address);
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  if (text !== '') socket.write(text);
  return socket;
}

/** The whole answer to one request under the given lines of head. */
async function ask(address: string, ...head: readonly string[]): Promise<string> {
  const socket = await open(address, ['GET /metrics HTTP/1.1', ...head, 'Connection: close', '', ''].join('\r\n'));
  let answer = '';
  socket.on('data', (bytes: Buffer) => (answer += bytes.toString()));
  await once(socket, 'close');
  return answer;
}

describe('the name it is asked for', () => {
  test.each(['localhost', 'LOCALHOST:9308', '127.0.0.1:9308', '127.9.9.9', '[::1]', '[::1]:9308'])(
    '%s is this machine',
    (name) => expect(isLoopbackName(name)).toBe(true),
  );

  test.each([
    undefined,
    '',
    'example.org',
    'localhost.example.org:9308',
    '127.0.0.1.example.org',
    '127.0.0.1@example.org',
    'user@localhost',
    '[::1].example.org',
    '::1',
    '10.0.0.1:9308',
    'localhost:9308:1',
    ' localhost',
  ])('%s is not', (name) => expect(isLoopbackName(name)).toBe(false));

  test('a page of another site that has its name point here reads nothing', async () => {
    const address = await serve();
    const rebound = await ask(address, 'Host: attacker.example.org:9308');
    expect(rebound).toContain('421');
    expect(rebound).not.toContain('up_total');
    expect(await ask(address, 'Host: localhost:9308')).toContain('up_total 1');
    expect(await ask(address)).not.toContain('up_total');
  });

  test("is nobody's business where other machines may ask, which the token guards", async () => {
    const address = await serve({ host: '0.0.0.0', token: TOKEN });
    const answer = await ask(address, 'Host: metrics.example.org', `Authorization: Bearer ${TOKEN}`);
    expect(answer).toContain('up_total 1');
  });
});

describe('connections that only wait', () => {
  const HEAD = 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n';

  test.each([
    ['sends nothing', ''],
    ['sends half a head', HEAD],
    ['has its answer and asks no more', `${HEAD}\r\n`],
  ])('one that %s is ended', async (_, text) => {
    const idleMsMax = 200;
    const socket = await open(await serve({ idleMsMax }), text);
    socket.resume();
    // Half a minute is what Node takes by itself.
    await expect(Promise.race([once(socket, 'close'), timeout(15_000)])).resolves.toBeDefined();
  });

  test('one that sends its head byte by byte is ended, too', async () => {
    const socket = await open(await serve({ idleMsMax: 300 }), HEAD);
    socket.resume();
    const drip = setInterval(() => socket.write('x'), 20);
    await expect(Promise.race([once(socket, 'close'), timeout(15_000)])).resolves.toBeDefined();
    clearInterval(drip);
  });

  test('after the 5 s that are stated', async () => {
    const address = await serve();
    const startedMs = performance.now();
    const socket = await open(address);
    socket.resume();
    await once(socket, 'close');
    const waitedMs = performance.now() - startedMs;
    expect(waitedMs).toBeGreaterThan(4000);
    expect(waitedMs).toBeLessThan(15_000);
  }, 60_000);

  test('do not keep others out for ever: more than 32 are turned away, and there is room again', async () => {
    const address = await serve({ idleMsMax: 500 });
    const waiting = await Promise.all(Array.from({ length: 40 }, () => open(address)));
    for (const socket of waiting) socket.resume();
    for (const socket of waiting) if (!socket.closed) await once(socket, 'close');
    expect((await fetch(`${address}/metrics`)).status).toBe(200);
  });
});

function timeout(ms: number): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`still open after ${ms} ms`)), ms).unref();
  });
}
