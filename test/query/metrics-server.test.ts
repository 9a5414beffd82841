import { afterEach, describe, expect, test } from '@jest/globals';
import { OperatingError } from '../../src/lib/errors.ts';
import {
  type MetricsServerOptions,
  isLoopback,
  parseListen,
  startMetricsServer,
} from '../../src/query/metrics-server.ts';

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

describe('addresses', () => {
  test.each([
    ['127.0.0.1:9308', '127.0.0.1', 9308],
    ['[::1]:0', '::1', 0],
    ['localhost:65535', 'localhost', 65_535],
  ])('%s', (text, host, port) => expect(parseListen(text)).toEqual({ host, port }));

  test.each(['9308', ':9308', '127.0.0.1', '127.0.0.1:70000', '::1:9308', '[localhost]:1', 'a b:1', ''])(
    'not %j',
    (text) => expect(() => parseListen(text)).toThrow(OperatingError),
  );

  test('what only this machine reaches', () => {
    expect(['127.0.0.1', '127.8.8.8', '::1', 'localhost'].filter((host) => !isLoopback(host))).toEqual([]);
    expect(['0.0.0.0', '::', '10.0.0.1', '127.example.org', 'example.org'].filter(isLoopback)).toEqual([]);
  });
});

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
