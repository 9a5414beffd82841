import { chmodSync, rmSync } from 'node:fs';
import { hash, timingSafeEqual } from 'node:crypto';
import { type IncomingMessage, type RequestListener, type Server, type ServerResponse, createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { EXIT, OperatingError, systemErrorCode } from '../lib/errors.ts';
import { type ListenAddress, isLoopback } from '../lib/listen-address.ts';
import { METRICS_CONTENT_TYPE } from '../metrics/metric-set.ts';

export interface MetricsServerOptions extends ListenAddress {
  /** Scrapes must bring it: `Authorization: Bearer …`. */
  readonly token?: string;
  /** PEM texts. */
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly metrics: () => Promise<string>;
  /** Undefined while all is well, else what is wrong. */
  readonly problem: () => string | undefined;
  /** What else there is, by path, behind the token like the metrics. */
  readonly pages?: Readonly<Record<string, () => Page | Promise<Page>>>;
  /** In place of host and port: a socket that only this user reaches. */
  readonly socketPath?: string;
  /** Default 5 s. */
  readonly idleMsMax?: number;
}

/** A small answer, for people or programs. */
export interface Page {
  readonly status: number;
  readonly json: unknown;
}

/** Prometheus scrapes from one or two places; more at once are turned away. */
const CONNECTIONS_MAX = 32;
/** A client that has not shaken hands, sent its request, taken its answer, or asked again by then is cut off. */
const IDLE_MS_MAX = 5000;
/** Node looks for connections that are overdue each half a minute, unless it is told to look more often. */
const LOOKS_PER_IDLE = 10;

/**
 * Whether a Host header names this machine as only it does. A page of another site can have its own name point here ("DNS rebinding") and
 * would then be allowed to read what is answered; what a browser sends as Host is still that name.
 */
export function isLoopbackName(header: string | undefined): boolean {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::\d{1,5})?$/.exec(header ?? '');
  return isLoopback((match?.[1] ?? match?.[2] ?? '').toLowerCase());
}

/**
 * Serves `/metrics` and `/healthz`, and nothing else. Refuses an address that others can reach unless a token or TLS guards it; at one that
 * only this machine reaches, refuses whoever asks for another name.
 */
export async function startMetricsServer(
  options: MetricsServerOptions,
): Promise<{ readonly address: string; close(): Promise<void> }> {
  const { host, port, tls, token } = options;
  if (!isLoopback(host) && token === undefined && tls === undefined) {
    throw new OperatingError(`${host} is reached from other machines, and nothing guards it`, {
      code: 'LISTEN_UNGUARDED',
      exitCode: EXIT.usage,
      hint: 'listen on 127.0.0.1, or name a --token-file, or --tls-cert and --tls-key',
    });
  }
  const answer: RequestListener = (request, response) => void respond(options, request, response);
  const { idleMsMax = IDLE_MS_MAX } = options;
  const settings = {
    requestTimeout: idleMsMax,
    headersTimeout: idleMsMax,
    keepAliveTimeout: idleMsMax,
    // Node adds a second of its own, so that a client that counts to the announced moment does not come too late.
    keepAliveTimeoutBuffer: 0,
    connectionsCheckingInterval: idleMsMax / LOOKS_PER_IDLE,
    maxHeaderSize: 8192,
  };
  const server: Server = tls === undefined ? createServer(settings, answer) : createTls(settings, tls, answer);
  // Also of a client that does not take its answer.
  server.timeout = idleMsMax;
  server.maxConnections = CONNECTIONS_MAX;
  if (options.socketPath !== undefined) return listenOnSocket(server, options.socketPath);
  await listen(server, { host, port });
  const bound = server.address() as { port: number };
  const shown = host.includes(':') ? `[${host}]` : host;
  return {
    address: `${tls === undefined ? 'http' : 'https'}://${shown}:${bound.port}`,
    close: () => closed(server),
  };
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function listenOnSocket(
  server: Server,
  path: string,
): Promise<{ readonly address: string; close(): Promise<void> }> {
  // What a killed process has left: whoever listens here holds the lock of the run.
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  return { address: path, close: () => closed(server) };
}

function createTls(
  settings: { readonly requestTimeout: number },
  tls: { cert: string; key: string },
  answer: RequestListener,
): Server {
  const handshakeTimeout = settings.requestTimeout;
  try {
    return createTlsServer({ ...settings, ...tls, handshakeTimeout, minVersion: 'TLSv1.2' }, answer);
  } catch (error) {
    throw new OperatingError(`--tls-cert and --tls-key cannot be used: ${(error as Error).message}`, {
      code: 'LISTEN_TLS',
      exitCode: EXIT.usage,
      hint: 'name PEM files that belong together',
      cause: error,
    });
  }
}

function listen(server: Server, { host, port }: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const code = systemErrorCode(error) ?? String(error);
      reject(
        new OperatingError(`cannot listen on ${host} port ${port}: ${code}`, {
          code: 'LISTEN_FAILED',
          exitCode: EXIT.unreachable,
          hint: code === 'EADDRINUSE' ? 'another process has the port: choose another' : 'choose another address',
          cause: error,
        }),
      );
    });
    server.listen({ host, port }, resolve);
  });
}

async function respond(
  { host, token, metrics, problem, pages = {} }: MetricsServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const send = (status: number, body: string, headers: Record<string, string> = {}): void => {
    const common = { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' };
    response.writeHead(status, { ...common, ...headers });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
  if (isLoopback(host) && !isLoopbackName(request.headers.host))
    return send(421, 'ask for localhost, 127.0.0.1 or [::1]\n');
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(405, 'only GET\n', { Allow: 'GET, HEAD' });
  const path = (request.url ?? '').split('?', 1)[0];
  if (path === '/healthz') {
    const wrong = problem();
    return send(wrong === undefined ? 200 : 503, `${wrong ?? 'ok'}\n`);
  }
  const page = path === undefined || !Object.hasOwn(pages, path) ? undefined : pages[path];
  const others = ['/healthz', ...Object.keys(pages)];
  if (path !== '/metrics' && page === undefined)
    return send(404, `there are /metrics${others.length === 1 ? ' and' : ','} ${others.join(', ')}\n`);
  if (token !== undefined && !isAuthorized(request.headers.authorization, token))
    return send(401, 'needs the token\n', { 'WWW-Authenticate': 'Bearer' });
  if (page !== undefined) {
    const { status, json } = await page();
    return send(status, `${JSON.stringify(json)}\n`, { 'Content-Type': 'application/json; charset=utf-8' });
  }
  // Whatever a client accepts: this format is the one that there is.
  return send(200, await metrics(), { 'Content-Type': METRICS_CONTENT_TYPE });
}

/** Compares hashes, so that neither length nor content shows in the time it takes. */
function isAuthorized(header: string | undefined, token: string): boolean {
  const digest = (text: string): Buffer => hash('sha256', text, 'buffer');
  return timingSafeEqual(digest(header ?? ''), digest(`Bearer ${token}`));
}
